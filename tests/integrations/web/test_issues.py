from __future__ import annotations

import re
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from audit_site.tenants.models import AuditEvent, Tenant
from integrations.models import Integration, Issue, SyncRun
from integrations.services import issues
from tests.audit_site.pages.test_pages import browser, text
from tests.factories import (
    make_agreement,
    make_company,
    make_integration,
    make_issue,
    make_link,
    make_member,
    make_psa_company,
    make_psa_contact,
    make_tenant,
)


def words(answer: Any) -> str:
    """What a person reads of the content of a page, each run of white space one blank."""
    content = text(answer).split("<main")[1].split("</main>")[0]
    return " ".join(re.sub(r"<[^>]+>", " ", content).split())


def inbox(integration: Integration) -> str:
    return f"/integrations/{integration.pk}/issues/"


def test_an_issue_says_all_that_a_person_needs(tenant: Tenant) -> None:
    integration, company = make_integration(tenant), make_company(tenant, name="Acme & Sons")
    make_link(company, integration, external_id="7")
    run = SyncRun.objects.create(tenant=tenant, integration=integration)
    values = {"kind": "agreements", "name": "Gold", "external_id": "31", "company_external_id": "7"}
    make_issue(integration, **values)
    issue = make_issue(integration, run, **values)

    page = browser(tenant, "viewer").get(inbox(integration))

    assert "<h1>Issues</h1>" in text(page)
    assert (
        "Agreements Gold 31 Acme &amp; Sons The record is set aside: its name is missing. "
        "invalid_record What to do: Give it a name in ConnectWise Manage. Since today "
        f"{issue.first_seen_at:%H:%M} · seen 2 times · last in the sync of today "
        f"{issue.last_seen_at:%H:%M}"
    ) in words(page)
    assert f'href="/sync-runs/{run.pk}/"' in text(page)
    assert f'href="/companies/{company.pk}/"' in text(page)


def test_what_is_not_linked_leads_to_the_import_list(tenant: Tenant) -> None:
    integration = make_integration(tenant)
    make_psa_company(integration, external_id="a&7", name="Only there")
    make_issue(integration, external_id="a&7", company_external_id="a&7")
    make_issue(integration, external_id="8", company_external_id="8")

    page = text(browser(tenant).get(inbox(integration)))

    assert f'href="/integrations/{integration.pk}/companies/?search=a%267"' in page
    assert "Only there in ConnectWise Manage" in page
    assert page.count("?search=") == 1


def test_it_says_whose_it_is_and_each_name_once(tenant: Tenant) -> None:
    integration, acme = make_integration(tenant), make_company(tenant, name="Acme & Sons")
    make_link(acme, integration, external_id="7")
    make_psa_company(integration, external_id="7", name="Acme & Sons")
    make_psa_company(integration, external_id="8", name="Only there")
    make_psa_contact(integration, "71", "7", last_name="Lovelace")
    make_psa_contact(integration, "81", "8", last_name="Hopper")
    make_agreement(acme, integration, external_id="31", name="Gold")
    for kind, external_id in (("contact", "71"), ("contact", "81"), ("agreement", "31")):
        make_issue(integration, kind=kind, external_id=external_id)
    for external_id in ("7", "8"):
        make_issue(integration, kind="company", external_id=external_id)

    page = browser(tenant, "viewer").get(inbox(integration))

    titles = re.findall(r"<strong>(\w.*?)</strong>(.*?)</div>", text(page), re.DOTALL)
    told = [" ".join(re.sub(r"<[^>]+>", " ", "".join(found)).split()) for found in titles]
    assert [row for row in told if "What to do" not in row] == [
        "Only there 8 In ConnectWise Manage",
        "Acme &amp; Sons 7 audITee",
        "Ada Hopper 81 Only there in ConnectWise Manage",
        "Ada Lovelace 71 Acme &amp; Sons",
        "Gold 31 Acme &amp; Sons",
    ]
    assert text(page).count(f'href="/companies/{acme.pk}/"') == 3


