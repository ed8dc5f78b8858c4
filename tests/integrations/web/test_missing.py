"""Where is a company? The page that asks the PSA right now, and offers what mends."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest

from audit_site.tenants.models import Tenant, User
from integrations.importing.ignoring import ignore_company
from integrations.models import Integration, LinkSuggestion, PsaCompanyRecord
from integrations.sandbox.server import SandboxServer
from tests.clients import browser, text
from tests.factories import make_company, make_link
from tests.integrations.importing.test_finding import rename


@pytest.fixture
def page(mia: User, connected: Integration, sandbox: SandboxServer) -> Callable[[str], str]:
    return page_of(mia, connected)


def page_of(user: User, integration: Integration) -> Callable[[str], str]:
    client = browser(user)
    address = f"/integrations/{integration.pk}/companies/missing/"
    return lambda typed: text(client.get(address, {"q": typed})).partition("<main")[2]


def headings(shown: str) -> list[str]:
    return re.findall(r'<h2 class="d-inline">(.*?)</h2>', shown)


def importable() -> PsaCompanyRecord:
    return PsaCompanyRecord.objects.filter(importable=True).order_by("external_id")[0]


def test_what_could_be_added_is_added_from_here(page: Callable[[str], str]) -> None:
    record = importable()

    shown = page(record.name)

    assert record.name in headings(shown)
    assert "Can be added" in shown
    assert f'name="external_id" value="{record.external_id}"' in re.sub(r"\s+", " ", shown)


def test_adding_it_from_there_is_reviewed_like_any_other(mia: User, connected: Integration) -> None:
    record = importable()
    client = browser(mia)

    review = client.post(
        f"/integrations/{connected.pk}/companies/review/",
        {"external_id": record.external_id},
        follow=True,
    )

    assert "<h1>Review</h1>" in text(review)
    assert "<strong>1 ticked:</strong> 1 new" in text(review)
    assert f"<strong>{record.name}</strong>" in text(review)


def test_what_no_sync_has_read_leads_to_sync_now(
    page: Callable[[str], str], sandbox: SandboxServer, connected: Integration
) -> None:
    record = importable()
    rename(sandbox, "connectwise", record.external_id, "Zebra Legal")
    record.delete()

    shown = page("zebra")

    assert headings(shown) == ["Zebra Legal"]
    assert "No sync has read it yet." in shown
    assert f'action="/integrations/{connected.pk}/sync/"' in shown
    assert "external_id" not in shown


def test_what_is_linked_leads_to_its_auditee_and_needs_no_licence(
    tenant: Tenant, connected: Integration, page: Callable[[str], str]
) -> None:
    record = importable()
    company = make_company(tenant, name="Ours")
    make_link(company, connected, external_id=record.external_id)
    Tenant.objects.update(company_limit=0)

    shown = page(record.external_id)

    assert f'href="/companies/{company.pk}/">Open Ours</a>' in shown
    assert "licence" not in shown


def test_what_is_ignored_is_taken_back_there_and_then_added(
    mia: User, vic: User, connected: Integration, page: Callable[[str], str]
) -> None:
    record = importable()
    ignore_company(integration=connected, external_id=record.external_id, actor=mia)
    client, address = browser(mia), f"/integrations/{connected.pk}/companies/missing/"

    shown = page(record.external_id)
    back = client.post(
        f"/import/{record.pk}/unignore/",
        HTTP_REFERER=f"{address}?q={record.external_id}",
        follow=True,
    )

    assert '<span class="mark ms-2">Ignored</span>' in shown
    assert f"{mia} ignored it today" in re.sub(r"\s+", " ", shown)
    assert f'action="/import/{record.pk}/unignore/"' in shown
    assert "Add it" not in shown
    assert 'unignore/"' not in page_of(vic, connected)(record.external_id)
    assert back.redirect_chain == [(f"{address}?q={record.external_id}", 302)]
    assert "Can be added" in text(back)
    assert "Add it" in text(back)
    assert f"/companies/link/?external_id={record.external_id}" in text(back)


def test_what_looks_like_an_auditee_is_linked_from_here(
    tenant: Tenant, connected: Integration, page: Callable[[str], str]
) -> None:
    record = importable()
    company = make_company(tenant, name="Ours")
    LinkSuggestion.objects.create(tenant=tenant, company=company, record=record, score=92, mark="m")

    shown = re.sub(r"\s+", " ", page(record.external_id))

    assert "Probably “Ours”, an audITee of yours." in shown
    assert f'action="/companies/{company.pk}/link/preview/"' in shown
    assert "Add it" not in shown


def test_a_viewer_sees_why_and_no_button(vic: User, connected: Integration) -> None:
    shown = page_of(vic, connected)(importable().external_id)

    assert "Can be added" in shown
    assert '<form method="post"' not in shown


def test_several_hits_are_folded_and_one_is_open(
    page: Callable[[str], str], sandbox: SandboxServer
) -> None:
    ids = PsaCompanyRecord.objects.order_by("external_id").values_list("external_id", flat=True)
    for external_id in ids[:2]:
        rename(sandbox, "connectwise", external_id, f"Herd {external_id}")

    several, one = page("herd"), page(f"herd {ids[0]}")

    assert headings(several) == [f"Herd {ids[0]}", f"Herd {ids[1]}"]
    assert several.count("<details") == 2
    assert '<details class="panel hit" open>' not in several
    assert '<details class="panel hit" open>' in one


def test_there_is_none_only_after_the_psa_said_so(
    page: Callable[[str], str], sandbox: SandboxServer
) -> None:
    sandbox.forget_requests()

    shown = re.sub(r"\s+", " ", page("Nobody & Sons"))

    assert "showed no company that has the id “Nobody &amp; Sons”" in shown
    assert [request["path"].rpartition("/")[2] for request in sandbox.requests()] == ["companies"]


def test_a_psa_that_is_down_is_said_with_what_the_last_sync_saw(
    page: Callable[[str], str], sandbox: SandboxServer
) -> None:
    record = importable()
    sandbox.faults.switch_on("server_error")

    shown = page(record.external_id)

    assert "ConnectWise Manage" in shown[shown.index('class="alert alert-danger"') :]
    assert "What the last sync saw" in shown
    assert f'{record.name} <span class="sub">{record.external_id}</span>' in shown
    assert "showed no company" not in shown


def test_what_the_psa_no_longer_shows_is_said_with_what_the_last_sync_saw(
    page: Callable[[str], str], sandbox: SandboxServer
) -> None:
    record = importable()
    sandbox.faults.switch_on("empty_answer", path="/company/companies")

    shown = page(record.name)

    assert "ConnectWise Manage showed no company" in re.sub(r"\s+", " ", shown)
    _, _, listed = shown.partition("What the last sync saw")
    assert record.external_id in listed
    assert "can't be asked right now" not in listed


def test_a_search_of_the_list_without_a_hit_offers_to_ask_the_psa(
    mia: User, connected: Integration
) -> None:
    shown = text(browser(mia).get("/import/?search=zebra+%26+co"))

    address = f"/integrations/{connected.pk}/companies/missing/?q=zebra%20%26%20co"
    assert f'href="{address}">Ask ConnectWise Manage for “zebra &amp; co”</a>' in shown
