"""Who an audITee is reached by: chosen by people, and why it is this one."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from rest_framework.test import APIClient

from audit_site.errors import DomainError
from audit_site.tenants.models import AuditEvent, Tenant, User
from companies.models import Company, Contact, PrimaryChoice
from companies.primary import choose_primary
from companies.services import create_company
from tests.clients import V1, api_of, problem
from tests.concurrency import at_once
from tests.factories import (
    make_company,
    make_integration,
    make_link,
    make_psa_company,
    make_psa_contact,
    make_tenant,
)
from tests.queries import queries


def add_person(company: Company, name: str, **over: Any) -> Contact:
    values = {"first_name": name, "email": f"{name.lower()}@example.com", **over}
    return Contact.objects.create(tenant=company.tenant, company=company, **values)


def primaries(company: Company) -> list[str]:
    rows = Contact.objects.filter(company=company, is_primary=True)
    return [person.first_name for person in rows]


def test_choosing_another_one(tenant: Tenant, mia: User) -> None:
    company = make_company(tenant)
    bea = add_person(company, "Bea")
    api, address = api_of(mia), f"{V1}/companies/{company.pk}/"
    before = api.get(address).json()
    PrimaryChoice.objects.update(chosen_at=datetime(2026, 11, 28, 12, tzinfo=UTC))

    answer = api.patch(address, {"primary_contact": str(bea.pk)})
    again = api.patch(address, {"primary_contact": str(bea.pk)})

    assert before["primary_contact"]["first_name"] == "Ada"
    assert before["primary_contact_why"] == {"code": "typed", "message": "Typed in here."}
    assert answer.json()["primary_contact"]["id"] == str(bea.pk)
    PrimaryChoice.objects.update(chosen_at=datetime(2026, 11, 28, 12, tzinfo=UTC))
    assert api.get(address).json()["primary_contact_why"] == {
        "code": "chosen",
        "message": "Chosen by Mia Member on 28 Nov 2026.",
    }
    assert again.status_code == 200
    assert primaries(company) == ["Bea"]
    event = AuditEvent.objects.get(action="company.primary_chosen")
    assert event.before == {"primary_contact": before["primary_contact"]["id"]}
    assert event.after == {"primary_contact": str(bea.pk)}


@pytest.mark.parametrize(
    ("over", "code"),
    [
        ({"is_active": False}, (400, "contact_inactive")),
        ({"email": ""}, (400, "contact_without_method")),
        ({"email": "n/a", "external_id": "7"}, (400, "contact_without_method")),
        ({"gone_at": datetime(2026, 1, 1, tzinfo=UTC)}, (400, "does_not_exist")),
    ],
)
def test_who_can_not_be_reached_can_not_be_chosen(
    tenant: Tenant, api: APIClient, over: Any, code: tuple[int, str]
) -> None:
    company = make_company(tenant)
    bea = add_person(company, "Bea", **over)

    answer = api.patch(f"{V1}/companies/{company.pk}/", {"primary_contact": str(bea.pk)})

    assert problem(answer) == code
    assert primaries(company) == ["Ada"]
    assert PrimaryChoice.objects.count() == 0


def test_only_its_own_contacts_can_be_chosen(
    tenant: Tenant, other_tenant: Tenant, api: APIClient
) -> None:
    company = make_company(tenant)
    address = f"{V1}/companies/{company.pk}/"
    strangers = [make_company(tenant).contacts.get(), make_company(other_tenant).contacts.get()]

    for chosen in (*(str(one.pk) for one in strangers), "nobody"):
        answer = api.patch(address, {"primary_contact": chosen})
        assert problem(answer) == (400, "does_not_exist")
        assert answer.json()["errors"][0]["field"] == "primary_contact"
    assert problem(api.patch(address, {"primary_contact": 7})) == (400, "invalid")
    assert primaries(company) == ["Ada"]


def test_on_a_linked_one_who_is_chosen_is_ours_and_what_they_are_is_the_psas(
    tenant: Tenant, api: APIClient
) -> None:
    company = make_company(tenant)
    bea = add_person(company, "Bea", external_id="7")
    integration = make_integration(tenant)
    make_link(company, integration, external_id="1")
    address = f"{V1}/companies/{company.pk}/"

    refused = api.patch(address, {"primary_contact": {"first_name": "Bee"}})
    chosen = api.patch(address, {"primary_contact": str(bea.pk)})

    assert problem(refused) == (409, "owned_by_psa")
    assert chosen.json()["primary_contact"]["id"] == str(bea.pk)


@pytest.mark.parametrize(
    ("default", "flagged", "why"),
    [
        ("7", False, ("psa_default", "ConnectWise Manage names it as the default contact.")),
        ("", True, ("psa_default", "ConnectWise Manage names it as the default contact.")),
        (
            "8",
            False,
            (
                "first_reachable",
                "ConnectWise Manage names no default contact that can be reached: it is the first "
                "who can.",
            ),
        ),
    ],
)
def test_which_rule_has_chosen(
    tenant: Tenant, api: APIClient, default: str, flagged: bool, why: tuple[str, str]
) -> None:
    company, integration = make_company(tenant), make_integration(tenant)
    Contact.objects.update(external_id="7")
    make_link(company, integration, external_id="1")
    make_psa_company(integration, external_id="1", default_contact_id=default)
    make_psa_contact(integration, "7", "1", is_default=flagged)

    body = api.get(f"{V1}/companies/{company.pk}/").json()

    assert tuple(body["primary_contact_why"].values()) == why


def test_a_list_asks_the_same_whatever_its_length(tenant: Tenant, api: APIClient) -> None:
    integration = make_integration(tenant)

    def listed(count: int) -> int:
        for _ in range(count):
            company = make_company(tenant)
            person = company.contacts.get()
            Contact.objects.filter(pk=person.pk).update(external_id=str(person.pk))
            link = make_link(company, integration)
            make_psa_company(integration, external_id=link.external_id)
        address = f"{V1}/companies/?page_size=200"
        found = api.get(address).json()["results"]
        assert {row["primary_contact_why"]["code"] for row in found} == {"first_reachable"}
        return queries(lambda: api.get(address))

    assert listed(2) == listed(8)


@pytest.mark.django_db(transaction=True)
def test_of_two_who_choose_at_once_one_stays() -> None:
    tenant = make_tenant(company_limit=3)
    contact = {"first_name": "Ada", "email": "ada@example.com"}
    company = create_company(tenant=tenant, actor=None, name="Acme", primary_contact=contact)
    people = [add_person(company, name) for name in ("Bea", "Cleo", "Dora", "Eve")]

    at_once(
        *(
            lambda person=person: choose_primary(company=company, contact=person, actor=None)
            for person in people
        )
    )

    choice = PrimaryChoice.objects.get()
    assert primaries(company) == [choice.contact.first_name]
    assert choice.contact in people


def test_who_is_gone_meanwhile_is_not_chosen(tenant: Tenant) -> None:
    company = make_company(tenant)
    bea = add_person(company, "Bea")
    Contact.objects.filter(pk=bea.pk).delete()

    with pytest.raises(DomainError) as caught:
        choose_primary(company=company, contact=bea, actor=None)

    assert (caught.value.code, caught.value.status) == ("contact_gone", 409)
    assert primaries(company) == ["Ada"]