def test_whose_they_are_costs_the_same_however_many(tenant: Tenant) -> None:
    integration, client = make_integration(tenant), browser(tenant)

    def queries() -> int:
        with CaptureQueriesContext(connection) as captured:
            client.get(inbox(integration))
        return len(captured)

    def add() -> None:
        agreement = make_agreement(make_company(tenant), integration)
        make_psa_contact(integration, agreement.external_id, "1")
        for kind in ("contact", "agreement"):
            make_issue(integration, kind=kind, external_id=agreement.external_id)

    add()
    few = queries()
    for _ in range(10):
        add()

    assert queries() == few


def test_a_technical_detail_waits_behind_details(tenant: Tenant) -> None:
    integration = make_integration(tenant)
    make_issue(
        integration,
        message="Your PSA sent `x` in a form that we can't read.\nExpected `int`",
        fix="Send this to us: help@auditforit.com.",
    )

    page = browser(tenant).get(inbox(integration))

    assert "Your PSA sent <code>x</code> in a form" in page.content.decode()
    assert (
        "Your PSA sent x in a form that we can&#x27;t read. invalid_record Details Expected "
        "`int` What to do: Send this to us: help@auditforit.com ."
    ) in words(page)
    assert 'href="mailto:help@auditforit.com">help@auditforit.com</a>.' in text(page)
    assert "<details>" in text(page)


def test_what_is_about_the_whole_integration_carries_its_name(tenant: Tenant) -> None:
    integration = make_integration(tenant, name="Our ConnectWise")
    make_issue(integration, kind="integration", external_id="read_contacts", message="Refused.")

    page = words(browser(tenant, "viewer").get(inbox(integration)))

    assert "The connection Our ConnectWise Refused. invalid_record" in page


def test_they_are_grouped_by_what_they_are_about_open_ones_first(tenant: Tenant) -> None:
    integration = make_integration(tenant)
    make_issue(integration, kind="companies", external_id="")
    make_issue(integration, kind="lines", external_id="991")
    for kind in ("lines", "company", "integration", "agreements", "contacts", "companies", "odd"):
        make_issue(integration, kind=kind, name=f"About {kind}")
    make_issue(integration, kind="integration", code="old")
    issues.dismiss(Issue.objects.get(code="old"), actor=None)
    client = browser(tenant)

    def told(query: str) -> list[str]:
        found = re.findall(
            r"<h2[^>]*>(.*?)</h2>|<strong>(\w[^:]*?)</strong>",
            text(client.get(inbox(integration) + query)),
        )
        return [re.sub(r"<[^>]+>", "", a or b) for a, b in found]

    waiting = [
        "The connection", integration.name,
        "Companies", integration.name, "About companies", "About company",
        "Contacts", "About contacts",
        "Agreements", "About agreements",
        "Lines", "About lines", "Lines",
        "Anything else", "About odd",
    ]  # fmt: skip
    assert told("") == waiting
    assert told("?state=open") == waiting
    assert told("?state=dismissed") == ["The connection Dismissed", integration.name]
    assert told("?state=all") == [*waiting, "The connection Dismissed", integration.name]


def test_the_filters_count_and_the_empty_states_are_friendly(tenant: Tenant) -> None:
    integration = make_integration(tenant)
    client = browser(tenant, "member")

    empty = client.get(inbox(integration))

    assert "Nothing to do: everything your PSA sent could be read." in text(empty)
    assert "Read everything again" not in text(empty)
    assert "Open (0) Dismissed (0) Closed (0) All" in words(empty)
    assert "No issue is dismissed." in text(client.get(f"{inbox(integration)}?state=dismissed"))
    assert "No issue has closed yet." in text(client.get(f"{inbox(integration)}?state=closed"))

    gone, aside, *_ = (make_issue(integration) for _ in range(4))
    issues.close_issues(integration, kind="companies", external_ids=[gone.external_id])
    issues.dismiss(aside, actor=make_member(tenant, name="Grace Hopper"))
    assert "Open (2) Dismissed (1) Closed (1) All" in words(client.get(inbox(integration)))
    dismissed = words(client.get(f"{inbox(integration)}?state=dismissed"))
    assert "by Grace Hopper" in dismissed
    assert "Read again" in dismissed
    assert "Dismiss " not in dismissed.split("Grace Hopper")[1]
    closed = words(client.get(f"{inbox(integration)}?state=closed"))
    assert ": its cause is gone" in closed
    assert "Read again" not in closed


