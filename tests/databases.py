"""Databases of tests: the migrations run once, and whoever needs the tables takes a copy."""

from __future__ import annotations

import fcntl
import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import psycopg2

ROOT = Path(__file__).resolve().parents[1]


def execute(url: str, *statements: str) -> None:
    """Run statements on a PostgreSQL, each on its own."""
    connection = psycopg2.connect(url)
    connection.autocommit = True
    with connection.cursor() as cursor:
        for statement in statements:
            cursor.execute(statement)
    connection.close()


def _folder(postgres: str) -> Path:
    """Where the template is, or a file that says that it is there: tests/environment.py names it."""
    return Path(os.environ["AUDIT_TEST_VAR_DIR"]) / ("postgres" if postgres else "sqlite")


def _name() -> str:
    run = Path(os.environ["AUDIT_TEST_VAR_DIR"]).name
    return "audit_template_" + "".join(filter(str.isalnum, run)).lower()


def migrate(env: Mapping[str, str]) -> None:
    subprocess.run(
        [sys.executable, "manage.py", "migrate", "--no-input", "--verbosity", "0"],
        cwd=ROOT,
        env=env,
        check=True,
    )


def template(postgres: str) -> str:
    """The name of a PostgreSQL database, or the path of a SQLite file, with all tables and no rows.

    Made by whichever of the processes of this test run asks first.
    """
    folder = _folder(postgres)
    folder.mkdir(exist_ok=True)
    made = folder / "made"
    with (folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not made.exists():
            url = ""
            if postgres:
                url = f"{postgres.rsplit('/', 1)[0]}/{_name()}"
                execute(postgres, f"CREATE DATABASE {_name()}")
            migrate({**os.environ, "VAR_DIR": str(folder), "DATABASE_URL": url})
            made.touch()
    return _name() if postgres else str(folder / "audit.sqlite3")


def copy_template(postgres: str, name: str, var: Path) -> str:
    """A database with all tables; its `DATABASE_URL` ("" = the SQLite file in `var`)."""
    source = template(postgres)
    if not postgres:
        shutil.copy(source, var / "audit.sqlite3")
        return ""
    execute(
        postgres,
        f"DROP DATABASE IF EXISTS {name} WITH (FORCE)",
        f"CREATE DATABASE {name} TEMPLATE {source}",
    )
    return f"{postgres.rsplit('/', 1)[0]}/{name}"


def drop_template(postgres: str) -> None:
    if _folder(postgres).exists():
        execute(postgres, f"DROP DATABASE IF EXISTS {_name()} WITH (FORCE)")
