"""While a first sync has not read what has ended, whoever looks at the past is told."""

from __future__ import annotations

from typing import Any

import pytest
from rest_framework.test import APIClient

from audit_site.tenants.models import Tenant, User
from companies.models import Company
from integrations.models import CompanyLink, Integration
from integrations.runs.selectors import count_ended_unread
from tests.clients import browser, text
from tests.factories import make_company, make_integration, make_link

SERIES = "/api/v1/mrr/series/?from=2026-01&to=2026-03"
MOVEMENT = "/api/v1/mrr/movement/?from=2026-01-01&to=2026-03-01"
CHARTS_SAY = "Of 1 audITee the agreements that have ended are not read yet: until they are, past"
REMARK = "Agreements that have ended are not read from {name} yet: until they are, past days"


@pytest.fixture
def unread(tenant: Tenant, integration: Integration) -> Company:
    company = make_company(tenant)
    make_link(company, integration, ended_unread=True)
    return company


def test_it_is_counted_by_audit_tee_and_of_ones_own(
    unread: Company, tenant: Tenant, other_tenant: Tenant
) -> None:
    other = make_company(other_tenant)
    make_link(other, make_integration(other_tenant), ended_unread=True)

    assert count_ended_unread(tenant) == count_ended_unread(tenant, unread.pk) == 1
    assert count_ended_unread(tenant, other.pk) == 0
    assert count_ended_unread(other_tenant) == 1


@pytest.mark.parametrize("address", [SERIES, MOVEMENT])
def test_rest_says_so_until_it_is_read(unread: Company, api: APIClient, address: str) -> None:
    first = api.get(address)
    kept = api.get(address, headers={"If-None-Match": first["ETag"]})
    CompanyLink.objects.update(ended_unread=False)
    after = api.get(address, headers={"If-None-Match": first["ETag"]})

    assert (first.json()["ended_unread"], kept.status_code) == (1, 304)
    assert (after.status_code, "ended_unread" in after.json()) == (200, False)


def test_pages_say_so_until_it_is_read(
    unread: Company, integration: Integration, alex: User
) -> None:
    remark = REMARK.format(name=integration.name)

    def shown() -> list[Any]:
        charts = text(browser(alex).get("/mrr/charts/"))
        figure = text(browser(alex).get(f"/companies/{unread.pk}/mrr/"))
        return [CHARTS_SAY in charts, remark in figure]

    before = shown()
    CompanyLink.objects.update(ended_unread=False)

    assert (before, shown()) == ([True, True], [False, False])
