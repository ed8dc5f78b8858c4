"""Linking by hand: both sides are shown, and nothing is done before a person says yes."""

from __future__ import annotations

import re
from uuid import uuid4

import pytest

from audit_site.tenants.models import Tenant, User
from companies.models import Company
from integrations.models import CompanyLink, Integration, LinkPreview, PsaCompanyRecord
from tests.clients import browser, text
from tests.factories import (
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
    """The tables of a page by their row's title: the cells; what is bold stands in stars."""
    found = {}
    for row in re.findall(r'<tr>\s*<th scope="row">(.*?)</tr>', page, re.DOTALL):
        marked = row.replace("<strong>", "*").replace("</strong>", "*")
        cells = re.findall(r"<td[^>]*>(.*?)</td>", marked, re.DOTALL)
        name = row.partition("<")[0]
        found[name] = [" ".join(re.sub("<[^>]*>", " ", cell).split()) for cell in cells]
    return found


def test_a_yes_links(mia: User, company: Company, record: PsaCompanyRecord) -> None:
    client, address = browser(mia), f"/companies/{company.pk}/link/"
    listed = text(client.get(f"{address}?search=zebra"))
    way = f'<form method="post" action="{address}preview/">'
    assert way in listed
    assert f'<form method="post" action="{address}">' not in listed

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
    address = f"/companies/{company.pk}/link/"
    headers = {"referer": f"http://testserver{address}"}

    for act in (address, f"{address}preview/"):
        page = browser(mia).post(act, asked, follow=True, headers=headers)
        assert page.redirect_chain == [(f"http://testserver{address}", 302)]
        assert "“Zebra Legal” is linked to “Owl” already." in text(page)
    assert not LinkPreview.objects.exists()


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
    assert "They are linked already." in text(again)
    assert f"“Kite Robotics” is linked to company 7 of {record.integration.name} already." in text(
        other
    )
    assert CompanyLink.objects.get().external_id == "7"
