"""No row can point into another tenant, whoever writes it: tried by raw SQL for each key."""

from __future__ import annotations

from typing import Any
from uuid import UUID, uuid4

import pytest
from django.db import IntegrityError, connection, transaction

from audit_site.db.walls.same_tenant_keys import SameTenantKey, same_tenant_keys
from audit_site.tenants.models import Tenant
from tests.audit_site.db.walls.conftest import ask

pytestmark = [pytest.mark.postgres, pytest.mark.django_db]

KEYS = list(same_tenant_keys())
#: A value of each type of column that takes NULL for no answer.
ANY: dict[str, Any] = {
    "boolean": False,
    "bytea": b"",
    "character varying": "1",
    "date": "2026-01-01",
    "integer": 1,
    "smallint": 1,
    "bigint": 1,
    "jsonb": "{}",
    "numeric": 1,
    "text": "",
    "time without time zone": "00:00",
    "timestamp with time zone": "2026-01-01Z",
}
#: Keys that may be empty, and then only with other columns so too: an agreement that was typed in.
FILLED = {"agreements_agreement": ("integration_id",)}
COLUMNS = """
SELECT column_name::text, data_type::text FROM information_schema.columns
WHERE table_schema = 'public' AND table_name = %s AND is_nullable = 'NO'
"""


def insert(table: str, **given: Any) -> None:
    """A row of this table: what is not given is whatever its column takes. Keys are checked later."""
    values = {
        column: uuid4() if type_ == "uuid" else ANY[type_] for column, type_ in ask(COLUMNS, table)
    }
    values |= {column: uuid4() for column in FILLED.get(table, ())} | given
    names = ", ".join(f'"{name}"' for name in values)
    places = ", ".join(["%s"] * len(values))
    with connection.cursor() as cursor:
        statement = f'INSERT INTO "{table}" ({names}) VALUES ({places})'  # noqa: S608
        cursor.execute(statement, [*values.values()])


def check(key: SameTenantKey) -> None:
    with connection.cursor() as cursor:
        cursor.execute(f'SET CONSTRAINTS "{key.name}" IMMEDIATE')


@pytest.mark.parametrize("key", KEYS, ids=lambda key: f"{key.table}.{key.column}")
def test_a_row_points_to_no_row_of_another_tenant(
    key: SameTenantKey, tenant: Tenant, other_tenant: Tenant
) -> None:
    ours, theirs = uuid4(), uuid4()
    insert(key.target, id=ours, tenant_id=tenant.pk)
    insert(key.target, id=theirs, tenant_id=other_tenant.pk)

    def point_to(target: UUID) -> None:
        insert(key.table, **{"tenant_id": tenant.pk, key.column: target})
        check(key)

    with pytest.raises(IntegrityError, match=key.name), transaction.atomic():
        point_to(theirs)
    point_to(ours)

    connection.set_rollback(True)  # the other columns point to nothing
