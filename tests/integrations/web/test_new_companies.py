"""What is new in an import list since a person last looked, on pages."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
import time_machine
from django.utils import timezone

from audit_site.tenants.models import Tenant, User
from companies.models import Company
from integrations.models import ImportListVisit, Integration
from tests.clients import browser, page_text
from tests.factories import make_integration
from tests.integrations.importing.import_lists import EARLY, add, address_of, look, marked, names
from tests.queries import queries


def test_who_never_looked_sees_no_count(alex: User, integration: Integration) -> None:
    add(integration, "A", "B")
    client = browser(alex)

    before = page_text(client.get("/integrations/"))
    first = client.get(address_of(integration))

    assert "you last looked" not in before
    assert "you last looked" not in page_text(first)
    assert marked(first) == []


def test_what_came_since_the_last_visit_is_counted_marked_and_listed(
    vic: User, integration: Integration
) -> None:
    add(integration, "Anvil", "Birch", first_seen_at=EARLY)
    address = address_of(integration)
    assert "you last looked" not in page_text(browser(vic).get("/integrations/"))
    browser(vic).get(address)
    assert "you last looked" not in page_text(browser(vic).get("/integrations/"))

    add(integration, "Cedar", "Dune", "Apple")
    add(integration, "Gone again", gone_at=timezone.now())
    client = browser(vic)

    assert "3 new since you last looked" in page_text(client.get("/integrations/"))
    settings = page_text(client.get(f"/integrations/{integration.pk}/"))
    assert "3 new since you last looked" in settings
    everything = client.get(address)
    assert "3 new since you last looked" in page_text(everything)
    assert names(everything) == ["Anvil", "Apple", "Birch", "Cedar", "Dune", "Gone again"]
    assert marked(everything) == ["Apple", "Cedar", "Dune"]
    assert "you last looked" not in page_text(client.get("/integrations/"))
    assert Company.objects.count() == 0  # nothing is ever imported by this


def test_a_visit_goes_on_showing_what_was_new_when_it_began(
    alex: User, integration: Integration
) -> None:
    add(integration, "Anvil", first_seen_at=EARLY)
    address = address_of(integration)
    browser(alex).get(address)
    add(integration, "Birch", "Cedar")
    client = browser(alex)

    assert names(client.get(f"{address}&new=yes")) == ["Birch", "Cedar"]
    assert names(client.get(f"{address}&new=yes")) == ["Birch", "Cedar"]
    assert names(client.get(f"{address}&new=yes&search=ced")) == ["Cedar"]
    assert marked(client.get(f"{address}&tab=add")) == ["Birch", "Cedar"]
    add(integration, "Dune")
    assert "1 new since you last looked" in page_text(client.get("/integrations/"))
    assert marked(client.get(address)) == ["Birch", "Cedar", "Dune"]
    assert marked(browser(alex).get(address)) == []  # the next visit


def test_a_visit_ends_after_half_an_hour(alex: User, integration: Integration) -> None:
    address = address_of(integration)
    began = datetime(2026, 11, 25, 9, 0, tzinfo=UTC)
    with time_machine.travel(began, tick=False):
        add(integration, "Anvil")
        browser(alex).get(address)
    with time_machine.travel(began + timedelta(days=1), tick=False):
        add(integration, "Birch")
        client = browser(alex)
        assert marked(client.get(address)) == ["Birch"]
    with time_machine.travel(began + timedelta(days=1, minutes=29), tick=False):
        assert marked(client.get(address)) == ["Birch"]
    with time_machine.travel(began + timedelta(days=1, minutes=58), tick=False):
        assert marked(client.get(address)) == ["Birch"]
    with time_machine.travel(began + timedelta(days=1, minutes=89), tick=False):
        assert marked(client.get(address)) == []


@pytest.mark.parametrize(
    ("query", "headers"),
    [
        ("search=a", {}),
        ("tab=add", {}),
        ("after=1", {}),
        ("from=k", {}),
        ("new=yes&tab=all", {}),
        ("", {"HTTP_HX_REQUEST": "true"}),
    ],
)
def test_filters_pages_and_fragments_are_no_visit(
    alex: User, integration: Integration, query: str, headers: dict[str, str]
) -> None:
    add(integration, "Anvil", first_seen_at=EARLY)
    look(integration, alex)
    add(integration, "Birch")

    answer = browser(alex).get(f"/import/?{query}", **headers)

    assert answer.status_code == 200
    assert ImportListVisit.objects.get().looked_at == EARLY
    assert "1 new since you last looked" in page_text(browser(alex).get("/integrations/"))


def test_an_empty_filter_form_opens_the_list(alex: User, integration: Integration) -> None:
    add(integration, "Anvil", first_seen_at=EARLY)

    browser(alex).get(f"{address_of(integration)}&search=&type=&new=")

    assert ImportListVisit.objects.get().looked_at == EARLY


def test_an_empty_list_has_not_been_looked_at(alex: User, integration: Integration) -> None:
    client = browser(alex)
    address = address_of(integration)

    client.get(address)
    add(integration, "Anvil", "Birch")

    assert "you last looked" not in page_text(client.get("/integrations/"))
    assert marked(client.get(address)) == []
    assert ImportListVisit.objects.count() == 1
    assert "Nothing is new since you last looked." in page_text(client.get(f"{address}&new=yes"))


def test_the_integrations_page_costs_the_same_however_many(alex: User, tenant: Tenant) -> None:
    client = browser(alex)

    def connect() -> None:
        integration = make_integration(tenant)
        add(integration, "Anvil", first_seen_at=EARLY)
        look(integration, alex)
        add(integration, "Birch")

    connect()
    client.get("/integrations/")
    one = queries(lambda: client.get("/integrations/"))
    for _ in range(4):
        connect()

    assert page_text(client.get("/integrations/")).count("1 new since you last looked") == 5
    assert queries(lambda: client.get("/integrations/")) == one
