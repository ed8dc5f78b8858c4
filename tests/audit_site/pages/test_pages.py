from __future__ import annotations

from typing import Any

import pytest
from django.test import Client

from audit_site.tenants.models import Membership, Tenant
from companies.models import Company
from integrations.models import Integration, SyncRun
from integrations.sandbox.server import SandboxServer
from tests.factories import (
    make_agreement,
    make_company,
    make_integration,
    make_line,
    make_link,
    make_member,
    make_psa_company,
    make_user,
)
from tests.worker import work_off


def browser(tenant: Tenant, role: str = "admin", **over: Any) -> Client:
    client = Client()
    client.force_login(make_member(tenant, role, **over))
    return client


def text(answer: Any) -> str:
    return answer.content.decode()


def test_the_start_is_the_integrations_page(tenant: Tenant) -> None:
    answer = browser(tenant).get("/", follow=True)

    assert answer.redirect_chain == [("/integrations/", 302)]
    assert "ConnectWise Manage" in text(answer)
    assert 'href="/integrations/connect/connectwise/"' in text(answer)


def test_an_admin_connects_and_sees_each_check(tenant: Tenant, sandbox: SandboxServer) -> None:
    client = browser(tenant)

    saved = client.post(
        "/integrations/connect/connectwise/", sandbox.credentials("connectwise"), follow=True
    )

    assert "Testing the connection" in text(saved)
    assert "hx-trigger" in text(saved)
    assert "demo-private" not in text(saved)
    work_off()
    status = client.get(f"/integrations/{Integration.objects.get().pk}/status/")
    assert "Everything checks out with ConnectWise Manage." in text(status)
    assert text(status).count("passed") == 5
    assert "hx-trigger" not in text(status)


def test_what_is_missing_is_said_at_its_field(tenant: Tenant) -> None:
    answer = browser(tenant).post("/integrations/connect/connectwise/", {"server_url": "x"})

    assert answer.status_code == 422
    assert "Private key is needed." in text(answer)
    assert not Integration.objects.exists()


@pytest.mark.parametrize("role", ["member", "viewer"])
def test_who_is_no_admin_sees_disabled_inputs_and_whom_to_ask(tenant: Tenant, role: str) -> None:
    make_member(tenant, "admin", name="Grace Hopper", email="grace@example.com")
    integration = make_integration(tenant)
    client = browser(tenant, role)

    page = text(client.get(f"/integrations/{integration.pk}/"))
    refused = client.post(f"/integrations/{integration.pk}/", {"name": "Mine"})

    assert "Please ask your account administrator" in page
    assert "Grace Hopper" in page
    assert page.count("disabled") >= 5
    assert "Save and test" not in page
    assert refused.status_code == 403
    assert "grace@example.com" in text(refused)
    integration.refresh_from_db()
    assert integration.name != "Mine"


@pytest.mark.parametrize(
    ("path", "role"),
    [
        ("sync/", "viewer"),
        ("test/", "viewer"),
        ("companies/import/", "viewer"),
        ("disconnect/", "member"),
    ],
)
def test_the_server_refuses_what_a_role_may_not(tenant: Tenant, path: str, role: str) -> None:
    integration = make_integration(tenant)

    answer = browser(tenant, role).post(f"/integrations/{integration.pk}/{path}")

    assert answer.status_code == 403
    assert not SyncRun.objects.exists()


def test_the_import_list_says_why_and_imports_what_is_ticked(tenant: Tenant) -> None:
    integration = make_integration(tenant)
    ready = make_psa_company(integration, name="Ready & Sons")
    make_psa_company(integration, name="Hidden", importable=False, rule_codes=["no_contact"])
    client = browser(tenant, "member")
    address = f"/integrations/{integration.pk}/companies/"

    page = text(client.get(address))
    done = client.post(f"{address}import/", {"external_ids": [ready.external_id]}, follow=True)

    assert "Ready &amp; Sons" in page
    assert "It has no contact in ConnectWise Manage." in page
    assert "Add a contact with an e-mail address or a phone number" in page
    assert "1 audITee is here now" in text(done)
    assert Company.objects.get().name == "Ready & Sons"
    assert "Linked to Ready &amp; Sons" in text(client.get(address))


def test_a_full_licence_is_said_before_and_at_the_click(tenant: Tenant) -> None:
    Tenant.objects.filter(pk=tenant.pk).update(company_limit=1)
    make_company(tenant)
    integration = make_integration(tenant)
    record = make_psa_company(integration)
    client = browser(tenant)
    address = f"/integrations/{integration.pk}/companies/"

    before = text(client.get(address))
    at_click = text(
        client.post(f"{address}import/", {"external_ids": [record.external_id]}, follow=True)
    )

    assert "All 1 audITees of your licence are in use." in before
    assert "Your licence has no free audITee left." in at_click
    assert Company.objects.count() == 1


