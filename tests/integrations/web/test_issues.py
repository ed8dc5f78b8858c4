"""The pages of the issues inbox: what an issue says, filters, groups, and what they cost."""

from __future__ import annotations

import re

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from audit_site.tenants.models import Tenant, User
from integrations.issues import inbox
from integrations.models import Integration, Issue, SyncRun
from tests.clients import browser, text
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
from tests.integrations.web.inbox_pages import inbox_of, words


def test_an_issue_says_all_that_a_person_needs(vic: User, tenant: Tenant) -> None:
    integration, company = make_integration(tenant), make_company(tenant, name="Acme & Sons")
    make_link(company, integration, external_id="7")
    run = SyncRun.objects.create(tenant=tenant, integration=integration)
    values = {"kind": "agreements", "name": "Gold", "external_id": "31", "company_external_id": "7"}
    make_issue(integration, **values)
    issue = make_issue(integration, run, **values)

    page = browser(vic).get(inbox_of(integration))

    assert 'aria-current="page">Issues' in text(page)
    assert (
        "Agreements Gold 31 Acme &amp; Sons The record is set aside: its name is missing. "
        "invalid_record What to do: Give it a name in ConnectWise Manage. Since today "
        f"{issue.first_seen_at:%H:%M} · seen 2 times · last in the sync of today "
        f"{issue.last_seen_at:%H:%M}"
    ) in words(page)
    assert f'href="/sync-runs/{run.pk}/"' in text(page)
    assert f'href="/companies/{company.pk}/"' in text(page)


def test_what_is_not_linked_leads_to_the_import_list(alex: User, tenant: Tenant) -> None:
    integration = make_integration(tenant)
    make_psa_company(integration, external_id="a&7", name="Only there")
    make_issue(integration, external_id="a&7", company_external_id="a&7")
    make_issue(integration, external_id="8", company_external_id="8")

    page = text(browser(alex).get(inbox_of(integration)))

    assert f'href="/integrations/{integration.pk}/companies/?search=a%267"' in page
    assert "Only there in ConnectWise Manage" in page
    assert page.count("?search=") == 1


def test_it_says_whose_it_is_and_each_name_once(vic: User, tenant: Tenant) -> None:
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

    page = browser(vic).get(inbox_of(integration))

    titles = re.findall(r"<strong>(\w.*?)</strong>(.*?)</div>", text(page), re.DOTALL)
    said = [" ".join(re.sub(r"<[^>]+>", " ", "".join(found)).split()) for found in titles]
    assert [row for row in said if "What to do" not in row] == [
        "Only there 8 In ConnectWise Manage",
        "Acme &amp; Sons 7 audITee",
        "Ada Hopper 81 Only there in ConnectWise Manage",
        "Ada Lovelace 71 Acme &amp; Sons",
        "Gold 31 Acme &amp; Sons",
    ]
    assert text(page).count(f'href="/companies/{acme.pk}/"') == 3


def test_whose_they_are_costs_the_same_however_many(alex: User, tenant: Tenant) -> None:
    integration, client = make_integration(tenant), browser(alex)

    def queries() -> int:
        with CaptureQueriesContext(connection) as captured:
            client.get(inbox_of(integration))
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


def test_a_technical_detail_waits_in_details(alex: User, tenant: Tenant) -> None:
    integration = make_integration(tenant)
    make_issue(
        integration,
        message="Your PSA sent `x` in a form that we can't read.\nExpected `int`",
        fix="Send this to us: help@auditforit.com.",
    )

    page = browser(alex).get(inbox_of(integration))

    assert "Your PSA sent <code>x</code> in a form" in page.content.decode()
    assert (
        "Your PSA sent x in a form that we can&#x27;t read. invalid_record Details Expected "
        "`int` What to do: Send this to us: help@auditforit.com ."
    ) in words(page)
    assert 'href="mailto:help@auditforit.com">help@auditforit.com</a>.' in text(page)
    assert "<details>" in text(page)


def test_what_is_about_the_whole_integration_carries_its_name(vic: User, tenant: Tenant) -> None:
    integration = make_integration(tenant, name="Our ConnectWise")
    make_issue(integration, kind="integration", external_id="read_contacts", message="Refused.")

    page = words(browser(vic).get(inbox_of(integration)))

    assert "The connection Our ConnectWise Refused. invalid_record" in page