@pytest.mark.once
def test_the_inbox_has_pages_and_costs_the_same_however_long(tenant: Tenant) -> None:
    integration, client = make_integration(tenant), browser(tenant)

    def add(count: int) -> None:
        for _ in range(count):
            link = make_link(make_company(tenant), integration)
            run = SyncRun.objects.create(
                tenant=tenant, integration=integration, state=SyncRun.State.SUCCEEDED
            )
            issue = make_issue(integration, run, company_external_id=link.external_id)
            issues.dismiss(issue, actor=make_member(tenant))
            make_issue(integration, run, company_external_id=link.external_id)

    def queries() -> int:
        with CaptureQueriesContext(connection) as captured:
            assert client.get(f"{inbox(integration)}?state=all").status_code == 200
        return len(captured)

    add(1)
    client.get(inbox(integration))
    one = queries()
    add(29)
    assert queries() == one
    first = text(client.get(f"{inbox(integration)}?state=all"))
    second = text(client.get(f"{inbox(integration)}?state=all&page=2"))
    assert (first.count("<article"), second.count("<article")) == (50, 10)
    assert "Page 1 of 2" in first
    assert 'href="?state=all&amp;page=2"' in first


def test_the_number_of_open_ones_leads_there(tenant: Tenant, other_tenant: Tenant) -> None:
    integration, quiet = make_integration(tenant), make_integration(tenant)
    make_issue(integration)
    issues.dismiss(make_issue(quiet), actor=None)
    make_issue(make_integration(other_tenant))
    make_issue(make_integration(tenant, status=Integration.Status.DISCONNECTED))
    client = browser(tenant, "viewer")

    cards = client.get("/integrations/")
    settings = client.get(f"/integrations/{integration.pk}/")
    calm = client.get(f"/integrations/{quiet.pk}/")
    make_issue(integration)

    assert text(cards).count("/issues/") == 1
    assert f'href="{inbox(integration)}"' in text(cards)
    assert "1 open issue " in words(cards)
    assert f'href="{inbox(integration)}"' in text(settings)
    assert "1 open issue " in words(settings)
    assert f'href="{inbox(quiet)}">Issues</a>' in text(calm)
    assert '1<span class="visually-hidden"> open issue</span>' in text(calm)  # the sidebar
    assert '2<span class="visually-hidden"> open issues</span>' in text(client.get("/companies/"))
    assert "2 open issues" in words(client.get("/integrations/"))
    assert "open issue" not in text(browser(make_tenant()).get("/companies/"))


def test_reading_again_shows_the_run(tenant: Tenant) -> None:
    issue = make_issue(make_integration(tenant), company_external_id="7")
    client = browser(tenant, "member")

    first = client.post(f"/issues/{issue.pk}/retry/")
    run = SyncRun.objects.get()
    again = client.post(f"/issues/{issue.pk}/retry/", follow=True)

    assert first["Location"] == f"/sync-runs/{run.pk}/"
    assert (run.scope, run.companies, run.trigger) == ("companies", ["7"], "manual")
    assert again.redirect_chain == [(f"/sync-runs/{run.pk}/", 302)]
    assert "A sync is under way already; this is it." in text(again)


def test_reading_everything_again_is_sync_now(tenant: Tenant) -> None:
    issue = make_issue(make_integration(tenant))
    client = browser(tenant, "member")

    answer = client.post(f"{inbox(issue.integration)}retry/")

    run = SyncRun.objects.get()
    assert answer["Location"] == f"/sync-runs/{run.pk}/"
    assert (run.scope, run.trigger, run.accept_gone) == ("all", "manual", {})
    page = text(client.get(inbox(issue.integration)))
    assert "A sync is under way" in page
    assert f'href="/sync-runs/{run.pk}/"' in page


