"""A disconnected account keeps its page: what stays, who ended it, and how it goes on."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from agreements.figures import company_totals
from agreements.models import AgreementMrr, CompanyMrr
from agreements.stored_mrr import refresh
from audit_site.pages.templatetags.pages import money
from audit_site.tenants.models import Tenant, User
from companies.models import Company
from integrations.connecting.lifecycle import disconnect_integration
from integrations.models import Integration, SyncRun
from integrations.sandbox.server import SandboxServer
from tests.clients import browser, page_text, text
from tests.factories import (
    make_agreement,
    make_company,
    make_integration,
    make_issue,
    make_link,
    make_member,
)
from tests.queries import queries
from tests.syncing import import_all
from tests.worker import work_off

NOW = datetime(2026, 11, 25, 13, 5, tzinfo=UTC)


@pytest.fixture
def ended(alex: User, connected: Integration) -> Integration:
    """The sandbox ConnectWise, imported and then disconnected by Alex."""
    import_all(connected)
    disconnect_integration(integration=connected, actor=alex)
    return connected


def address(integration: Integration) -> str:
    return f"/integrations/{integration.pk}/"


def test_its_page_says_what_stays_and_who_ended_it(alex: User, ended: Integration) -> None:
    page = page_text(browser(alex).get(address(ended)))

    links = ended.links.filter(unlinked_at=None).count()
    agreements = sum(company.agreements.count() for company in Company.objects.all())
    assert "ConnectWise Manage was disconnected by Alex Admin." in page
    assert '<span class="mark warn">Disconnected</span>' in page
    assert f"<dt>Linked audITees</dt><dd>{links}</dd>" in page
    assert f"<dt>Agreements</dt><dd>{agreements}</dd>" in page
    assert links > 0 < agreements
    assert "Sync Now" not in page


def test_its_money_is_that_of_its_agreements(alex: User, ended: Integration) -> None:
    company = CompanyMrr.objects.order_by("company__name", "currency")[0].company
    Company.objects.exclude(pk=company.pk).update(status="archived")
    [total] = company_totals(company.tenant, [company.pk])[company.pk]
    elsewhere = make_agreement(company, make_integration(company.tenant), amount="100")
    refresh(company.tenant, [company.pk])
    assert AgreementMrr.objects.get(agreement=elsewhere).included

    page = page_text(browser(alex).get(address(ended)))

    assert f"<div>{total['currency']} {money(total['amount'])}</div>" in page
    assert page.count("<dt>MRR today</dt>") == 1


def test_the_fields_stand_there_and_the_secret_is_asked_for(
    alex: User, ended: Integration, sandbox: SandboxServer
) -> None:
    client = browser(alex)

    page = page_text(client.get(address(ended)))
    typed = {**sandbox.credentials("connectwise"), "private_key": ""}
    refused = client.post(address(ended), typed)

    assert f'value="{sandbox.url}"' in page
    assert 'value="audit-demo"' in page
    assert "Leave empty to keep it" not in page
    assert refused.status_code == 422
    assert ("It was destroyed when this account was disconnected. Type it again.") in text(refused)
    ended.refresh_from_db()
    assert ended.is_disconnected


def test_an_admin_connects_it_again_and_it_is_read(
    alex: User, ended: Integration, sandbox: SandboxServer
) -> None:
    client = browser(alex)

    saved = page_text(client.post(address(ended), sandbox.credentials("connectwise"), follow=True))
    work_off()

    ended.refresh_from_db()
    assert "Testing the connection" in saved
    assert (ended.status, ended.disconnected_by) == ("connected", None)
    assert SyncRun.objects.latest("id").state == "succeeded"
    assert "demo-private" not in saved


def test_another_account_is_not_connected_in_its_place(
    alex: User, ended: Integration, sandbox: SandboxServer
) -> None:
    typed = {**sandbox.credentials("connectwise"), "company_id": "other"}

    answer = browser(alex).post(address(ended), typed)

    assert answer.status_code == 422
    assert "Company ID names another ConnectWise Manage account" in text(answer)
    assert 'value="other"' in text(answer)


@pytest.mark.parametrize("role", ["member", "viewer"])
def test_who_is_no_admin_sees_whom_to_ask(
    tenant: Tenant, alex: User, ended: Integration, sandbox: SandboxServer, role: str
) -> None:
    client = browser(make_member(tenant, role))

    page = page_text(client.get(address(ended)))
    refused = client.post(address(ended), sandbox.credentials("connectwise"))

    assert "Please ask your account administrator" in page
    assert "Reconnect" not in page
    assert refused.status_code == 403
    ended.refresh_from_db()
    assert ended.is_disconnected


def test_its_sync_runs_lead_to_it(alex: User, ended: Integration) -> None:
    make_issue(ended)
    run = SyncRun.objects.filter(integration=ended, scope="all").latest("id")

    page = page_text(browser(alex).get(f"/sync-runs/{run.pk}/"))

    assert f'href="{address(ended)}">What stays of it</a>' in page
    assert f"{address(ended)}companies/" not in page
    assert f"{address(ended)}issues/" not in page


def test_another_tenants_is_not_there(otto: User, ended: Integration) -> None:
    assert browser(otto).get(address(ended)).status_code == 404
    assert browser(otto).post(address(ended)).status_code == 404


def test_the_list_of_integrations_leads_to_it(
    vic: User, alex: User, tenant: Tenant, time_machine: Any
) -> None:
    time_machine.move_to(NOW, tick=False)
    integration = make_integration(tenant, name="Old desk")
    make_link(make_company(tenant), integration)
    disconnect_integration(integration=integration, actor=alex)

    page = page_text(browser(vic).get("/integrations/"))

    assert "Not connected any more." in page
    assert "Disconnected (1)</summary>" in page
    assert f'<a href="{address(integration)}">Old desk</a>' in page
    assert "today 13:05 by Alex Admin; 1 linked audITee" in page


def test_the_list_costs_the_same_however_many_there_are(
    alex: User, other_tenant: Tenant, tenant: Tenant
) -> None:
    def end(owner: Tenant) -> None:
        row = make_integration(owner)
        make_link(make_company(owner), row)
        disconnect_integration(integration=row, actor=None)

    end(tenant)
    end(other_tenant)
    client = browser(alex)
    one = queries(lambda: client.get("/integrations/"))
    end(tenant)

    assert queries(lambda: client.get("/integrations/")) == one
    assert "Disconnected (2)" in page_text(client.get("/integrations/"))


@pytest.mark.parametrize("part", ["companies/", "companies/missing/", "words/", "issues/", "sync/"])
def test_an_old_address_of_it_leads_to_its_page(alex: User, tenant: Tenant, part: str) -> None:
    integration = make_integration(tenant, name="Old PSA")
    disconnect_integration(integration=integration, actor=None)
    client, address = browser(alex), f"/integrations/{integration.pk}/"
    is_act = part == "sync/"

    answer = (client.post if is_act else client.get)(address + part, follow=True)

    assert answer.redirect_chain == [(address, 302)]
    said = "Old PSA is disconnected, so nothing was done." if is_act else "Old PSA is disconnected."
    assert said in text(answer)
