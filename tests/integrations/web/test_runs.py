"""The page of a sync run while it works, waits and has ended; the list of runs."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Any
from urllib.parse import unquote

from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from audit_site.tenants.models import Tenant
from integrations.models import Integration, SyncEvent, SyncRun
from integrations.sandbox.server import SandboxServer
from integrations.services.issues import WHOLE, Trouble, close_issues, dismiss, raise_issues
from integrations.services.psa_access import budget_of
from tests.audit_site.pages.test_pages import browser, text
from tests.conftest import connect
from tests.factories import (
    make_agreement,
    make_company,
    make_integration,
    make_issue,
    make_line,
    make_link,
    make_member,
    make_psa_company,
    make_psa_contact,
)
from tests.worker import work_off

HTMX = {"HTTP_HX_REQUEST": "true", "HTTP_HX_TARGET": "run"}
EVENTS = {"HTTP_HX_REQUEST": "true", "HTTP_HX_TARGET": "events"}


def make_run(integration: Integration, **over: Any) -> SyncRun:
    now = timezone.now()
    values = {
        "state": "running",
        "phase": "contacts",
        "dispatched_at": now,
        "started_at": now,
        "lease_until": now + timedelta(seconds=30),
        **over,
    }
    return SyncRun.objects.create(tenant=integration.tenant, integration=integration, **values)


def make_event(run: SyncRun, change: str, **over: Any) -> SyncEvent:
    return SyncEvent.objects.create(
        tenant=run.tenant, run=run, **{"kind": "company", "change": change, **over}
    )


def asks_again(page: str) -> tuple[str, str]:
    """Where the page asks for its upper part again, and how often."""
    found = re.search(r'id="run" hx-get="([^"]*)" hx-trigger="([^"]*)"', page)
    return (found[1], found[2]) if found else ("", "")


def heard(fragment: str) -> str:
    found = re.search(r'<div id="milestone" hx-swap-oob="innerHTML">([^<]*)</div>', fragment)
    return found[1] if found else ""


def test_a_run_that_waits_says_for_whom_and_until_when(
    tenant: Tenant, sandbox: SandboxServer
) -> None:
    integration = connect(tenant, sandbox, "autotask")
    sandbox.faults.switch_on("rate_limited", path="Contacts", retry_after=1800)
    client = browser(tenant)
    started = client.post(f"/integrations/{integration.pk}/sync/")
    work_off()
    until = timezone.localtime(SyncRun.objects.latest("id").resume_at, tenant.zone)

    page = text(client.get(started["Location"]))
    status = text(client.get(f"/integrations/{integration.pk}/"))
    listed = text(client.get("/sync-runs/"))
    imports = text(client.get(f"/integrations/{integration.pk}/companies/"))

    clock = f"{until:%H:%M}"
    for shown in (page, status, listed, imports):
        assert "Waiting for Autotask, goes on " in shown
        assert clock in shown
    assert "in 30 minutes" in page
    assert "What was read is kept; there is nothing to do." in page
    assert "Step 1 of 5" in page
    assert re.search(r"<dt>Requests</dt><dd>[1-9]\d* to Autotask</dd>", page)

    sandbox.faults.clear()
    budget_of(integration).forget()
    SyncRun.objects.update(resume_at=timezone.now(), dispatched_at=timezone.now())
    assert "The wait is over; it goes on." in text(client.get(started["Location"]))
    work_off()
    done = text(client.get(started["Location"]))
    assert "Succeeded" in done
    assert "Waiting for" not in done
    assert "<dt>Reads</dt><dd>everything</dd>" in done


def test_the_page_asks_again_and_is_heard_only_at_milestones(tenant: Tenant) -> None:
    run = make_run(make_integration(tenant))
    client = browser(tenant)

    page = text(client.get(f"/sync-runs/{run.pk}/"))
    address, every = asks_again(page)
    assert every == "every 1s"
    assert '<div id="milestone" class="visually-hidden" role="status"></div>' in page
    assert "aria-live" not in page
    assert unquote(address).endswith("?told=Reading contacts.")
    again = client.get(address, **HTMX)
    assert again.status_code == 200
    assert "milestone" not in text(again)

    SyncRun.objects.update(phase="agreements", queued_at=timezone.now() - timedelta(minutes=1))
    fragment = text(client.get(address, **HTMX))
    assert heard(fragment) == "Reading agreements and lines."
    address, every = asks_again(fragment)
    assert every == "every 3s"
    assert heard(text(client.get(address, **HTMX))) == ""

    SyncRun.objects.update(state="succeeded", finished_at=timezone.now(), phase="")
    ended = client.get(address, **HTMX)
    assert (ended.status_code, ended["HX-Trigger"]) == (286, "run-ended")
    assert heard(text(ended)) == "The sync has ended: succeeded."
    assert asks_again(text(ended)) == ("", "")


def test_an_outage_that_is_over_leaves_the_open_page(tenant: Tenant) -> None:
    integration = make_integration(tenant)
    run = make_run(integration)
    raise_issues(integration, [Trouble(WHOLE, "psa_unavailable", "It is down.")], run)
    client = browser(tenant)

    def banners(fragment: str) -> str | None:
        found = re.search('<div id="banners" hx-swap-oob="innerHTML">(.*?)</div>\n', fragment, re.S)
        return found[1].strip() if found else None

    page = text(client.get(f"/sync-runs/{run.pk}/"))
    address, _ = asks_again(page)
    close_issues(integration, kind=WHOLE)
    SyncRun.objects.update(phase="agreements")
    gone_on = text(client.get(address, **HTMX))
    address, _ = asks_again(gone_on)

    assert "has not been reachable since" in page
    assert banners(gone_on) == ""
    assert banners(text(client.get(address, **HTMX))) is None


def test_what_is_asked_for_again_reads_no_events(tenant: Tenant) -> None:
    run = make_run(make_integration(tenant))
    client = browser(tenant)

    with CaptureQueriesContext(connection) as captured:
        client.get(f"/sync-runs/{run.pk}/", **HTMX)

    assert not [q for q in captured if "syncevent" in q["sql"]]


def test_the_status_of_settings_ends_its_asking_too(tenant: Tenant) -> None:
    run = make_run(make_integration(tenant))
    client = browser(tenant)
    address = f"/integrations/{run.integration_id}/status/"

    going = client.get(address, HTTP_HX_REQUEST="true")
    assert going.status_code == 200
    assert 'hx-trigger="every 1s"' in text(going)
    assert heard(text(going)) == "Reading contacts."
    SyncRun.objects.update(state="succeeded", finished_at=timezone.now())
    ended = client.get(address, HTTP_HX_REQUEST="true")
    assert ended.status_code == 286
    assert "hx-trigger" not in text(ended)
    assert heard(text(ended)) == "The sync has ended: succeeded."


def test_the_counts_are_a_sum(tenant: Tenant) -> None:
    run = make_run(make_integration(tenant), state="partial", phase="", requests=1234)
    counts = run.counts
    counts["companies"] |= {"seen": 1240, "created": 1200, "unchanged": 38, "rejected": 2}
    counts["contacts"] |= {"seen": 10, "updated": 10, "gone": 3}
    run.save()

    page = text(browser(tenant).get(f"/sync-runs/{run.pk}/"))

    foot = re.findall(r'<td class="num">([^<]*)</td>', page[page.index("<tfoot>") :])
    assert foot[:6] == ["1,200", "10", "38", "2", "1,250", "3"]
    assert "Seen = new + changed + unchanged + rejected." in page
    assert "<dt>Requests</dt><dd>1,234 to ConnectWise Manage</dd>" in page


# What it did to each record


def row_of(page: str, name: str) -> str:
    """The row of the table of events that begins with this name, without tags."""
    row = page[page.index(f"<td>{name}<") :]
    row = row[
        : row.index("<tr>\n              <td>") if "<tr>\n              <td>" in row else None
    ]
    return " ".join(re.sub(r"<[^>]*>", " ", row).split())


def test_events_show_before_and_after_side_by_side(tenant: Tenant, other_tenant: Tenant) -> None:
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

    page = text(browser(tenant).get(f"/sync-runs/{run.pk}/"))

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


def test_events_say_whose_record_it_is(tenant: Tenant, other_tenant: Tenant) -> None:
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

    page = text(browser(tenant, "viewer").get(f"/sync-runs/{run.pk}/"))

    told = [
        " ".join(re.sub(r"<[^>]*>", " ", cell).split())
        for cell in re.findall(r"<tr>\s*<td>(.*?)</td>", page, re.DOTALL)
    ]
    assert told == [
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


def test_whose_records_they_are_costs_the_same_however_many(tenant: Tenant) -> None:
    integration, client = make_integration(tenant), browser(tenant)
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


# Where one goes from there


def test_what_waits_for_a_person_is_a_click_away_once_it_has_ended(tenant: Tenant) -> None:
    integration = make_integration(tenant)
    run = make_run(integration)
    issues = [make_issue(integration, run) for _ in range(3)]
    dismiss(issues[0], actor=None)
    make_issue(make_integration(tenant))
    client = browser(tenant, "viewer")

    going = text(client.get(f"/sync-runs/{run.pk}/"))
    SyncRun.objects.update(state="partial", finished_at=timezone.now(), phase="")
    ended = text(client.get(f"/sync-runs/{run.pk}/", **HTMX))
    close_issues(integration, kind="companies")
    calm = text(client.get(f"/sync-runs/{run.pk}/"))

    link = f'href="/integrations/{integration.pk}/issues/"'
    assert link not in going
    assert f'{link}><span class="mark warn">2</span> open issues</a>' in ended
    assert link not in calm


def test_a_failed_run_offers_sync_now_to_whoever_may(tenant: Tenant) -> None:
    integration = make_integration(tenant)
    run = make_run(integration, state="failed", phase="")
    address = f'action="/integrations/{integration.pk}/sync/"'

    def shown(role: str) -> str:
        return text(browser(tenant, role).get(f"/sync-runs/{run.pk}/"))

    assert address in shown("member")
    assert address not in shown("viewer")
    SyncRun.objects.update(state="succeeded")
    assert address not in shown("member")
    SyncRun.objects.update(state="failed")
    Integration.objects.update(status="disconnected")
    assert address not in shown("member")


def test_events_are_filtered_and_paged(tenant: Tenant) -> None:
    run = make_run(make_integration(tenant), state="succeeded", phase="")
    for number in range(60):
        make_event(run, "created", name=f"Person {number:02}", kind="contact", after={"name": "x"})
    make_event(run, "gone", name="Lost company")
    client = browser(tenant)
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


def test_a_page_of_events_costs_the_same_however_long(tenant: Tenant) -> None:
    run = make_run(make_integration(tenant), state="succeeded", phase="")
    client = browser(tenant)

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


# The list of runs


def test_the_list_says_what_started_each_run_and_what_it_does(tenant: Tenant) -> None:
    integration = make_integration(tenant)
    grace = make_member(tenant, name="Grace Hopper")
    done = {"state": "succeeded", "phase": ""}
    make_run(integration, **done, trigger="connect")
    make_run(integration, **done, trigger="schedule", reading="changes")
    make_run(integration, **done, trigger="import", scope="companies", companies=["1", "2"],
             started_by=grace)  # fmt: skip
    make_run(integration, started_by=grace, progress_done=1200, progress_total=5000)

    page = text(browser(tenant).get("/sync-runs/"))

    cells = [
        " ".join(re.sub(r"<[^>]*>", " ", cell).split())
        for cell in re.findall(r"<td>(.*?)</td>", page, re.DOTALL)
    ]
    rows = [cells[start + 1 : start + 4] for start in range(0, 16, 4)]
    assert rows == [
        ["Sync Now by Grace Hopper", "Everything",
         "Running Reading contacts, 1,200 of 5,000 contacts"],
        ["Import by Grace Hopper", "2 companies", "Succeeded"],
        ["Schedule", "What changed", "Succeeded"],
        ["Connected", "Everything", "Succeeded"],
    ]  # fmt: skip


def test_the_list_is_filtered_by_integration_and_state(
    tenant: Tenant, other_tenant: Tenant
) -> None:
    one, two = make_integration(tenant, name="One"), make_integration(tenant, name="Two")
    foreign = make_integration(other_tenant, name="Foreign")
    wanted = make_run(one, state="failed", phase="")
    others = [
        make_run(one, state="succeeded", phase=""),
        make_run(two, state="failed", phase=""),
        make_run(foreign, state="failed", phase=""),
    ]
    client = browser(tenant)

    def found(query: str) -> set[str]:
        page = text(client.get(f"/sync-runs/{query}"))
        assert "Foreign" not in page
        return {str(r.pk) for r in [wanted, *others] if f"/sync-runs/{r.pk}/" in page}

    ids = [str(run.pk) for run in others]
    assert found("") == {str(wanted.pk), ids[0], ids[1]}
    assert found(f"?integration={one.pk}") == {str(wanted.pk), ids[0]}
    assert found("?state=failed") == {str(wanted.pk), ids[1]}
    assert found(f"?integration={one.pk}&state=failed") == {str(wanted.pk)}
    for nothing in (f"?integration={foreign.pk}", "?integration=no-id", "?state=no-state"):
        assert found(nothing) == set()
    page = text(client.get(f"/sync-runs/?integration={one.pk}&state=failed"))
    assert f'<option value="{one.pk}" selected>One</option>' in page
    assert '<option value="failed" selected>Failed</option>' in page


def test_sync_now_during_a_small_reading_says_that_another_follows(tenant: Tenant) -> None:
    integration = make_integration(tenant, full_pass_at=timezone.now())
    small = make_run(integration, trigger="schedule", reading="changes", attempts=1)

    page = browser(tenant, "member").post(f"/integrations/{integration.pk}/sync/", follow=True)

    assert page.redirect_chain[-1][0] == f"/sync-runs/{small.pk}/"
    shown = text(page)
    assert "A sync is under way already; this is it. Another one follows it." in shown
    assert "<dt>Followed by</dt><dd>Sync Now, asked for meanwhile</dd>" in shown


def test_a_viewer_sees_no_cancel(tenant: Tenant) -> None:
    run = make_run(make_integration(tenant))

    assert "/cancel/" not in text(browser(tenant, "viewer").get(f"/sync-runs/{run.pk}/"))
    assert "/cancel/" in text(browser(tenant, "member").get(f"/sync-runs/{run.pk}/"))
