"""Linking by hand: both sides are shown, and nothing is done before a person says yes."""

from __future__ import annotations

import re
from typing import Any
from uuid import uuid4

import pytest

from agreements import stored_mrr
from audit_site.tenants.models import Tenant, User
from companies.models import Company, Contact
from integrations.importing.link_preview import preview_link
from integrations.models import CompanyLink, Integration, PsaCompanyRecord
from tests.clients import browser, text
from tests.factories import (
    make_agreement,
    make_company,
    make_integration,
    make_link,
    make_psa_company,
    make_psa_contact,
)


@pytest.fixture
def company(tenant: Tenant) -> Company:
    return make_company(tenant, name="Kite Robotics")


@pytest.fixture
def record(integration: Integration) -> PsaCompanyRecord:
    make_psa_contact(
        integration, "71", "7", first_name="Zoe", last_name="Lund", email="zoe@zebra.example"
    )
    return make_psa_company(
        integration, external_id="7", name="Zebra Legal", primary_contact_id="71"
    )


def rows_of(page: str) -> dict[str, list[str]]:
    """The table of both sides: field → ours, theirs; what changes stands in stars."""
    found = {}
    for row in re.findall(r'<tr>\s*<th scope="row">(.*?)</tr>', page, re.DOTALL):
        cells = re.findall(r"<td>(.*?)</td>", row.replace("<strong>", "*").replace("</strong>", "*"),
                           re.DOTALL)  # fmt: skip
        name = row.partition("<")[0]
        found[name] = [" ".join(re.sub("<[^>]*>", " ", cell).split()) for cell in cells]
    return found


def test_both_sides_are_shown_before_anything_is_done(
    mia: User, company: Company, record: PsaCompanyRecord
) -> None:
    other = make_integration(company.tenant)
    make_agreement(company, other, amount="120")
    stored_mrr.verify([company.tenant_id], mend=True)
    address = f"/companies/{company.pk}/link/?integration={record.integration_id}&external_id=7"

    page = text(browser(mia).get(address))

    assert rows_of(page) == {
        "Name": ["Kite Robotics", "*Zebra Legal*"],
        "Primary contact": ["Ada", "*Zoe Lund*"],
        "E-mail": ["ada@example.com", "*zoe@zebra.example*"],
        "Phone": ["none", "none"],
        "Id": ["", "7 · Active"],
        "MRR": ["USD 120.00", "what its agreements come to: read when you link"],
    }
    assert "“Kite Robotics” and “Zebra Legal” share no word of their names, no e-mail" in page
    assert not CompanyLink.objects.exists()


def test_a_yes_links(mia: User, company: Company, record: PsaCompanyRecord) -> None:
    client, address = browser(mia), f"/companies/{company.pk}/link/"
    listed = text(client.get(f"{address}?search=zebra"))
    way = f'href="?integration={record.integration_id}&amp;external_id=7"'
    assert way in listed
    assert '<form method="post"' not in listed.partition("<main")[2]

    done = client.post(address, {"integration": record.integration_id, "external_id": "7"})

    assert done["Location"] == f"/companies/{company.pk}/"
    assert CompanyLink.objects.get().external_id == "7"


@pytest.mark.parametrize("method", ["get", "post"])
def test_an_integration_that_is_not_ours_links_to_no_other(
    mia: User, company: Company, record: PsaCompanyRecord, other_tenant: Tenant, method: str
) -> None:
    foreign = make_integration(other_tenant)
    make_psa_company(foreign, external_id="7")
    ask = getattr(browser(mia), method)

    for wrong in (str(foreign.pk), str(uuid4()), "nonsense"):
        asked = {"integration": wrong, "external_id": "7"}
        assert ask(f"/companies/{company.pk}/link/", asked).status_code == 404
    assert not CompanyLink.objects.exists()


def test_a_company_that_is_not_there_is_404(
    mia: User, company: Company, record: PsaCompanyRecord
) -> None:
    asked = {"integration": str(record.integration_id), "external_id": "8"}

    assert browser(mia).get(f"/companies/{company.pk}/link/", asked).status_code == 404


def test_one_that_somebody_else_has_linked_meanwhile_is_said_to_be(
    mia: User, company: Company, record: PsaCompanyRecord
) -> None:
    make_link(make_company(company.tenant, name="Owl"), record.integration, external_id="7")
    asked = {"integration": str(record.integration_id), "external_id": "7"}

    page = browser(mia).get(f"/companies/{company.pk}/link/", asked, follow=True)

    assert page.redirect_chain == [
        (f"/companies/{company.pk}/link/?integration={record.integration_id}", 302)
    ]
    assert "“Zebra Legal” is linked to “Owl” already." in text(page)


def test_what_is_linked_asks_for_no_link_and_a_second_yes_does_no_harm(
    mia: User, company: Company, record: PsaCompanyRecord
) -> None:
    make_link(company, record.integration, external_id="7")
    make_psa_company(record.integration, external_id="9")
    client, address = browser(mia), f"/companies/{company.pk}/link/"
    yes = {"integration": str(record.integration_id), "external_id": "7"}
    there = (f"/companies/{company.pk}/", 302)

    looked = [client.get(address, query, follow=True) for query in ({}, yes)]
    again = client.post(address, yes, follow=True)
    other = client.post(
        address,
        {**yes, "external_id": "9"},
        follow=True,
        headers={"referer": f"http://testserver{address}"},
    )

    assert [page.redirect_chain for page in looked] == [[there], [there]]
    assert again.redirect_chain == [there]
    assert "is linked already" not in text(again)
    assert "The audITee or the PSA company is linked already." in text(other)
    assert CompanyLink.objects.get().external_id == "7"


WARNINGS: list[tuple[dict[str, Any], dict[str, Any], list[str]]] = [
    ({"name": "ZEBRA Légal"}, {"name": "Zebra Legal"}, []),
    ({"name": "Zebra Ltd"}, {"name": "Zebra Legal"}, ["names_differ"]),
    ({"name": "Kite Ltd"}, {"name": "Zebra Ltd"}, ["nothing_in_common"]),
    ({"name": "Kite", "email": "a@zebra.example"}, {"name": "Zebra"}, ["names_differ"]),
    ({"name": "Kite", "phone": "555 010 2030"}, {"name": "Zebra"}, ["names_differ"]),
    ({"name": "Zebra"}, {"name": "Zebra", "rule_codes": ["inactive"]}, ["inactive"]),
]


@pytest.mark.parametrize(("ours", "theirs", "codes"), WARNINGS)
def test_what_speaks_against_a_link_is_said(
    tenant: Tenant,
    integration: Integration,
    ours: dict[str, Any],
    theirs: dict[str, Any],
    codes: list[str],
) -> None:
    company = make_company(tenant, name=ours.pop("name"))
    Contact.objects.update(**{"email": "", **ours})
    make_psa_contact(integration, "71", "7", email="zoe@Zebra.example", phone="+1 555 010-2030")
    record = make_psa_company(integration, external_id="7", primary_contact_id="71", **theirs)

    assert [warning["code"] for warning in preview_link(company, record).warnings] == codes
