"""Statements that Django writes once find what its queries find, whatever they are asked with."""

from __future__ import annotations

import time
from datetime import date
from typing import Any, NamedTuple
from uuid import UUID

import pytest
from django.db import connection

from agreements.models import CompanyBook
from audit_site.db.bulk import AnyOf, AskedMany
from audit_site.db.statements import ModelStatement, RowStatement, asked_day, asked_id, asked_text
from audit_site.tenants.models import Tenant
from companies.models import Company
from integrations.models import CompanyLink
from tests.databases import execute, postgres_url
from tests.factories import make_company, make_integration, make_link
from tests.queries import queries


class Named(NamedTuple):
    id: UUID
    name: str


NAMED = RowStatement(
    Named,
    lambda: (
        Company.objects.filter(AnyOf("id", AskedMany(1)), tenant=asked_id(0))
        .order_by("name")
        .values_list("id", "name")
    ),
)
LINK = ModelStatement[CompanyLink](
    lambda: CompanyLink.objects.filter(
        tenant=asked_id(0), external_id=asked_text(1)
    ).select_related("integration", "linked_by")
)


def test_each_asking_is_answered_with_its_own_values(tenant: Tenant, other_tenant: Tenant) -> None:
    ours = [make_company(tenant, name=name) for name in ("Ä'; --", "B", "C")]
    theirs = make_company(other_tenant, name="D")
    ids = [ours[1].pk, ours[0].pk, theirs.pk]

    assert NAMED.rows(tenant.pk, ids) == [(ours[1].pk, "B"), (ours[0].pk, "Ä'; --")]
    assert NAMED.rows(other_tenant.pk, ids) == [(theirs.pk, "D")]
    assert NAMED.rows(tenant.pk, []) == []
    assert NAMED.first(tenant.pk, [theirs.pk]) is None
    assert queries(lambda: NAMED.rows(tenant.pk, ids)) == 1


def test_instances_come_with_what_is_selected_with_them(tenant: Tenant) -> None:
    integration = make_integration(tenant, name="Two")
    link = make_link(make_company(tenant), integration, external_id="7", before={"name": "x"})
    make_link(make_company(tenant), integration, external_id="8")

    found = LINK.first(tenant.pk, "7")

    assert found == link
    assert queries(lambda: found and found.integration.name) == 0
    assert (found.integration.name, found.linked_by) == ("Two", None)
    assert found.before == {"name": "x"}, "what was deferred is read when it is asked for"
    assert LINK.first(tenant.pk, "9") is None


@pytest.mark.parametrize(("day", "number"), [(date(2026, 1, 31), 0), (date(2026, 2, 1), 1)])
def test_days_are_compared_as_days(tenant: Tenant, day: date, number: int) -> None:
    due = RowStatement[Any](
        lambda pk: pk,
        lambda: CompanyBook.objects.filter(
            tenant=asked_id(0), next_change__lte=asked_day(1)
        ).values_list("pk"),
    )
    CompanyBook.objects.create(
        tenant=tenant, company=make_company(tenant), next_change=date(2026, 2, 1)
    )

    assert len(due.rows(tenant.pk, day)) == number


@pytest.mark.skipif(not postgres_url(), reason="SQLite's connection is a file")
def test_a_connection_that_the_server_has_closed_is_not_used_again(db: None) -> None:
    other = connection.copy()
    other.ensure_connection()
    assert other.is_usable()

    execute(postgres_url(), f"SELECT pg_terminate_backend({other.connection.info.backend_pid})")
    until = time.monotonic() + 30
    while other.is_usable() and time.monotonic() < until:
        time.sleep(0.01)

    assert not other.is_usable()
    other.close()
    assert not other.is_usable()
