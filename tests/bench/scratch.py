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
        "DATABASE_ROLE": ROLE if database_url else "",
        **more,
    }


#: Benches that run at the same time need databases of different names.
NAME = os.environ.get("BENCH_DATABASE", "audit_bench")
#: The application's role, of the benches alone: for half of a comparison it passes all policies.
ROLE = f"{NAME}_application"


def scratch(postgres: str, name: str = NAME) -> str:
    drop(postgres, name)
    databases.execute(postgres, databases.role_statement(ROLE), f"CREATE DATABASE {name}")
    heed_policies(postgres)
    return databases.named(postgres, name)


def heed_policies(postgres: str, *, heeds: bool = True) -> None:
    """Whether the second wall stands between the application's role and the rows of all tenants."""
    databases.execute(postgres, f"ALTER ROLE {ROLE} {'NOBYPASSRLS' if heeds else 'BYPASSRLS'}")


def begin() -> None:
    """Set Django up in this process. The bench itself sees everything, what it measures does not."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "audit_site.settings")
    import django  # noqa: PLC0415

    django.setup()
    from audit_site.db import walls  # noqa: PLC0415

    walls.enter(walls.Asker(everything=True))


def drop(postgres: str, name: str = NAME) -> None:
    databases.drop(postgres, name)
