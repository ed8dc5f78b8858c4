"""Statements that come again on a connection are prepared there, and where they can't be, sent."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple
from uuid import UUID

import pytest
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext

from audit_site.db import statements, walls
from audit_site.db.bulk import AnyOf, AskedMany
from audit_site.db.postgresql import prepared
from audit_site.db.statements import RowStatement, asked_id, asked_text
from audit_site.tenants.models import Tenant
from companies.models import Company
from tests.audit_site.db.walls.test_pooler import PGBOUNCER, connect, pooled  # noqa: F401
from tests.factories import make_company

pytestmark = [pytest.mark.postgres, pytest.mark.django_db(transaction=True)]


class Named(NamedTuple):
    id: UUID
    name: str


def named() -> RowStatement[Named]:
    """A statement with every kind of value: asked for, many of them, and fixed."""
    return RowStatement(
        Named,
        lambda: (
            Company.objects.filter(
                AnyOf("id", AskedMany(1)), tenant=asked_id(0), name__lte=asked_text(2)
            )
            .exclude(name="100 % o'clock")
            .order_by("name")
            .values_list("id", "name")
        ),
    )


@pytest.fixture(autouse=True)
def _prepares(_needs_postgres: None, transactional_db: None) -> Iterator[None]:
    prepared.PROCESS.prepares = True
    connection.ensure_connection()
    connection.connection.prepared.clear()
    yield
    prepared.PROCESS.prepares = True


def sent(work: Any) -> list[str]:
    """How each statement begins that is sent."""
    with CaptureQueriesContext(connection) as captured:
        work()
    return [one["sql"].split(";")[-1].split()[0] for one in captured]


def test_what_comes_again_is_planned_once(tenant: Tenant, other_tenant: Tenant) -> None:
    ours = [make_company(tenant, name=name) for name in ("Ä'; --", "B %s", "100 % o'clock")]
    theirs = make_company(other_tenant, name="D")
    ids, statement = [*(row.pk for row in ours), theirs.pk], named()
    wanted = [(ours[1].pk, "B %s"), (ours[0].pk, "Ä'; --")]
    rows: list[Any] = []

    ways = [sent(lambda: rows.append(statement.rows(tenant.pk, ids, "Ö"))) for _ in range(4)]

    assert ways == [["SELECT"], ["PREPARE", "EXECUTE"], ["EXECUTE"], ["EXECUTE"]]
    assert rows == [wanted] * 4
    assert statement.rows(other_tenant.pk, ids, "Ö") == [(theirs.pk, "D")]
    assert statement.rows(tenant.pk, [], "Ö") == []
    assert statement.rows(tenant.pk, ids, "C") == wanted[:1]


def test_a_prepared_statement_sees_its_own_tenant_alone(
    tenant: Tenant, other_tenant: Tenant
) -> None:
    """The policies are planned into it, and asked with each execution for whom it is."""
    ours, statement = make_company(tenant), named()
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1")
    for _ in range(8):
        with walls.within(tenant.pk):
            assert len(statement.rows(tenant.pk, [ours.pk], "~")) == 1
        with walls.within(other_tenant.pk):
            assert statement.rows(tenant.pk, [ours.pk], "~") == []


def test_within_a_transaction_nothing_is_prepared(tenant: Tenant) -> None:
    company, statement = make_company(tenant), named()
    with transaction.atomic():
        ways = [sent(lambda: statement.rows(tenant.pk, [company.pk], "~")) for _ in range(3)]

    assert ways == [["SELECT"]] * 3


@pytest.mark.parametrize(
    "lose",
    ["DEALLOCATE ALL", "ALTER TABLE companies_company ALTER COLUMN name TYPE varchar(256)"],
)
def test_a_connection_that_lost_it_is_sent_the_text(tenant: Tenant, lose: str) -> None:
    company, statement = make_company(tenant, name="A"), named()

    def ask() -> None:
        assert statement.rows(tenant.pk, [company.pk], "~") == [(company.pk, "A")]

    for _ in range(3):
        ask()
    with walls.as_owner(), connection.cursor() as cursor:
        cursor.execute(lose)
    try:
        assert sent(ask)[-1] == "SELECT"
        assert sent(ask) == ["SELECT"], "this process tries it no more"
    finally:
        with walls.as_owner(), connection.cursor() as cursor:
            cursor.execute("ALTER TABLE companies_company ALTER COLUMN name TYPE varchar(255)")


def test_two_that_prepare_the_same_on_one_connection_do_not_disturb_each_other(
    tenant: Tenant,
) -> None:
    company, statement = make_company(tenant), named()
    for _ in range(2):
        statement.rows(tenant.pk, [company.pk], "~")
    connection.connection.prepared.clear()
    statement.rows(tenant.pk, [company.pk], "~")

    assert len(statement.rows(tenant.pk, [company.pk], "~")) == 1
    assert prepared.PROCESS.prepares


@pytest.mark.skipif(PGBOUNCER is None, reason="there is no pgbouncer")
def test_behind_a_pooler_each_answer_is_right(
    pooled: dict[str, Any],  # noqa: F811
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Another connection to the server than the one that prepared it."""
    tenant, statement = Tenant.objects.create(name="Acme"), named()
    company = make_company(tenant)
    wrapper = connect(pooled)
    monkeypatch.setattr(statements, "connection", wrapper)
    try:
        for number in range(6):
            if number == 4:
                with walls.door(), wrapper.cursor() as cursor:
                    cursor.execute("DEALLOCATE ALL")
            with walls.within(tenant.pk):
                assert len(statement.rows(tenant.pk, [company.pk], "~")) == 1
    finally:
        wrapper.close()
    assert not prepared.PROCESS.prepares