def test_they_are_grouped_by_what_they_are_about_open_ones_first(
    alex: User, tenant: Tenant
) -> None:
    integration = make_integration(tenant)
    make_issue(integration, kind="companies", external_id="")
    make_issue(integration, kind="lines", external_id="991")
    for kind in ("lines", "company", "integration", "agreements", "contacts", "companies", "odd"):
        make_issue(integration, kind=kind, name=f"About {kind}")
    make_issue(integration, kind="integration", code="old")
    inbox.dismiss(Issue.objects.get(code="old"), actor=None)
    client = browser(alex)

    def said(query: str) -> list[str]:
        found = re.findall(
            r"<h2[^>]*>(.*?)</h2>|<strong>(\w[^:]*?)</strong>",
            text(client.get(inbox_of(integration) + query)),
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
    assert said("") == waiting
    assert said("?state=open") == waiting
    assert said("?state=dismissed") == ["The connection Dismissed", integration.name]
    assert said("?state=all") == [*waiting, "The connection Dismissed", integration.name]


def test_the_filters_count_and_the_empty_states_are_friendly(
    alex: User, mia: User, tenant: Tenant
) -> None:
    integration = make_integration(tenant)
    client = browser(mia)

    empty = client.get(inbox_of(integration))

    assert "Nothing to do: everything your PSA sent could be read." in text(empty)
    assert "Read everything again" not in text(empty)
    assert "Open (0) Dismissed (0) Closed (0) All" in words(empty)
    assert "No issue is dismissed." in text(client.get(f"{inbox_of(integration)}?state=dismissed"))
    assert "No issue has closed yet." in text(client.get(f"{inbox_of(integration)}?state=closed"))

    gone, aside, *_ = (make_issue(integration) for _ in range(4))
    inbox.close_issues(integration, kind="companies", external_ids=[gone.external_id])
    inbox.dismiss(aside, actor=alex)
    assert "Open (2) Dismissed (1) Closed (1) All" in words(client.get(inbox_of(integration)))
    dismissed = words(client.get(f"{inbox_of(integration)}?state=dismissed"))
    assert "by Alex Admin" in dismissed
    assert "Read again" in dismissed
    assert "Dismiss " not in dismissed.split("Alex Admin")[1]
    closed = words(client.get(f"{inbox_of(integration)}?state=closed"))
    assert ": its cause is gone" in closed
    assert "Read again" not in closed


@pytest.mark.once
def test_the_inbox_has_pages_and_costs_the_same_however_long(alex: User, tenant: Tenant) -> None:
    integration, client = make_integration(tenant), browser(alex)

    def add(count: int) -> None:
        for _ in range(count):
            link = make_link(make_company(tenant), integration)
            run = SyncRun.objects.create(
                tenant=tenant, integration=integration, state=SyncRun.State.SUCCEEDED
            )
            issue = make_issue(integration, run, company_external_id=link.external_id)
            inbox.dismiss(issue, actor=alex)
            make_issue(integration, run, company_external_id=link.external_id)

    def queries() -> int:
        with CaptureQueriesContext(connection) as captured:
            assert client.get(f"{inbox_of(integration)}?state=all").status_code == 200
        return len(captured)

    add(1)
    client.get(inbox_of(integration))
    one = queries()
    add(29)
    assert queries() == one
    first = text(client.get(f"{inbox_of(integration)}?state=all"))
    second = text(client.get(f"{inbox_of(integration)}?state=all&page=2"))
    assert (first.count("<article"), second.count("<article")) == (50, 10)
    assert "Page 1 of 2" in first
    assert 'href="?state=all&amp;page=2"' in first


def test_the_number_of_open_ones_leads_there(
    mia: User, tenant: Tenant, other_tenant: Tenant
) -> None:
    integration, quiet = make_integration(tenant), make_integration(tenant)
    make_issue(integration)
    inbox.dismiss(make_issue(quiet), actor=None)
    make_issue(make_integration(other_tenant))
    make_issue(make_integration(tenant, status=Integration.Status.DISCONNECTED))
    client = browser(mia)

    cards = client.get("/integrations/")
    settings = client.get(f"/integrations/{integration.pk}/")
    calm = client.get(f"/integrations/{quiet.pk}/")
    make_issue(integration)

    assert text(cards).count("/issues/") == 2  # the card, and the menu
    assert f'href="{inbox_of(integration)}"' in text(cards)
    assert "1 open issue " in words(cards)
    assert f'href="{inbox_of(integration)}"' in text(settings)
    assert "1 open issue See what to do" in words(settings)
    assert "Issues 1 open " in words(settings)
    calm_tab = text(calm).partition(f'href="{inbox_of(quiet)}"')[2].partition("</a>")[0]
    assert calm_tab.strip(" >") == "Issues"
    assert '1<span class="visually-hidden"> open issue</span>' in text(calm)  # the sidebar
    assert '2<span class="visually-hidden"> open issues</span>' in text(client.get("/companies/"))
    assert "2 open issues" in words(client.get("/integrations/"))
    assert "open issue" not in text(browser(make_member(make_tenant())).get("/companies/"))


def test_a_disconnected_ones_issues_are_no_pages(alex: User, tenant: Tenant) -> None:
    integration = make_integration(tenant, status=Integration.Status.DISCONNECTED)
    issue = make_issue(integration)
    client = browser(alex)

    assert client.get(inbox_of(integration))["Location"] == f"/integrations/{integration.pk}/"
    assert client.post(f"/issues/{issue.pk}/dismiss/").status_code == 404
    assert Issue.objects.get().state == "open"
