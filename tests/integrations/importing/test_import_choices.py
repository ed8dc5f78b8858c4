"""Primary contact and type, chosen at import, and what syncs make of them: alike for all PSAs."""

from __future__ import annotations

from typing import Any

import pytest
from rest_framework.test import APIClient

from audit_site.tenants.models import Tenant
from companies.models import Company, Contact, PrimaryChoice
from integrations.models import Integration, PsaCompanyRecord, PsaContactRecord
from integrations.psa import registry
from integrations.sandbox.server import SandboxServer
from tests.clients import V1, problem
from tests.conftest import connect
from tests.factories import (
    make_company,
    make_integration,
    make_link,
    make_psa_company,
    make_psa_contact,
)
from tests.syncing import synced
from tests.worker import work_off

PSAS = [info.key for info in registry.infos()]


def with_several(integration: Integration) -> tuple[PsaCompanyRecord, PsaContactRecord]:
    """A company that can be imported, and a contact of it that the rule would not choose."""
    for record in PsaCompanyRecord.objects.of(integration).filter(importable=True).order_by("id"):
        people = PsaContactRecord.objects.of(integration).present()
        people = people.filter(company_external_id=record.external_id, is_active=True)
        for person in people.exclude(email="").order_by("id"):
            if person.external_id != record.primary_contact_id:
                return record, person
    raise AssertionError("No company has two contacts.")


def import_one(api: APIClient, integration: Integration, **choice: Any) -> Any:
    body = {"integration": str(integration.pk), "companies": [choice]}
    return api.post(f"{V1}/companies/import/", body)


@pytest.mark.parametrize("psa", PSAS)
def test_the_chosen_one_stays_until_it_is_gone(
    tenant: Tenant, api: APIClient, sandbox: SandboxServer, psa: str
) -> None:
    integration = connect(tenant, sandbox, psa)
    record, person = with_several(integration)
    api.user.name = "Tess"
    api.user.save()

    answer = import_one(
        api, integration, external_id=record.external_id, primary_contact=person.external_id
    ).json()

    (company,) = answer["imported"]
    address = f"{V1}/companies/{company['id']}/"
    assert company["primary_contact"]["external_id"] == person.external_id
    assert company["primary_contact_why"]["code"] == "chosen"
    work_off()
    synced(integration)
    stays = api.get(address).json()
    assert stays["primary_contact"]["external_id"] == person.external_id
    assert stays["primary_contact_why"]["message"].startswith("Chosen by Tess on ")

    sandbox.psas[psa].change({"do": "delete", "kind": "contacts", "id": person.external_id})
    synced(integration)

    after = api.get(address).json()
    assert after["primary_contact"]["external_id"] == record.primary_contact_id
    assert after["primary_contact_why"]["code"] == "chosen_gone"
    assert after["primary_contact_why"]["message"].startswith(
        "The contact that was chosen by Tess on "
    )
    assert Contact.objects.filter(company=company["id"], is_primary=True).count() == 1


def test_chosen_later_it_stays_too(connected: Integration, api: APIClient) -> None:
    record, person = with_several(connected)
    company = import_one(api, connected, external_id=record.external_id).json()["imported"][0]
    assert company["primary_contact"]["external_id"] == record.primary_contact_id
    work_off()
    address = f"{V1}/companies/{company['id']}/"
    wanted = Contact.objects.get(company=company["id"], external_id=person.external_id)

    api.patch(address, {"primary_contact": str(wanted.pk)})
    synced(connected)
    api.post(f"{address}sync/")
    work_off()

    assert api.get(address).json()["primary_contact"]["id"] == str(wanted.pk)


def test_an_erased_one_is_gone(connected: Integration, api: APIClient) -> None:
    record, person = with_several(connected)
    company = import_one(
        api, connected, external_id=record.external_id, primary_contact=person.external_id
    ).json()["imported"][0]
    work_off()
    Contact.objects.get(company=company["id"], external_id=person.external_id).delete()
    synced(connected)

    body = api.get(f"{V1}/companies/{company['id']}/").json()

    assert body["primary_contact_why"]["code"] == "chosen_gone"
    assert PrimaryChoice.objects.get().contact is None


@pytest.fixture
def listed(tenant: Tenant) -> Integration:
    """An import list with a company "1" and its contacts."""
    integration = make_integration(tenant)
    make_psa_company(integration, external_id="1", primary_contact_id="10", type="Lead")
    make_psa_company(integration, external_id="2", primary_contact_id="20")
    make_psa_contact(integration, "10", "1")
    make_psa_contact(integration, "11", "1", first_name="Bea", phone="+1 555 0100", email="")
    make_psa_contact(integration, "12", "1", first_name="Cleo", is_active=False)
    make_psa_contact(integration, "13", "1", first_name="Dora", email="")
    make_psa_contact(integration, "20", "2")
    return integration


