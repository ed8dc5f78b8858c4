"""Behind the real pgbouncer, which gives each transaction any connection to the server."""

from __future__ import annotations

import os
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import psycopg2
import psycopg2.extensions
import pytest
from django.db import connection, transaction

from audit_site.db import walls
from audit_site.db.postgresql.base import DatabaseWrapper
from audit_site.local.test import find_server
from audit_site.tenants.models import Tenant
from tests.databases import PASSWORD, ROLE, postgres_url
from tests.factories import make_company
from tests.processes.installation import free_port, wait_for

PGBOUNCER = find_server("pgbouncer")
pytestmark = [
    pytest.mark.postgres,
    pytest.mark.skipif(PGBOUNCER is None, reason="there is no pgbouncer"),
]

#: One connection to the server, for whoever has a transaction.
CONFIGURATION = """
[databases]
{name} = host={host} port={port} dbname={name} user={role} password={password}
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = {listen}
auth_type = any
pool_mode = transaction
default_pool_size = 1
unix_socket_dir =
"""


@pytest.fixture
def pooled(transactional_db: None) -> Iterator[dict[str, Any]]:
    """Settings of a connection to the test database through a pooler, in the application's role."""
    server, port = urlsplit(postgres_url()), free_port()
    name = connection.settings_dict["NAME"]
    settings = Path(tempfile.gettempdir(), f"audit-test-pgbouncer-{port}.ini")
    settings.touch(0o644)  # it does not run as root
    settings.write_text(
        CONFIGURATION.format(
            name=name,
            host=server.hostname,
            port=server.port or 5432,
            role=ROLE,
            password=PASSWORD,
            listen=port,
        )
    )
    user = ["-u", "nobody"] if os.geteuid() == 0 else []
    pooler = subprocess.Popen([str(PGBOUNCER), "-q", *user, str(settings)])
    try:
        address = {"HOST": "127.0.0.1", "PORT": port, "USER": "anybody", "PASSWORD": ""}
        yield {**connection.settings_dict, **address, "OPTIONS": {}, "CONN_HEALTH_CHECKS": False}
    finally:
        pooler.terminate()
        pooler.wait()
        settings.unlink()


def connect(settings: dict[str, Any]) -> DatabaseWrapper:
    wrapper = DatabaseWrapper(settings, alias="default")

    def connects() -> bool:
        try:
            wrapper.ensure_connection()
        except Exception:  # noqa: BLE001  it has not begun to listen
            time.sleep(0.1)
            return False
        return True

    wait_for(connects, 10)
    return wrapper


def names(wrapper: DatabaseWrapper) -> list[Any]:
    with wrapper.cursor() as cursor:
        cursor.execute("SELECT name, pg_backend_pid() FROM companies_company")
        return list(cursor.fetchall())


def bare(wrapper: DatabaseWrapper) -> Any:
    """What is seen, and what is set, by a statement that tells nothing."""
    with psycopg2.extensions.cursor(wrapper.connection) as cursor:
        cursor.execute(
            "SELECT pg_backend_pid(), coalesce(current_setting('audit.tenant', true), ''),"
            " (SELECT count(*) FROM companies_company), current_user::text"
        )
        return cursor.fetchone()


def test_a_tenant_is_told_to_its_own_transactions_alone(pooled: dict[str, Any]) -> None:
    acme, other = Tenant.objects.create(name="Acme"), Tenant.objects.create(name="Other")
    for tenant in (acme, other):
        make_company(tenant, name=f"Of {tenant.name}")
    first, second = connect(pooled), connect(pooled)
    try:
        with walls.within(acme.pk):
            ((seen, server),) = names(first)
        with walls.within(other.pk):
            assert names(second) == [("Of Other", server)], "the same connection to the server"
        assert seen == "Of Acme"
        with walls.door():
            assert names(first) == names(second) == []
        assert bare(first) == bare(second) == (server, "", 0, ROLE)

        first.set_autocommit(False)
        with walls.within(acme.pk):
            assert names(first) == names(first) == [("Of Acme", server)]
        first.commit()
        with walls.within(other.pk):
            assert names(second) == [("Of Other", server)]
        first.rollback()
        assert bare(second) == (server, "", 0, ROLE)
    finally:
        first.close()
        second.close()
    assert not transaction.get_connection().in_atomic_block