def test_dismissing_goes_back_to_where_it_was_pressed(tenant: Tenant) -> None:
    integration = make_integration(tenant)
    first, second = make_issue(integration), make_issue(integration)
    client = browser(tenant, "member", email="grace@example.com")
    here = f"http://testserver{inbox(integration)}?state=all&page=2"

    plain = client.post(f"/issues/{first.pk}/dismiss/")
    there = client.post(f"/issues/{second.pk}/dismiss/", HTTP_REFERER=here)

    assert plain["Location"] == inbox(integration)
    assert there["Location"] == here
    assert set(Issue.objects.values_list("dismissed_by__email", flat=True)) == {"grace@example.com"}
    assert "It stays quiet as long as its cause lasts" in text(client.get(inbox(integration)))


def test_an_admin_is_asked_once_more_whether_they_are_gone(tenant: Tenant) -> None:
    integration = make_integration(tenant)
    question = make_issue(
        integration, code="too_many_gone", external_id="", message="38 of 40 companies are missing."
    )
    client = browser(tenant)
    address = f"/issues/{question.pk}/gone/"

    listed = text(client.get(inbox(integration)))
    asked = client.get(address)

    assert f'href="{address}">Yes, they are gone…</a>' in listed
    assert "38 of 40 companies are missing." in text(asked)
    assert "Nothing is deleted." in text(asked)
    assert not SyncRun.objects.exists()
    said = client.post(address)
    run = SyncRun.objects.get()
    assert said["Location"] == f"/sync-runs/{run.pk}/"
    assert (run.scope, bool(run.accept_gone)) == ("all", True)
    twice = client.post(address, HTTP_REFERER=f"http://testserver{address}", follow=True)
    assert "is under way, and it began before you said so." in text(twice)
    assert SyncRun.objects.count() == 1


def test_what_asks_nothing_has_no_such_page(tenant: Tenant) -> None:
    integration = make_integration(tenant)
    ordinary = make_issue(integration)
    settled = make_issue(integration, code="too_many_gone", external_id="")
    issues.close_issues(integration, kind="companies", codes=["too_many_gone"])
    client = browser(tenant)

    for issue in (ordinary, settled):
        for method in (client.get, client.post):
            assert method(f"/issues/{issue.pk}/gone/")["Location"] == inbox(integration)
    assert "they are gone" not in text(client.get(inbox(integration)))
    assert not SyncRun.objects.exists()


def test_a_viewer_sees_no_buttons_and_a_member_no_question(tenant: Tenant) -> None:
    issue = make_issue(make_integration(tenant), code="too_many_gone")

    viewer = words(browser(tenant, "viewer").get(inbox(issue.integration)))
    member = words(browser(tenant, "member").get(inbox(issue.integration)))

    for button in ("Read again", "Read everything again", "Dismiss ", "Yes, they are gone"):
        assert button not in viewer.replace("Dismissed", "")
    for button in ("Read again", "Read everything again", "Dismiss"):
        assert button in member.replace("Dismissed", "")
    assert "Yes, they are gone" not in member


@pytest.mark.parametrize(
    ("role", "path"),
    [
        ("viewer", "/issues/{issue}/retry/"),
        ("viewer", "/issues/{issue}/dismiss/"),
        ("viewer", "/integrations/{integration}/issues/retry/"),
        ("member", "/issues/{issue}/gone/"),
    ],
)
def test_the_server_refuses_what_a_role_may_not(tenant: Tenant, role: str, path: str) -> None:
    issue = make_issue(make_integration(tenant), code="too_many_gone")
    address = path.format(issue=issue.pk, integration=issue.integration_id)

    assert browser(tenant, role).post(address).status_code == 403
    assert Issue.objects.get().state == "open"
    assert not SyncRun.objects.exists()
    assert not AuditEvent.objects.exists()


def test_a_disconnected_ones_issues_are_no_pages(tenant: Tenant) -> None:
    integration = make_integration(tenant, status=Integration.Status.DISCONNECTED)
    issue = make_issue(integration)
    client = browser(tenant)

    assert client.get(inbox(integration)).status_code == 404
    assert client.post(f"/issues/{issue.pk}/dismiss/").status_code == 404
    assert Issue.objects.get().state == "open"