@pytest.mark.parametrize(
    ("chosen", "code", "message"),
    [
        (
            "12",
            "contact_inactive",
            "Cleo, whom you chose, is inactive in ConnectWise Manage. Choose another contact.",
        ),
        (
            "13",
            "contact_without_method",
            "Dora, whom you chose, has no e-mail address and no phone number in ConnectWise "
            "Manage. Choose another contact.",
        ),
        ("20", "unknown_contact", None),
        ("99", "unknown_contact", None),
    ],
)
def test_who_can_not_be_the_primary_one_is_refused_for_that_company_alone(
    listed: Integration, api: APIClient, chosen: str, code: str, message: str | None
) -> None:
    body = {
        "integration": str(listed.pk),
        "companies": [{"external_id": "1", "primary_contact": chosen}, {"external_id": "2"}],
    }

    answer = api.post(f"{V1}/companies/import/", body).json()

    assert [row["link"]["external_id"] for row in answer["imported"]] == ["2"]
    (rejected,) = answer["rejected"]
    assert (rejected["external_id"], rejected["code"]) == ("1", code)
    assert message in (None, rejected["message"])
    assert Company.objects.count() == 1


@pytest.mark.parametrize(("chosen", "type"), [({}, "prospect"), ({"type": "client"}, "client")])
def test_the_type_follows_the_words_unless_it_is_chosen(
    listed: Integration, api: APIClient, chosen: Any, type: str
) -> None:
    (company,) = import_one(api, listed, external_id="1", **chosen).json()["imported"]

    assert company["type"] == type
    later = api.patch(f"{V1}/companies/{company['id']}/", {"type": "client"})
    assert later.json()["type"] == "client"


def test_bodies_that_say_too_little_or_too_much(listed: Integration, api: APIClient) -> None:
    def sent(**body: Any) -> Any:
        return api.post(f"{V1}/companies/import/", {"integration": str(listed.pk), **body})

    twice = [{"external_id": "1", "type": "client"}, {"external_id": "1", "type": "prospect"}]
    for body, field, code in (
        ({}, "external_ids", "required"),
        ({"external_ids": ["1"], "companies": [{"external_id": "1"}]}, "companies", "invalid"),
        ({"companies": []}, "companies", "empty"),
        ({"companies": twice}, "companies", "invalid"),
        ({"companies": [{"external_id": "1"}] * 501}, "companies", "max_length"),
    ):
        answer = sent(**body)
        (error,) = answer.json()["errors"]
        assert (answer.status_code, error["field"], error["code"]) == (400, field, code)
    unknown = sent(companies=[{"external_id": "1", "contact": "11"}])
    assert problem(unknown) == (400, "unknown_field")
    assert Company.objects.count() == 0
    once = sent(companies=[{"external_id": "1"}] * 2)
    assert len(once.json()["imported"]) == 1


def test_the_contacts_to_choose_from(
    listed: Integration, api: APIClient, other_tenant: Tenant
) -> None:
    address = f"{V1}/integrations/{listed.pk}/psa-companies"

    body = api.get(f"{address}/1/contacts/").json()

    assert [
        (one["external_id"], one["is_primary"], one["can_be_primary"]) for one in body["results"]
    ] == [("10", True, True), ("11", False, True), ("12", False, False), ("13", False, False)]
    assert body["results"][1] == {
        "external_id": "11",
        "first_name": "Bea",
        "last_name": "",
        "email": "",
        "phone": "+1 555 0100",
        "is_active": True,
        "is_primary": False,
        "can_be_primary": True,
    }
    assert problem(api.get(f"{address}/99/contacts/")) == (404, "not_found")
    foreign = make_integration(other_tenant)
    make_psa_company(foreign, external_id="1")
    theirs = api.get(f"{V1}/integrations/{foreign.pk}/psa-companies/1/contacts/")
    assert problem(theirs) == (404, "not_found")


def test_what_is_chosen_for_a_linked_one_changes_nothing(
    listed: Integration, api: APIClient, tenant: Tenant
) -> None:
    company = make_company(tenant)
    make_link(company, listed, external_id="1")

    answer = import_one(api, listed, external_id="1", primary_contact="11", type="prospect").json()

    assert [row["id"] for row in answer["imported"]] == [str(company.pk)]
    assert (answer["imported"][0]["type"], PrimaryChoice.objects.count()) == ("client", 0)
