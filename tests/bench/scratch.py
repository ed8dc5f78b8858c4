"""Where the benches run: a database of their own, and the environment of their processes."""

from __future__ import annotations

import os

from tests import databases


def environment(var: str, database_url: str, **more: str) -> dict[str, str]:
    """What a process of a bench needs: its folder, its database, keys of no worth."""
    return {
        **os.environ,
        "VAR_DIR": var,
        "DEBUG": "0",
        "SECRET_KEY": "bench" * 12,
        "CREDENTIAL_KEYS": "1:QUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUE=",
        "LOG_LEVEL": "ERROR",
        "DATABASE_URL": database_url,
        **more,
    }


NAME = "audit_bench"


def scratch(postgres: str) -> str:
    drop(postgres)
    databases.execute(postgres, f"CREATE DATABASE {NAME}")
    return databases.named(postgres, NAME)


def drop(postgres: str) -> None:
    databases.drop(postgres, NAME)
