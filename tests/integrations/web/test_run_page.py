"""The page of a sync run while it works, waits and has ended."""

from __future__ import annotations

import re
from datetime import timedelta
from urllib.parse import unquote

from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from audit_site.tenants.models import Tenant, User
from integrations.connecting.open_adapter import budget_of
from integrations.issues.inbox import (
    KIND_INTEGRATION,
    IssueReport,
    close_issues,
    dismiss,
    raise_issues,
)
from integrations.models import Integration, SyncRun
from integrations.sandbox.server import SandboxServer
from tests.clients import browser, text
from tests.conftest import connect
from tests.factories import make_integration, make_issue, make_member, make_run
from tests.worker import work_off


def test_a_run_shows_progress_counts_and_each_change(
    mia: User, connected: Integration, sandbox: SandboxServer
) -> None:
    client = browser(mia)
    started = client.post(f"/integrations/{connected.pk}/sync/")
    running = client.get(started["Location"])

    assert "Waiting for a worker" in text(running)
    assert "hx-trigger" in text(running)
    sandbox.psas["connectwise"].change(
        {"do": "change", "kind": "companies", "id": 20002, "values": {"name": "New name"}}
    )
    work_off()
    page = text(client.get(started["Location"]))
    assert "Succeeded" in page
    assert "<td>New name</td></tr>" in page
    fragment = client.get(started["Location"], HTTP_HX_REQUEST="true")
    assert "<html" not in text(fragment)
    assert "HX-Request" in fragment["Vary"]


HTMX = {"HTTP_HX_REQUEST": "true", "HTTP_HX_TARGET": "run"}


def asks_again(page: str) -> tuple[str, str]:
    """Where the page asks for its upper part again, and how often."""
    found = re.search(r'id="run" hx-get="([^"]*)" hx-trigger="([^"]*)"', page)
    return (found[1], found[2]) if found else ("", "")


def heard(fragment: str) -> str:
    found = re.search(r'<div id="milestone" hx-swap-oob="innerHTML">([^<]*)</div>', fragment)
    return found[1] if found else ""


def test_a_run_that_waits_says_for_whom_and_until_when(
    alex: User, tenant: Tenant, sandbox: SandboxServer
) -> None:
    integration = connect(tenant, sandbox, "autotask")
    sandbox.faults.switch_on("rate_limited", path="Contacts", retry_after=1800)
    client = browser(alex)
    started = client.post(f"/integrations/{integration.pk}/sync/")
    work_off()
    until = timezone.localtime(SyncRun.objects.latest("id").resume_at, tenant.zone)

    page = text(client.get(started["Location"]))
    status = text(client.get(f"/integrations/{integration.pk}/"))
    listed = text(client.get("/sync-runs/"))
    imports = text(client.get("/import/"))

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


def test_the_page_asks_again_and_is_heard_only_at_milestones(alex: User, tenant: Tenant) -> None:
    a_moment_ago = timezone.now() - timedelta(seconds=5)
    run = make_run(make_integration(tenant), queued_at=a_moment_ago)
    client = browser(alex)

    page = text(client.get(f"/sync-runs/{run.pk}/"))
    address, every = asks_again(page)
    assert every == "every 1000ms"
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
    assert every == "every 3000ms"
    assert heard(text(client.get(address, **HTMX))) == ""

    SyncRun.objects.update(state="succeeded", finished_at=timezone.now(), phase="")
    ended = client.get(address, **HTMX)
    assert (ended.status_code, ended["HX-Trigger"]) == (286, "run-ended")
    assert heard(text(ended)) == "The sync has ended: succeeded."
    assert asks_again(text(ended)) == ("", "")


def test_an_outage_that_is_over_leaves_the_open_page(alex: User, tenant: Tenant) -> None:
    integration = make_integration(tenant)
    run = make_run(integration)
    raise_issues(
        integration, [IssueReport(KIND_INTEGRATION, "psa_unavailable", "It is down.")], run
    )
    client = browser(alex)

    def banners(fragment: str) -> str | None:
        found = re.search('<div id="banners" hx-swap-oob="innerHTML">(.*)</div>$', fragment, re.S)
        return found[1].strip() if found else None

    page = text(client.get(f"/sync-runs/{run.pk}/"))
    address, _ = asks_again(page)
    close_issues(integration, kind=KIND_INTEGRATION)
    SyncRun.objects.update(phase="agreements")
    gone_on = text(client.get(address, **HTMX))
    address, _ = asks_again(gone_on)

    assert "has not been reachable since" in page
    assert banners(gone_on) == ""
    assert banners(text(client.get(address, **HTMX))) is None


