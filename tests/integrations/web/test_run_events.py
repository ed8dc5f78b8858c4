"""What a run did to each record, on its page."""

from __future__ import annotations

import re

from django.db import connection
from django.test.utils import CaptureQueriesContext

from audit_site.tenants.models import Tenant, User
from integrations.web.event_values import value_of
from tests.clients import browser, text
from tests.factories import (
    make_agreement,
    make_company,
    make_event,
    make_integration,
    make_line,
    make_link,
    make_psa_company,
    make_psa_contact,
    make_run,
)

EVENTS = {"HTTP_HX_REQUEST": "true", "HTTP_HX_TARGET": "events"}


def row_of(page: str, name: str) -> str:
    """The row of the table of events that begins with this name, without tags."""
    row = page[page.index(f"<td>{name}<") :]
    row = row[
        : row.index("<tr>\n              <td>") if "<tr>\n              <td>" in row else None
    ]
    return " ".join(re.sub(r"<[^>]*>", " ", row).split())


def test_events_show_before_and_after_side_by_side(
    alex: User, tenant: Tenant, other_tenant: Tenant
) -> None:
    integration = make_integration(tenant)
    old, new = make_company(tenant, name="Old owner"), make_company(tenant, name="New owner")
    foreign = make_company(other_tenant, name="Foreign owner")
    make_psa_company(integration, external_id="77", name="Harbor Bakery")
    run = make_run(integration, state="succeeded", phase="")
    make_event(
        run,
        "updated",
        kind="agreement",
        name="Managed",
        before={
            "company_id": str(old.pk), "amount": "1200.0000", "end_date": None, "no_end": True,
            "cycle_label": "",
        },
        after={
            "company_id": str(new.pk), "amount": "1250.5", "end_date": "2027-01-31",
            "no_end": False, "cycle_label": "Monthly",
        },
    )  # fmt: skip
    make_event(
        run,
        "updated",
        kind="contact",
        name="Ada",
        before={
            "company_external_id": "1",
            "company_id": str(foreign.pk),
            "search_text": "ada 1",
            "changed_at": "2026-11-25T13:05:00Z",
        },
        after={
            "company_external_id": "77",
            "company_id": None,
            "search_text": "ada 77",
            "changed_at": None,
        },
    )
    make_event(run, "created", name="<b>Bold</b>", after={"name": "<b>Bold</b>", "source": "x"})
    make_event(run, "gone", name="Gone one")
    make_event(run, "returned", name="Back one", before={}, after={})
    make_event(run, "rejected", name="Bad one", reason_code="too_long", reason_message="Too long.")

    page = text(browser(alex).get(f"/sync-runs/{run.pk}/"))

    managed = row_of(page, "Managed")
    assert "Value Before After Amount 1,200.00 1,250.50 audITee Old owner New owner" in managed
    assert "Billing cycle nothing Monthly" in managed
    assert "End date nothing 31 Jan 2027 Without an end yes no" in managed
    assert "Company 1 Harbor Bakery (77)" in row_of(page, "Ada")
    assert "Changed in the PSA 25 Nov 2026, " in row_of(page, "Ada")
    assert "ada 77" not in page
    assert "Foreign owner" not in page
    assert "1 value Name &lt;b&gt;Bold&lt;/b&gt;" in row_of(page, "&lt;b&gt;Bold&lt;/b&gt;")
    assert "It was kept, and marked as gone." in row_of(page, "Gone one")
    assert "As it was before." in row_of(page, "Back one")
    assert "Rejected Too long. too_long" in row_of(page, "Bad one")


