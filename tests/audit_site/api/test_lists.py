"""Lists over REST: their pages, their filters, and what they cost."""

from __future__ import annotations

from typing import Any

import pytest
from rest_framework.test import APIClient

from audit_site.tenants.models import Tenant
from companies.models import Company
from integrations.models import SyncRun
from tests.clients import V1
from tests.factories import make_agreement, make_company, make_integration, make_line, make_link


@pytest.mark.parametrize("path", ["/companies/", "/integrations/", "/sync-runs/"])
def test_a_list_costs_the_same_however_long(
    tenant: Tenant, api: APIClient, path: str, django_assert_num_queries: Any
) -> None:
    from django.db import connection  # noqa: PLC0415
    from django.test.utils import CaptureQueriesContext  # noqa: PLC0415

    def add(count: int) -> None:
        for _ in range(count):
            integration = make_integration(tenant)
            company = make_company(tenant)
            make_link(company, integration)
            make_line(make_agreement(company, integration))
            SyncRun.objects.create(tenant=tenant, integration=integration, company=company)

    def queries() -> int:
        with CaptureQueriesContext(
            connection,
        ) as captured:
            answer = api.get(f"{V1}{path}?page_size=200")
        assert answer.status_code == 200
        return len(captured)

    api.get(f"{V1}/psas/")
    add(1)
    one = queries()
    add(19)
    assert queries() == one
    assert len(api.get(f"{V1}{path}?page_size=200").json()["results"]) == 20


def test_pages_follow_each_other_and_200_is_the_most(tenant: Tenant, api: APIClient) -> None:
    for _ in range(5):
        make_company(tenant)

    first = api.get(f"{V1}/companies/?page_size=2").json()
    second = api.get(first["next"]).json()
    third = api.get(second["next"]).json()

    names = [c["name"] for page in (first, second, third) for c in page["results"]]
    assert names == sorted(Company.objects.values_list("name", flat=True))
    assert third["next"] is None
    assert first["previous"] is None
    assert api.get(second["previous"]).json()["results"] == first["results"]
    assert len(api.get(f"{V1}/companies/?page_size=9999").json()["results"]) == 5


def test_foreign_ids_in_filters_give_an_empty_list(
    tenant: Tenant, api: APIClient, other_tenant: Tenant
) -> None:
    foreign = make_integration(other_tenant)
    SyncRun.objects.create(tenant=other_tenant, integration=foreign)
    SyncRun.objects.create(tenant=tenant, integration=make_integration(tenant))

    for value in (foreign.pk, "nonsense"):
        assert api.get(f"{V1}/sync-runs/?integration={value}").json()["results"] == []
    assert len(api.get(f"{V1}/sync-runs/").json()["results"]) == 1
