"""Roles and policies of a real PostgreSQL, as `doctor` reads them from the catalogue."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from tests.databases import (
    ROOT,
    copy_template,
    drop,
    execute,
    named,
    postgres_url,
    template,
)

pytestmark = [pytest.mark.postgres, pytest.mark.once]
ROLE = "audit_doctor_tests"
PASSWORD = "only-of-tests"


@pytest.fixture
def url(tmp_path: Path) -> Iterator[str]:
    """A database of its own with a table that has no policy, signed in to as a narrow role."""
    postgres = postgres_url()
    if not postgres:
        pytest.skip("needs PostgreSQL")
    name, owners = copy_template(postgres, tmp_path, template(postgres))
    role = f"{ROLE}_{os.getpid()}"
    execute(
        owners,
        f"DROP ROLE IF EXISTS {role}",
        f"CREATE ROLE {role} LOGIN PASSWORD '{PASSWORD}'",
        f"GRANT SELECT ON ALL TABLES IN SCHEMA public TO {role}",
        "CREATE TABLE a_table_without_a_wall (tenant_id uuid)",
    )
    there = urlsplit(owners)
    yield there._replace(netloc=f"{role}:{PASSWORD}@{there.hostname}:{there.port or 5432}").geturl()
    drop(postgres, name)
    execute(named(postgres, "postgres"), f"DROP ROLE {role}")


def doctor(url: str, var: Path) -> dict[str, dict[str, str]]:
    done = subprocess.run(
        [sys.executable, "manage.py", "doctor", "--json"],
        cwd=ROOT,
        env={**os.environ, "VAR_DIR": str(var), "DATABASE_URL": url, "CELERY_BROKER_URL": ""},
        capture_output=True,
        text=True,
        check=False,
    )
    assert PASSWORD not in done.stdout + done.stderr
    return {entry["check"]: entry for entry in json.loads(done.stdout)}


def as_owner(url: str, *statements: str) -> None:
    """As the superuser of the tests, in the database of this test."""
    execute(named(postgres_url(), urlsplit(url).path.removeprefix("/")), *statements)


def test_roles_and_tables_without_a_wall(url: str, tmp_path: Path) -> None:
    role = urlsplit(url).username
    narrow = doctor(url, tmp_path)

    assert (narrow["database.role"]["level"], narrow["database.role"]["says"]) == (
        "ok",
        "The application's role is no superuser, owns no table and obeys policies.",
    )
    assert narrow["database.version"]["level"] == "ok"
    assert narrow["database.clock"]["level"] == "ok"
    assert narrow["database.policies"]["level"] == "failing"
    assert ": a_table_without_a_wall" in narrow["database.policies"]["says"]
    assert "manage.py migrate" in narrow["database.policies"]["mend"]

    as_owner(
        url,
        f"ALTER ROLE {role} BYPASSRLS",
        f"ALTER TABLE a_table_without_a_wall OWNER TO {role}",
        "ALTER TABLE a_table_without_a_wall ENABLE ROW LEVEL SECURITY",
        "CREATE POLICY wall ON a_table_without_a_wall USING (false)",
    )
    mighty = doctor(url, tmp_path)

    assert mighty["database.role"]["level"] == "warning"
    assert (
        f"{role} passes by row-level security (BYPASSRLS); it owns 1 table."
        in mighty["database.role"]["says"]
    )
    assert "docs/operating.md" in mighty["database.role"]["mend"]
    # its owner would still pass by
    assert ": a_table_without_a_wall" in mighty["database.policies"]["says"]

    as_owner(url, "ALTER TABLE a_table_without_a_wall FORCE ROW LEVEL SECURITY")

    assert "a_table_without_a_wall" not in doctor(url, tmp_path)["database.policies"]["says"]


def test_a_superuser(url: str, tmp_path: Path) -> None:
    as_owner(url, f"ALTER ROLE {urlsplit(url).username} SUPERUSER")

    found = doctor(url, tmp_path)["database.role"]

    assert found["level"] == "warning"
    assert f"{urlsplit(url).username} is a superuser" in found["says"]


def test_a_database_that_does_not_answer(tmp_path: Path) -> None:
    found = doctor(f"postgres://me:{PASSWORD}@127.0.0.1:1/away", tmp_path)

    assert found["database.reachable"] == {
        "check": "database.reachable",
        "level": "failing",
        "says": "The database does not answer this.",
        "mend": "See that it runs, that DATABASE_URL names it, and that migrations are applied.",
    }
    assert found["settings.debug"]["level"] == "ok"