def test_what_is_asked_for_again_reads_no_events(alex: User, tenant: Tenant) -> None:
    run = make_run(make_integration(tenant))
    client = browser(alex)

    with CaptureQueriesContext(connection) as captured:
        client.get(f"/sync-runs/{run.pk}/", **HTMX)

    assert not [q for q in captured if "syncevent" in q["sql"]]


def test_the_status_of_settings_ends_its_asking_too(alex: User, tenant: Tenant) -> None:
    a_moment_ago = timezone.now() - timedelta(seconds=5)
    run = make_run(make_integration(tenant), queued_at=a_moment_ago)
    client = browser(alex)
    address = f"/integrations/{run.integration_id}/status/"

    going = client.get(address, HTTP_HX_REQUEST="true")
    assert going.status_code == 200
    assert 'hx-trigger="every 1000ms"' in text(going)
    assert heard(text(going)) == "Reading contacts."
    SyncRun.objects.update(state="succeeded", finished_at=timezone.now())
    ended = client.get(address, HTTP_HX_REQUEST="true")
    assert ended.status_code == 286
    assert "hx-trigger" not in text(ended)
    assert heard(text(ended)) == "The sync has ended: succeeded."


def test_the_counts_are_a_sum(alex: User, tenant: Tenant) -> None:
    run = make_run(make_integration(tenant), state="partial", phase="", requests=1234)
    counts = run.counts
    counts["companies"] |= {"seen": 1240, "created": 1200, "unchanged": 38, "rejected": 2}
    counts["contacts"] |= {"seen": 10, "updated": 10, "gone": 3}
    run.save()

    page = text(browser(alex).get(f"/sync-runs/{run.pk}/"))

    foot = re.findall(r'<td class="num">([^<]*)</td>', page[page.index("<tfoot>") :])
    assert foot[:6] == ["1,200", "10", "38", "2", "1,250", "3"]
    assert "Seen = new + changed + unchanged + rejected." in page
    assert "<dt>Requests</dt><dd>1,234 to ConnectWise Manage</dd>" in page


def test_what_waits_for_a_person_is_a_click_away_once_it_has_ended(
    vic: User, tenant: Tenant
) -> None:
    integration = make_integration(tenant)
    run = make_run(integration)
    issues = [make_issue(integration, run) for _ in range(3)]
    dismiss(issues[0], actor=None)
    make_issue(make_integration(tenant))
    client = browser(vic)

    going = text(client.get(f"/sync-runs/{run.pk}/"))
    SyncRun.objects.update(state="partial", finished_at=timezone.now(), phase="")
    ended = text(client.get(f"/sync-runs/{run.pk}/", **HTMX))
    close_issues(integration, kind="companies")
    calm = text(client.get(f"/sync-runs/{run.pk}/"))

    link = f'href="/integrations/{integration.pk}/issues/"'
    assert link not in going
    assert f'{link}><span class="mark warn">2</span> open issues</a>' in ended
    assert link not in calm


def test_a_failed_run_offers_sync_now_to_those_who_may(tenant: Tenant) -> None:
    integration = make_integration(tenant)
    run = make_run(integration, state="failed", phase="")
    address = f'action="/integrations/{integration.pk}/sync/"'

    def shown(role: str) -> str:
        return text(browser(make_member(tenant, role)).get(f"/sync-runs/{run.pk}/"))

    assert address in shown("member")
    assert address not in shown("viewer")
    SyncRun.objects.update(state="succeeded")
    assert address not in shown("member")
    SyncRun.objects.update(state="failed")
    Integration.objects.update(status="disconnected")
    assert address not in shown("member")


def test_a_viewer_sees_no_cancel(vic: User, mia: User, tenant: Tenant) -> None:
    run = make_run(make_integration(tenant))

    assert "/cancel/" not in text(browser(vic).get(f"/sync-runs/{run.pk}/"))
    assert "/cancel/" in text(browser(mia).get(f"/sync-runs/{run.pk}/"))


def test_the_list_of_runs_asks_again_while_one_is_under_way(alex: User, tenant: Tenant) -> None:
    a_moment_ago = timezone.now() - timedelta(seconds=5)
    run = make_run(make_integration(tenant), queued_at=a_moment_ago)
    client = browser(alex)

    page = text(client.get("/sync-runs/?state=running"))
    assert 'hx-get="/sync-runs/?state=running"' in page
    assert 'hx-trigger="every 1000ms" hx-select="#runs"' in page
    assert f'<a id="run-{run.pk}"' in page

    SyncRun.objects.update(state="succeeded", finished_at=timezone.now(), phase="")
    assert "hx-trigger" not in text(client.get("/sync-runs/"))
