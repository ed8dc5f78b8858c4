"""The page of the import list: reasons, the licence, its pages, and what it costs."""

from __future__ import annotations

import re

from audit_site.tenants.models import Tenant, User
from companies.models import Company
from integrations.models import Integration, PsaCompanyRecord
from integrations.sandbox.server import SandboxServer
from tests.clients import browser, page_text, text
from tests.factories import make_company, make_integration, make_psa_company
from tests.integrations.importing.import_lists import add, names
from tests.queries import queries
from tests.worker import work_off


def test_the_import_list_says_why_and_imports_what_is_ticked(mia: User, tenant: Tenant) -> None:
    integration = make_integration(tenant)
    ready = make_psa_company(integration, name="Ready & Sons")
    make_psa_company(integration, name="Hidden", importable=False, rule_codes=["no_contact"])
    client = browser(mia)
    address = f"/integrations/{integration.pk}/companies/"

    page = text(client.get(address))
    done = client.post(f"{address}import/", {"external_ids": [ready.external_id]}, follow=True)

    assert "Ready &amp; Sons" in page
    assert "It has no contact in ConnectWise Manage." in page
    assert "Add a contact with an e-mail address or a phone number" in page
    assert "1 audITee is here now" in text(done)
    assert Company.objects.get().name == "Ready & Sons"
    assert "Linked to Ready &amp; Sons" in text(client.get(address))


def test_a_full_licence_is_said_before_and_at_the_click(alex: User, tenant: Tenant) -> None:
    Tenant.objects.filter(pk=tenant.pk).update(company_limit=1)
    make_company(tenant)
    integration = make_integration(tenant)
    record = make_psa_company(integration)
    client = browser(alex)
    address = f"/integrations/{integration.pk}/companies/"

    before = text(client.get(address))
    at_click = text(
        client.post(f"{address}import/", {"external_ids": [record.external_id]}, follow=True)
    )

    assert "All 1 audITees of your licence are in use." in before
    assert "Your licence has no free audITee left." in at_click
    assert Company.objects.count() == 1


def test_a_lost_right_is_on_the_import_list(
    alex: User, connected: Integration, sandbox: SandboxServer
) -> None:
    sandbox.faults.switch_on("refused_right", path="/company/contacts")
    client = browser(alex)
    client.post(f"/integrations/{connected.pk}/sync/")
    work_off()

    page = text(client.get(f"/integrations/{connected.pk}/companies/"))

    assert "The last sync was not complete." in page
    assert "Companies &gt; Contacts: Inquire All" in page


def test_the_page_links_to_the_pages_around_it_with_its_filters(
    alex: User, integration: Integration
) -> None:
    add(integration, *(f"Firm {number:03}" for number in range(120)))
    add(integration, "Firm hidden", importable=False, rule_codes=["no_contact"])
    client = browser(alex)
    address = f"/integrations/{integration.pk}/companies/"

    first = client.get(f"{address}?importable=yes")
    (onward,) = re.findall('href="([^"]*)">Next<', page_text(first))
    second = client.get(address + onward.replace("&amp;", "&"))
    (back,) = re.findall('href="([^"]*)">Previous<', page_text(second))

    assert names(first) == [f"Firm {number:03}" for number in range(50)]
    assert names(second) == [f"Firm {number:03}" for number in range(50, 100)]
    assert names(client.get(address + back.replace("&amp;", "&"))) == names(first)
    assert '<a href="?importable=yes&amp;from=k"' in page_text(first)
    assert "120 companies" in page_text(first)


def test_the_list_costs_the_same_wherever_and_however_filtered(
    alex: User, integration: Integration
) -> None:
    client = browser(alex)
    address = f"/integrations/{integration.pk}/companies/"
    add(integration, "A", "B")
    client.get(address)
    few = queries(lambda: client.get(address))
    add(integration, *(f"Firm {number:03}" for number in range(200)))
    client.get(address)
    some = PsaCompanyRecord.objects.get(name="Firm 100").external_id

    assert queries(lambda: client.get(address)) == few
    costs = {
        narrowed: queries(lambda query=narrowed: client.get(f"{address}?{query}"))
        for narrowed in (
            "search=firm",
            "importable=yes",
            "linked=no",
            "status=Active",
            f"after={some}",
        )
    }
    assert set(costs.values()) == {few - 5, few - 4}  # no visit; one to find the place
    assert few <= 20
