"""The import list over all connections: its tabs and filters, its pages, and what it costs."""

from __future__ import annotations

import re
from typing import Any

import pytest

from audit_site.tenants.models import Tenant, User
from integrations.models import Integration, PsaCompanyRecord
from integrations.sandbox.server import SandboxServer
from tests.clients import browser, page_text, text
from tests.factories import make_integration
from tests.integrations.importing.import_lists import add, names
from tests.queries import queries
from tests.worker import work_off


def tabs(answer: Any) -> dict[str, str]:
    found = re.search('<nav class="tabs" aria-label="Import list">(.*?)</nav>', page_text(answer))
    assert found
    return dict(re.findall(r'>([A-Z][a-z ]+) <span class="num"[^>]*>([\d,]+)</span>', found[1]))


def test_each_tab_shows_as_many_as_it_says(mia: User, lists: list[Integration]) -> None:
    client = browser(mia)
    expected = {
        "add": ["Amber", "Birch", "Cedar", "Dune"],
        "suggested": [],
        "hidden": ["Elm", "Fir"],
        "linked": ["Gorse"],
        "ignored": ["Holly"],
        "all": ["Amber", "Birch", "Cedar", "Dune", "Elm", "Fir", "Gorse", "Holly"],
    }

    shown = {tab: names(client.get(f"/import/?tab={tab}")) for tab in expected}

    assert shown == expected
    assert names(client.get("/import/")) == expected["add"]
    assert tabs(client.get("/import/")) == {
        "Can be added": "4",
        "Suggested links": "0",
        "Hidden": "2",
        "Linked": "1",
        "Ignored": "1",
        "All": "8",
    }


@pytest.mark.parametrize(
    ("asked", "found"),
    [
        ("search=ir", ["Birch"]),
        ("search=ir&tab=all", ["Birch", "Fir"]),
        ("type=customer", ["Amber", "Cedar"]),
        ("status=old&tab=hidden", ["Fir"]),
        ("reason=no_contact&tab=hidden", ["Elm"]),
        ("reason=inactive&tab=hidden", ["Fir"]),
        ("type=Customer&tab=linked", []),
        ("connection=no-id", []),
        ("tab=none", ["Amber", "Birch", "Cedar", "Dune"]),
        ("search=%00&type=%00", ["Amber", "Birch", "Cedar", "Dune"]),
    ],
)
def test_filters_narrow_the_tab_and_its_number(
    vic: User, lists: list[Integration], asked: str, found: list[str]
) -> None:
    answer = browser(vic).get(f"/import/?{asked}")

    assert names(answer) == found
    here = re.search(r'aria-current="page">[A-Z][a-z ]+ <span class="num"[^>]*>(\d+)', text(answer))
    assert here
    assert int(here[1]) == len(found)


def test_one_connection_is_a_filter_and_another_tenants_finds_nothing(
    vic: User, lists: list[Integration], other_tenant: Tenant
) -> None:
    add(make_integration(other_tenant), "Stranger")
    client, (east, _) = browser(vic), lists

    assert names(client.get(f"/import/?tab=all&connection={east.pk}")) == [
        "Amber",
        "Cedar",
        "Elm",
        "Gorse",
    ]
    stranger = Integration.objects.for_tenant(other_tenant).get()
    assert names(client.get(f"/import/?tab=all&connection={stranger.pk}")) == []
    assert "Stranger" not in page_text(client.get("/import/?tab=all"))


def test_chips_offer_what_there_is_with_its_number(vic: User, lists: list[Integration]) -> None:
    shown = page_text(browser(vic).get("/import/?tab=hidden"))
    chosen = page_text(browser(vic).get("/import/?tab=hidden&reason=no_contact"))

    options = re.findall(r'>([\w ]+) <span class="num">(\d+)</span></a>', shown)
    assert ("No contact", "1") in options
    assert ("Status is not Active", "1") in options
    assert ("East", "1") in options
    assert ("West", "1") in options
    assert 'href="/import/?tab=hidden">Reason: No contact ' in chosen


def test_a_reason_is_one_short_line_and_its_fix_opens_in_the_row(
    vic: User, lists: list[Integration]
) -> None:
    shown = page_text(browser(vic).get("/import/?tab=hidden"))

    (elm, fir) = re.findall(r'<details class="why"><summary>(.*?)</summary>(.*?)</details>', shown)
    assert elm[0] == "No contact"
    assert "It has no contact in ConnectWise Manage." in elm[1]
    assert "Add a contact with an e-mail address or a phone number" in elm[1]
    assert fir[0] == "Status is not Active"
    assert "“Old”" in fir[1]
    assert "It has no contact" in fir[1]


