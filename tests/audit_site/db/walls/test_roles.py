"""The two roles of an installation, neither a superuser, as the operating guide makes them."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import psycopg2
import pytest
from psycopg2 import errors

from tests.databases import (
    ROLE,
    ROOT,
    as_application,
    drop,
    execute,
    named,
    own_name,
    postgres_url,
    role_statement,
    signed_in,
)

pytestmark = [
    pytest.mark.postgres,
    pytest.mark.once,
    pytest.mark.skipif(not postgres_url(), reason="SQLite has no roles"),
]

OWNER = "audit_tests_owner"
NAMES = "SELECT name FROM tenants_tenant WHERE name IN ('Acme', 'Other') ORDER BY name"
EVERYTHING = "SET audit.everything = 'on'"
DUMP = ("pg_dump", "--enable-row-security")
CATALOGUE = """
SELECT oid::text, NULL FROM pg_policy UNION SELECT oid::text, NULL FROM pg_constraint
UNION SELECT oid::text, relacl::text FROM pg_class ORDER BY 1
"""


@dataclass
class Installation:
    """A database of a role that owns it and is nothing more, with two tenants."""

    owner: str
    var: Path
    tenants: list[str]

    @property
    def application(self) -> str:
        return as_application(self.owner)

    def manage(self, *arguments: str, by: str = "") -> str:
        """Run a command in the application's role, and `migrate` in the owner's."""
        urls = {"DATABASE_URL": by or self.application, "DATABASE_OWNER_URL": by or self.owner}
        done = subprocess.run(
            [sys.executable, "manage.py", *arguments],
            cwd=ROOT,
            env={**os.environ, "VAR_DIR": str(self.var), **urls},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    def create_tenant(self, name: str, by: str = "") -> str:
        said = self.manage("create_tenant", name, "--admin-email", f"{name}@x.example", by=by)
        tenant: str = json.loads(said)["tenant"]
        return tenant


@pytest.fixture(scope="module")
def installation(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    postgres, name = postgres_url(), own_name("roles", str(os.getpid()))
    drop(postgres, name)
    execute(
        named(postgres, "postgres"),
        role_statement(OWNER),
        role_statement(ROLE),
        f"CREATE DATABASE {name} OWNER {OWNER}",
    )
    made = Installation(
        signed_in(named(postgres, name), OWNER), tmp_path_factory.mktemp("roles"), []
    )
    made.manage("migrate", "--no-input")
    made.tenants += [made.create_tenant(each) for each in ("Acme", "Other")]
    yield made
    drop(postgres, name)


def refusals(url: str, *statements: str) -> set[type[psycopg2.Error]]:
    found = set()
    for statement in statements:
        with pytest.raises(psycopg2.Error) as error:
            execute(url, statement)
        found.add(error.type)
    return found


def test_the_application_sees_the_tenant_that_it_names(installation: Installation) -> None:
    application, acme = installation.application, installation.tenants[0]

    assert execute(application, NAMES) == []
    assert execute(application, EVERYTHING, NAMES) == []
    assert execute(application, f"SET audit.tenant = '{acme}'", NAMES) == [("Acme",)]


def test_the_application_can_open_nothing(installation: Installation) -> None:
    refused = refusals(
        installation.application,
        "ALTER TABLE tenants_tenant DISABLE ROW LEVEL SECURITY",
        "DROP POLICY wall_tenant ON tenants_tenant",
        "TRUNCATE tenants_tenant CASCADE",
        "CREATE TABLE mine ()",
        "DELETE FROM django_migrations",
        f"SET ROLE {OWNER}",
        f"ALTER ROLE {ROLE} BYPASSRLS",
    )

    assert refused == {errors.InsufficientPrivilege}


@pytest.mark.timeout(300)
def test_a_second_migrate_changes_nothing(installation: Installation) -> None:
    before = execute(installation.owner, CATALOGUE)

    installation.manage("migrate", "--no-input")

    assert execute(installation.owner, CATALOGUE) == before


def test_one_role_alone_is_bound_by_its_own_policies(installation: Installation) -> None:
    """Where the owner is the application, too, a command works and a forgotten filter does not."""
    third = installation.create_tenant("Third", by=installation.owner)
    name = "SELECT name FROM tenants_tenant WHERE name = 'Third'"

    assert execute(installation.owner, NAMES) == []
    assert execute(installation.owner, EVERYTHING, NAMES) == [("Acme",), ("Other",)]
    assert execute(installation.owner, name) == []
    assert execute(installation.owner, f"SET audit.tenant = '{third}'", name) == [("Third",)]


@pytest.mark.skipif(shutil.which("pg_dump") is None, reason="there is no pg_dump")
def test_the_owner_dumps_everything_as_the_guide_says(installation: Installation) -> None:
    done = subprocess.run(
        [*DUMP, "--data-only", "--table=tenants_tenant", installation.owner],
        env={**os.environ, "PGOPTIONS": "-c audit.everything=on"},
        capture_output=True,
        text=True,
        check=True,
    )

    assert "\tAcme\t" in done.stdout
    assert "\tOther\t" in done.stdout
