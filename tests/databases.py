"""Databases of tests: the migrations run once, and anyone who needs the tables takes a copy."""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import socket
import subprocess
import sys
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import psutil
import psycopg2

ROOT = Path(__file__).resolve().parents[1]


def postgres_url() -> str:
    """The PostgreSQL that these tests were given; "" = they run on SQLite."""
    url = os.environ.get("DATABASE_URL", "")
    return url if url.startswith("postgres") else ""


def named(url: str, name: str) -> str:
    """The address of another database on the same server."""
    return urlsplit(url)._replace(path=f"/{name}").geturl()


def execute(url: str, *statements: str) -> list[Any]:
    """Run statements on a PostgreSQL, each on its own; the rows of the last one."""
    connection = psycopg2.connect(url)
    connection.autocommit = True
    with connection.cursor() as cursor:
        for statement in statements:
            cursor.execute(statement)
        rows = cursor.fetchall() if cursor.description else []
    connection.close()
    return rows


def own_name(kind: str, process: str) -> str:
    """A name that says whose database it is, so that those of dead processes can be dropped."""
    host = zlib.crc32(socket.gethostname().encode())
    return f"audit_{kind}_{host}_{process}"


def drop(postgres: str, name: str) -> None:
    execute(named(postgres, "postgres"), f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")


def _drop_of_dead_processes(postgres: str, kind: str) -> None:
    for (name,) in execute(named(postgres, "postgres"), "SELECT datname FROM pg_database"):
        process = name.removeprefix(own_name(kind, ""))
        if process != name and not psutil.pid_exists(int(process)):
            drop(postgres, name)


def _folder(postgres: str) -> Path:
    """Where the template is, or a file that says that it is there."""
    return Path(os.environ["AUDIT_TEST_VAR_DIR"]) / ("postgres" if postgres else "sqlite")


#: What a connection of tests asks of PostgreSQL: not to wait for the disk at each commit, and not to
#: compile statements that are sent once.
UNHURRIED = "-c synchronous_commit=off -c jit=off"
#: And of SQLite: nothing of a test must outlive the machine.
UNHURRIED_SQLITE = "PRAGMA synchronous=OFF;"
#: The application's role on the servers that tests use; it owns nothing and passes no policy.
ROLE, PASSWORD = "audit_tests_application", "of-tests-alone"


def role_statement(role: str) -> str:
    """Makes a role of an application, unless it is there."""
    return f"""
        DO $$ BEGIN
            CREATE ROLE {role} LOGIN PASSWORD '{PASSWORD}'
                NOSUPERUSER NOCREATEDB NOCREATEROLE NOBYPASSRLS;
        EXCEPTION WHEN duplicate_object OR unique_violation THEN NULL;
        END $$
    """


def signed_in(url: str, role: str) -> str:
    """The same database, signed in to by one of these roles."""
    parts = urlsplit(url)
    place = parts.netloc.rpartition("@")[2]
    return parts._replace(netloc=f"{role}:{PASSWORD}@{place}").geturl()


def as_application(url: str) -> str:
    """The same database, signed in to by the application's role."""
    return signed_in(url, ROLE)


def two_roles(owner_url: str) -> dict[str, str]:
    """The environment of an installation whose application does not own its tables."""
    if not owner_url:
        return {"DATABASE_URL": "", "DATABASE_OWNER_URL": ""}
    return {"DATABASE_URL": as_application(owner_url), "DATABASE_OWNER_URL": owner_url}


def as_tests_do(installation: dict[str, str]) -> dict[str, str]:
    """The environment of who looks into an installation: all is seen, but what the product does
    meanwhile it does in the application's role.
    """
    if not (owner_url := installation["DATABASE_OWNER_URL"]):
        return installation
    return {**installation, "DATABASE_URL": owner_url, "DATABASE_ROLE": ROLE}


def template(postgres: str) -> str:
    """The name of a PostgreSQL database, or the path of a SQLite file, with all tables and no rows.

    Made by whichever of the processes of this test run asks first.
    """
    name, folder = _template_name("template"), _folder(postgres)
    with _made_by_one(folder / "made") as is_made:
        if not is_made:
            url = _new_database(postgres, name, role_statement(ROLE)) if postgres else ""
            _manage(url, folder, "migrate", "--no-input", "--verbosity", "0")
    return name if postgres else str(folder / "audit.sqlite3")


def template_with_a_tenant(postgres: str) -> tuple[str, str]:
    """A copy of the template with a tenant in it, and an API token of its admin."""
    source, name = template(postgres), _template_name("tenant")
    folder = _folder(postgres) / "tenant"
    with _made_by_one(folder / "token") as is_made:
        if not is_made:
            url = _new_database(postgres, name, template=source) if postgres else ""
            if not postgres:
                shutil.copy(source, folder / "audit.sqlite3")
            (folder / "token").write_text(_token_of_a_new_tenant(url, folder))
    return name if postgres else str(folder / "audit.sqlite3"), (folder / "token").read_text()


def _token_of_a_new_tenant(url: str, var: Path) -> str:
    who = ("--admin-email", "a@example.com", "--company-limit", "500")
    tenant = json.loads(_manage(url, var, "create_tenant", "Acme", *who))["tenant"]
    who = ("--tenant", tenant, "--email", "a@example.com", "--role", "admin")
    token: str = json.loads(_manage(url, var, "create_api_token", *who))["token"]
    return token


@contextmanager
def _made_by_one(made: Path) -> Iterator[bool]:
    """Whether it is made already; if not, nobody else makes it meanwhile."""
    made.parent.mkdir(parents=True, exist_ok=True)
    with made.with_name("lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield made.exists()
        made.touch()


def _template_name(kind: str) -> str:
    return own_name(kind, os.environ["AUDIT_TEST_RUN"])


def _new_database(postgres: str, name: str, *before: str, template: str = "template1") -> str:
    _drop_of_dead_processes(postgres, name.split("_")[1])
    drop(postgres, name)
    execute(named(postgres, "postgres"), *before, f"CREATE DATABASE {name} TEMPLATE {template}")
    return named(postgres, name)


def _manage(url: str, var: Path, *arguments: str) -> str:
    done = subprocess.run(
        [sys.executable, "manage.py", *arguments],
        cwd=ROOT,
        env={**os.environ, "VAR_DIR": str(var), **two_roles(url)},
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    return done.stdout


def drop_template() -> None:
    """At the end of a test run."""
    if postgres := postgres_url():
        for kind in ("tenant", "template"):
            drop(postgres, _template_name(kind))
    for folder in (_folder(""), _folder("postgres")):
        shutil.rmtree(folder, ignore_errors=True)


def copy_template(postgres: str, var: Path, source: str) -> tuple[str, str]:
    """A copy of a template: its name ("" = the SQLite file in `var`) and `DATABASE_URL`."""
    if not postgres:
        shutil.copy(source, var / "audit.sqlite3")
        return "", ""
    name = own_name("processes", str(os.getpid()))
    return name, _new_database(postgres, name, template=source)