def test_old_addresses_lead_to_the_same_rows(vic: User, lists: list[Integration]) -> None:
    client, (east, _) = browser(vic), lists
    old = f"/integrations/{east.pk}/companies/"

    def led(query: str) -> list[str]:
        answer = client.get(f"{old}?{query}", follow=True)
        assert answer.redirect_chain[0][0].startswith(f"/import/?connection={east.pk}")
        return names(answer)

    assert led("") == ["Amber", "Cedar"]
    assert led("importable=yes") == ["Amber", "Cedar"]
    assert led("importable=no&linked=no&ignored=no") == ["Elm"]
    assert led("linked=yes") == ["Gorse"]
    assert led("search=elm") == ["Elm"]


def test_a_search_without_a_hit_says_where_there_is_one_and_offers_to_ask(
    vic: User, lists: list[Integration]
) -> None:
    east, west = lists
    shown = page_text(browser(vic).get("/import/?search=elm+%26"))
    hidden = page_text(browser(vic).get("/import/?search=elm"))

    for one in (east, west):
        address = f"/integrations/{one.pk}/companies/missing/?q=elm%20%26"
        assert f'href="{address}">Ask ConnectWise Manage for “elm &amp;”</a>' in shown
    assert 'href="/import/?tab=hidden&amp;search=elm">Hidden: 1</a>' in hidden


def test_a_full_licence_is_said_before(alex: User, lists: list[Integration]) -> None:
    Tenant.objects.filter(pk=lists[0].tenant_id).update(company_limit=1)

    shown = page_text(browser(alex).get("/import/"))

    assert "All 1 audITees of your licence are in use." in shown


def test_a_lost_right_is_on_the_import_list(
    alex: User, connected: Integration, sandbox: SandboxServer
) -> None:
    sandbox.faults.switch_on("refused_right", path="/company/contacts")
    client = browser(alex)
    client.post(f"/integrations/{connected.pk}/sync/")
    work_off()

    page = page_text(client.get("/import/"))

    assert "The last sync was not complete." in page
    assert "Companies &gt; Contacts: Inquire All" in page


@pytest.mark.parametrize(
    ("who", "way", "back"),
    [
        ("vic", 'href="([^"]*)">Next<', 'href="([^"]*)">Previous<'),
        ("mia", 'name="goto" value="([^"]*)">Next<', 'name="goto" value="([^"]*)">Previous<'),
    ],
)
def test_the_page_leads_to_the_pages_around_it_with_its_filters(
    request: pytest.FixtureRequest, tenant: Tenant, who: str, way: str, back: str
) -> None:
    one, two = make_integration(tenant), make_integration(tenant)
    for number in range(120):
        add((one, two)[number % 2], f"Firm {number:03}", type="Client")
    add(one, "Firm of others", type="Other")
    client = browser(request.getfixturevalue(who))

    first = client.get("/import/?type=client")
    (onward,) = re.findall(way, page_text(first))
    second = client.get("/import/" + onward.replace("&amp;", "&"))
    (before,) = re.findall(back, page_text(second))

    assert names(first) == [f"Firm {number:03}" for number in range(50)]
    assert names(second) == [f"Firm {number:03}" for number in range(50, 100)]
    assert names(client.get("/import/" + before.replace("&amp;", "&"))) == names(first)
    assert '<a href="?type=client&amp;from=k"' in page_text(first)
    assert names(client.get("/import/?type=client&from=firm 1"))[0] == "Firm 100"


def test_the_list_costs_the_same_wherever_and_however_filtered(
    alex: User, tenant: Tenant, integration: Integration
) -> None:
    client = browser(alex)
    add(integration, "A", "B")
    client.get("/import/")
    few = queries(lambda: client.get("/import/"))
    for _ in range(3):
        add(make_integration(tenant), *(f"Firm {number:03}" for number in range(60)))
    client.get("/import/")
    some = PsaCompanyRecord.objects.filter(name="Firm 020")[0].pk

    assert queries(lambda: client.get("/import/")) == few
    costs = {
        narrowed: queries(lambda query=narrowed: client.get(f"/import/?{query}"))
        for narrowed in (
            "tab=all",
            "tab=hidden",
            "tab=linked",
            "tab=ignored",
            "search=firm",
            "status=Active",
            "type=Client",
            f"connection={integration.pk}&tab=add",
            f"after={some}",
        )
    }
    assert set(costs.values()) <= set(range(few - 5, few + 1))
    assert max(costs.values()) - min(costs.values()) <= 2  # a page without rows; a place to find
    assert few <= 25
