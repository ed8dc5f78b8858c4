"""audITees over REST."""

from __future__ import annotations

from rest_framework.test import APIClient

from audit_site.tenants.models import Tenant
from tests.clients import V1, problem
from tests.factories import make_company, make_integration, make_psa_company


def test_a_companys_life(tenant: Tenant, api: APIClient) -> None:
    Tenant.objects.filter(pk=tenant.pk).update(company_limit=1)
    contact = {"first_name": "Ada", "phone": "555"}

    made = api.post(f"{V1}/companies/", {"name": " Acme ", "primary_contact": contact})
    full = api.post(f"{V1}/companies/", {"name": "B", "primary_contact": contact})
    no_method = api.post(f"{V1}/companies/", {"name": "B", "primary_contact": {"first_name": "X"}})
    address = f"{V1}/companies/{made.json()['id']}/"

    assert made.status_code == 201
    assert made.json()["name"] == "Acme"
    assert (made.json()["mrr"], made.json()["type"]) == ([], "client")
    assert made.json()["link"] is None
    assert problem(full) == (409, "licence_exceeded")
    assert problem(no_method) == (400, "contact_without_method")
    assert api.patch(address, {"name": "Acme 2"}).json()["name"] == "Acme 2"
    assert (
        api.patch(address, {"primary_contact": {"email": "a@b.example"}}).json()["primary_contact"][
            "phone"
        ]
        == "555"
    )
    assert api.delete(address).status_code == 204
    assert api.get(address).json()["status"] == "archived"
    assert api.get(f"{V1}/me/").json()["tenant"]["companies_used"] == 0
    assert api.patch(address, {"status": "active"}).json()["status"] == "active"


def test_the_psa_owns_name_and_contacts_while_linked(tenant: Tenant, api: APIClient) -> None:
    company, integration = make_company(tenant), make_integration(tenant)
    record = make_psa_company(integration)
    address = f"{V1}/companies/{company.pk}"

    linked = api.post(
        f"{address}/link/", {"integration": str(integration.pk), "external_id": record.external_id}
    )

    assert linked.json()["link"]["external_id"] == record.external_id
    assert problem(api.patch(f"{address}/", {"name": "Mine"})) == (409, "owned_by_psa")
    assert api.patch(f"{address}/", {"type": "prospect"}).json()["type"] == "prospect"
    prospects = api.get(f"{V1}/companies/?type=prospect").json()["results"]
    assert [row["id"] for row in prospects] == [str(company.pk)]
    assert api.get(f"{V1}/companies/?type=client").json()["results"] == []
    again = api.post(
        f"{address}/link/", {"integration": str(integration.pk), "external_id": record.external_id}
    )
    assert problem(again) == (409, "already_linked")
    assert api.post(f"{address}/sync/").status_code == 200  # linking has started it already
    assert api.post(f"{address}/unlink/").json()["link"] is None
    assert api.patch(f"{address}/", {"name": "Mine"}).json()["name"] == "Mine"
    assert problem(api.post(f"{address}/sync/")) == (409, "not_linked")
