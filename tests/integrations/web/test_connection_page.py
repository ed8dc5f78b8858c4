"""The page of a connection: overview, activity, setup; and the first connect."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Any

import pytest

from audit_site.tenants.models import Tenant, User
from integrations.adapters.autotask.guide import MENU_PATHS
from integrations.connecting.health import TITLES
from integrations.kinds import KINDS
from integrations.models import ConnectionTest, Integration, SyncRun
from integrations.runs.pausing import pause_integration
from integrations.sandbox.server import SandboxServer
from tests.clients import browser, page_text, text
from tests.factories import (
    make_integration,
    make_issue,
    make_member,
    make_psa_company,
    make_run,
)
from tests.queries import queries
from tests.worker import work_off

NOW = datetime(2026, 11, 25, 13, 5, tzinfo=UTC)
SEEN = {kind.name: {"seen": 3} for kind in KINDS}
ENDED: dict[str, Any] = {"phase": "", "lease_until": None, "finished_at": NOW}


def address(integration: Integration, part: str = "") -> str:
    return f"/integrations/{integration.pk}/{part}"


def plain(html: str) -> str:
    return " ".join(re.sub(r"<[^>]+>", " ", html).split())


@pytest.fixture
def read(tenant: Tenant, time_machine: Any) -> Integration:
    """A connection that was read to its end, at 13:05."""
    time_machine.move_to(NOW, tick=False)
    integration = make_integration(tenant, name="Desk", companies_read_at=NOW)
    make_run(integration, state="succeeded", counts=SEEN, **ENDED)
    return integration


def test_the_last_ten_runs_are_dots_that_say_what_they_are(vic: User, read: Integration) -> None:
    runs = [make_run(read, state="failed", **ENDED) for _ in range(10)]
    make_run(read, scope="companies", state="succeeded", **ENDED)

    page = page_text(browser(vic).get(address(read)))

    dots = re.findall(r'<a class="dot (\w+)" href="/sync-runs/([^/]+)/"', page)
    assert dots == [("bad", str(run.pk)) for run in runs]
    assert page.count('<span class="visually-hidden">today 13:05: failed</span>') == 10


def test_numbers_lead_into_the_import_list(vic: User, read: Integration) -> None:
    make_psa_company(read)
    for _ in range(2):
        make_psa_company(read, importable=False, rule_codes=["no_contact"])

    page = page_text(browser(vic).get(address(read)))

    listed = f"/import/?connection={read.pk}&amp;tab="
    assert f'<dt>Found</dt> <dd><a href="{listed}all">3</a></dd>' in page
    assert f'<dt>Hidden</dt> <dd><a href="{listed}hidden">2</a></dd>' in page
    assert f'<a href="{listed}hidden&amp;reason=no_contact">2: No contact</a>' in page


def test_the_next_step_is_said_with_its_button(vic: User, read: Integration) -> None:
    client = browser(vic)
    calm = page_text(client.get(address(read)))
    make_psa_company(read)
    make_issue(read)
    page = page_text(client.get(address(read)))
    listed = page_text(client.get("/integrations/"))

    assert ">Next</h2>" not in calm
    assert "1 open issue See what to do 1 company found" in plain(page)
    assert 'class="btn btn-sm btn-primary" href="/integrations/' in page
    assert "1 open issue See what to do 1 company found" in plain(listed)


@pytest.mark.parametrize(("role", "seen"), [("admin", 4), ("member", 0), ("viewer", 0)])
def test_the_menu_is_an_admins(tenant: Tenant, read: Integration, role: str, seen: int) -> None:
    page = text(browser(make_member(tenant, role)).get(address(read)))

    menu = page.partition('<details class="more"')[2].partition("</details>")[0]
    assert menu.count('class="dropdown-item"') == seen
    assert ("Sync Now" in page) is (role != "viewer")


def test_a_paused_one_is_resumed_and_not_paused_again(alex: User, read: Integration) -> None:
    pause_integration(integration=read, actor=alex)

    page = page_text(browser(alex).get(address(read)))

    assert ">Pause…</a>" not in page
    assert ">Resume</button>" in page
    assert f'href="{address(read, "setup/")}#pause">Resume it</a>' in page


def test_each_right_says_why_where_and_how_it_stands(vic: User, tenant: Tenant) -> None:
    integration = make_integration(tenant, psa="autotask", name="Desk")
    names = ("reach_server", "authenticate", "read_companies", "read_contacts", "read_agreements")
    checks: list[dict[str, Any]] = [
        {"name": name, "ok": True, "code": "ok", "message": ""} for name in names
    ]
    refused = {"ok": False, "code": "permission_denied", "message": "It may not.", "fix": "Allow."}
    ConnectionTest.objects.create(
        tenant=tenant,
        integration=integration,
        state="done",
        ok=True,
        code="lines_refused",
        message="MRR is incomplete.",
        checks=[*checks, {"name": "read_lines", **refused}],
        finished_at=NOW,
    )

    page = page_text(browser(vic).get(address(integration, "setup/")))

    rows = [plain(row) for row in page.partition('id="rights"')[2].split("<tr>")[2:]]
    assert [row.split("  ")[0].split(" ")[0] for row in rows] == [
        "Reach",
        "Sign",
        "Companies",
        "Contacts",
        "Contracts",
        "Services",
        "Bundles",
        "Units",
    ]
    assert rows[2].endswith(f"{MENU_PATHS['read_companies']} Allowed".replace(">", "&gt;"))
    assert rows[5].endswith("Failed It may not. What to do: Allow.")
    assert rows[6].endswith("Failed")


def test_activity_shows_its_runs_alone(vic: User, read: Integration) -> None:
    other = make_run(make_integration(read.tenant), state="succeeded", **ENDED)

    page = page_text(browser(vic).get(address(read, "activity/")))

    assert page.count('<a href="/sync-runs/') == 2  # in the head, and in the table
    assert str(other.pk) not in page


@pytest.mark.parametrize("part", ["", "setup/", "activity/", "issues/"])
def test_a_page_costs_the_same_however_much_there_is(
    alex: User, read: Integration, part: str
) -> None:
    client = browser(alex)
    client.get(address(read, part))
    few = queries(lambda: client.get(address(read, part)))
    for _ in range(5):
        make_psa_company(read)
        make_run(read, state="failed", **ENDED)
        make_issue(read)
        make_integration(read.tenant)

    assert queries(lambda: client.get(address(read, part))) <= few + 1  # of issues that are shown


def test_the_first_connect_ends_in_choosing_companies(alex: User, sandbox: SandboxServer) -> None:
    client, keys = browser(alex), sandbox.credentials("connectwise")
    saved = page_text(client.post("/integrations/connect/connectwise/", keys, follow=True))
    work_off()
    integration = Integration.objects.get()
    status = text(client.get(f"{address(integration)}status/?part=first"))

    assert "Testing the connection" in saved
    assert "Save and test" not in saved
    assert f'hx-get="{address(integration)}status/?part=first"' in saved
    assert "40 companies found, nothing imported." in status
    assert f'href="/import/?connection={integration.pk}&amp;tab=add">Choose companies</a>' in status


def test_a_first_connect_that_fails_has_its_button_again(
    alex: User, sandbox: SandboxServer
) -> None:
    client = browser(alex)
    keys = {**sandbox.credentials("connectwise"), "private_key": "wrong"}
    client.post("/integrations/connect/connectwise/", keys)
    work_off()
    integration = Integration.objects.get()

    page = page_text(client.get(address(integration)))
    client.post(address(integration), sandbox.credentials("connectwise"))
    work_off()

    assert f">{TITLES['refused']}</span>" in page
    assert '<button class="btn btn-primary" type="submit" form="keys-form">' in page
    assert 'id="keys-form"' in page
    integration.refresh_from_db()
    assert integration.is_connected
    assert SyncRun.objects.get().state == "succeeded"