def test_a_lost_right_is_on_the_import_list(
    tenant: Tenant, connected: Integration, sandbox: SandboxServer
) -> None:
    sandbox.faults.switch_on("refused_right", path="/company/contacts")
    client = browser(tenant)
    client.post(f"/integrations/{connected.pk}/sync/")
    work_off()

    page = text(client.get(f"/integrations/{connected.pk}/companies/"))

    assert "The last sync was not complete." in page
    assert "Companies &gt; Contacts: Inquire All" in page


def test_the_mrr_page_is_a_sum_with_everything_left_out_below(tenant: Tenant) -> None:
    company, integration = make_company(tenant, name="Acme"), make_integration(tenant)
    make_link(company, integration)
    agreement = make_agreement(company, integration, amount="1250", name="Gold")
    make_line(agreement, quantity="22", less_included="20", unit_price="25", description="Seats")
    make_line(agreement, bill="no_charge", description="Courtesy")
    client = browser(tenant, "viewer")

    page = text(client.get(f"/companies/{company.pk}/mrr/"))
    detail = text(client.get(f"/companies/{company.pk}/"))

    assert "USD 1,300.00" in page
    assert "(22 - 20 included, at least 0) x 25 = 50 monthly = 50.00 a month" in page
    assert "Left out: marked &#x27;no charge&#x27;." in page
    assert "help@auditforit.com" in page
    assert "USD 1,300.00" in detail
    assert "Re-sync" not in detail  # a viewer only reads
    assert "As of: 2026-02-31 does not exist" in text(
        client.get(f"/companies/{company.pk}/mrr/?as_of=2026-02-31")
    )


def test_what_the_psa_owns_is_marked_and_not_editable(tenant: Tenant) -> None:
    company, integration = make_company(tenant), make_integration(tenant)
    make_link(company, integration, problem_codes=["inactive"])
    client = browser(tenant)

    page = text(client.get(f"/companies/{company.pk}/"))
    refused = client.post(
        f"/companies/{company.pk}/edit/", {"name": "Mine", "phone": "1"}, follow=True
    )

    assert "From ConnectWise Manage" in page
    assert "Its status in ConnectWise Manage is not Active." in page
    assert "come from ConnectWise Manage" in text(refused)
    company.refresh_from_db()
    assert company.name != "Mine"


def test_an_auditee_is_added_archived_and_brought_back(tenant: Tenant) -> None:
    client = browser(tenant, "member")

    client.post("/companies/add/", {"name": "By hand", "email": "a@b.example"})
    company = Company.objects.get()
    client.post(f"/companies/{company.pk}/archive/")
    company.refresh_from_db()
    assert company.status == "archived"
    assert "By hand" not in text(client.get("/companies/"))
    assert "By hand" in text(client.get("/companies/?status=archived"))
    client.post(f"/companies/{company.pk}/restore/")
    company.refresh_from_db()
    assert company.status == "active"


def test_a_run_shows_progress_counts_and_each_change(
    tenant: Tenant, connected: Integration, sandbox: SandboxServer
) -> None:
    client = browser(tenant, "member")
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


def test_a_person_in_two_tenants_works_in_the_one_chosen(
    tenant: Tenant, other_tenant: Tenant
) -> None:
    make_company(other_tenant, name="Of the other")
    user = make_member(tenant)
    Membership.objects.create(tenant=other_tenant, user=user, role="viewer")
    client = Client()
    client.force_login(user)

    assert "Of the other" not in text(client.get("/companies/"))
    client.post("/tenant/", {"tenant": str(other_tenant.pk)})
    assert "Of the other" in text(client.get("/companies/"))
    assert client.post("/companies/add/", {"name": "x"}).status_code == 403


def test_who_is_in_no_tenant_is_told_so(db: None) -> None:
    client = Client()
    client.force_login(make_user())

    answer = client.get("/integrations/")

    assert answer.status_code == 403
    assert "You are in no account yet." in text(answer)


def test_nothing_is_inline_and_nothing_comes_from_elsewhere(tenant: Tenant) -> None:
    answer = browser(tenant).get("/companies/")

    assert "unsafe-inline" not in answer["Content-Security-Policy"]
    assert "<style" not in text(answer)
    assert " style=" not in text(answer)
    assert " onclick" not in text(answer)
    assert "https://" not in text(answer)


def test_sign_up_is_closed(client: Client, db: None) -> None:
    answer = client.post(
        "/accounts/signup/", {"email": "x@example.com", "password1": "long-enough-1"}
    )

    assert answer.status_code in {200, 302, 403}
    assert not Membership.objects.exists()
    assert not Company.objects.exists()