def test_events_say_whose_record_it_is(vic: User, tenant: Tenant, other_tenant: Tenant) -> None:
    integration, acme = make_integration(tenant), make_company(tenant, name="Acme")
    make_link(acme, integration, external_id="7")
    make_psa_company(integration, external_id="7", name="Acme Inc. there")
    make_psa_company(integration, external_id="8", name="Rosewood Clinic Co.")
    make_psa_contact(integration, "71", "7", last_name="Lovelace")
    make_psa_contact(integration, "81", "8", last_name="Hopper")
    make_psa_contact(make_integration(other_tenant), "91", "8", last_name="Foreign")
    gold = make_agreement(acme, integration, external_id="31", name="Gold")
    make_line(gold, external_id="311", description="Seats")
    make_line(gold, external_id="312", description="Shared")
    other = make_agreement(make_company(tenant, name="Other"), integration, name="Silver")
    make_line(other, external_id="312", description="Shared")
    run = make_run(integration, state="partial", phase="")
    why = {"reason_code": "invalid_record", "reason_message": "Unreadable."}
    for kind, external_id in (
        ("company", "8"), ("contact", "71"), ("contact", "81"), ("contact", "91"),
        ("agreement", "31"), ("line", "311"), ("line", "312"),
    ):  # fmt: skip
        make_event(run, "rejected", kind=kind, external_id=external_id, **why)
    make_event(run, "updated", kind="line", external_id="311", name="Seats as told", after={})

    page = text(browser(vic).get(f"/sync-runs/{run.pk}/"))

    said = [
        " ".join(re.sub(r"<[^>]*>", " ", cell).split())
        for cell in re.findall(r"<tr>\s*<td>(.*?)</td>", page, re.DOTALL)
    ]
    assert said == [
        "Rosewood Clinic Co. Company 8",
        "Ada Lovelace Contact 71 of Acme",
        "Ada Hopper Contact 81 of Rosewood Clinic Co.",
        "without a name Contact 91",
        "Gold Agreement 31 of Acme",
        "Seats Line 311 of Acme",
        "without a name Line 312",
        "Seats as told Line 311 of Acme",
    ]
    assert page.count(f'of <a href="/companies/{acme.pk}/">Acme</a>') == 4


def test_whose_records_they_are_costs_the_same_however_many(alex: User, tenant: Tenant) -> None:
    integration, client = make_integration(tenant), browser(alex)
    run = make_run(integration, state="partial", phase="")

    def queries() -> int:
        with CaptureQueriesContext(connection) as captured:
            client.get(f"/sync-runs/{run.pk}/")
        return len(captured)

    def add() -> None:
        link = make_link(make_company(tenant), integration)
        number = link.external_id
        make_psa_company(integration, external_id=number)
        make_psa_contact(integration, number, number)
        line = make_line(make_agreement(link.company, integration, external_id=number))
        for kind in ("company", "contact", "agreement"):
            make_event(run, "rejected", kind=kind, external_id=number)
        make_event(run, "rejected", kind="line", external_id=line.external_id)

    add()
    few = queries()
    for _ in range(10):
        add()

    assert queries() == few


def test_events_are_filtered_and_paged(alex: User, tenant: Tenant) -> None:
    run = make_run(make_integration(tenant), state="succeeded", phase="")
    for number in range(60):
        make_event(run, "created", name=f"Person {number:02}", kind="contact", after={"name": "x"})
    make_event(run, "gone", name="Lost company")
    client = browser(alex)
    address = f"/sync-runs/{run.pk}/"

    people = text(client.get(f"{address}?kind=contact&change=created"))
    rest = text(client.get(f"{address}?kind=contact&change=created&page=2"))
    gone = text(client.get(f"{address}?change=gone"))
    none = text(client.get(f"{address}?kind=line"))

    assert "Page 1 of 2" in people
    assert "?kind=contact&amp;change=created&amp;page=2" in people
    assert "Person 49" in people
    assert "Person 50" not in people
    assert "Person 59" in rest
    assert "Lost company" not in people + rest
    assert "Lost company" in gone
    assert "Person" not in gone
    assert "Nothing of this kind." in none
    assert "<html" not in text(client.get(address, **EVENTS))
    assert "Page 1 of 2" in text(client.get(address, **EVENTS))


def test_a_page_of_events_costs_the_same_however_long(alex: User, tenant: Tenant) -> None:
    run = make_run(make_integration(tenant), state="succeeded", phase="")
    client = browser(alex)

    def queries() -> int:
        with CaptureQueriesContext(connection) as captured:
            client.get(f"/sync-runs/{run.pk}/")
        return len(captured)

    company = make_company(tenant)
    values = {"company_id": str(company.pk), "company_external_id": "1"}
    make_event(run, "updated", before={**values}, after=values)
    few = queries()
    for _ in range(20):
        make_event(run, "updated", before={**values}, after=values)

    assert queries() == few


def test_a_cycle_that_nobody_knows_is_shown_as_the_word_that_it_is() -> None:
    assert value_of("cycle", {"unknown": "4-Weekly"}) == "4-Weekly"
    assert value_of("cycle", {"every": 18, "unit": "month"}) == "2 entries"
