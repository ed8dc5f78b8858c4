"""Which audITees a list shows, and what their links say."""

from __future__ import annotations

from rest_framework.test import APIClient

from audit_site.tenants.models import Tenant
from tests.clients import V1
from tests.factories import make_company, make_integration, make_link


def names(api: APIClient, query: str) -> list[str]:
    return [row["name"] for row in api.get(f"{V1}/companies/?{query}").json()["results"]]


def test_companies_are_found_by_their_link_and_its_problems(
    api: APIClient, tenant: Tenant, other_tenant: Tenant
) -> None:
    one, two = make_integration(tenant), make_integration(tenant)
    make_link(make_company(tenant, name="A"), one, problem_codes=["inactive", "no_contact"])
    make_link(make_company(tenant, name="B"), two, problem_codes=["contact_inactive"])
    make_company(tenant, name="C")
    foreign = make_integration(other_tenant)
    make_link(make_company(other_tenant, name="X"), foreign)

    assert names(api, f"integration={one.pk}") == ["A"]
    assert names(api, f"integration={foreign.pk}") == []
    assert names(api, "integration=nonsense") == []
    assert names(api, "linked=true") == ["A", "B"]
    assert names(api, "linked=false") == ["C"]
    assert names(api, "problem=inactive") == ["A"]
    assert names(api, "problem=no_contact&linked=1") == ["A"]
    assert names(api, "problem=merged") == []


def test_a_problem_says_what_to_do(api: APIClient, tenant: Tenant) -> None:
    integration = make_integration(tenant)
    company = make_company(tenant)
    make_link(company, integration, problem_codes=["no_contact"])

    body = api.get(f"{V1}/companies/{company.pk}/").json()

    assert body["link"]["problems"] == ["no_contact"]
    (problem,) = body["problems"]
    assert problem["code"] == "no_contact"
    assert problem["message"] == "It has no contact in ConnectWise Manage."
    assert problem["fix"].startswith("Add a contact")
    assert api.get(f"{V1}/companies/{make_company(tenant).pk}/").json()["problems"] == []
