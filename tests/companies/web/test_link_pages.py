"""The pages of a link with a way back: compare, link, undo."""

from __future__ import annotations

import re

from audit_site.tenants.models import Tenant, User
from companies.models import Company
from integrations.links.linking import unlink_company
from integrations.models import CompanyLink, Integration, LinkPreview
from integrations.sandbox.server import SandboxServer
from tests.clients import browser, page_text, text
from tests.companies.web.test_linking import rows_of
from tests.factories import make_company, make_integration, make_link, make_psa_company
from tests.integrations.links.stories import (
    again,
    by_hand,
    linked,
    own_values,
    records_with_money,
)
from tests.worker import work_off


def test_both_sides_and_the_money_are_compared_before_anything_is_done(
    mia: User, connected: Integration, sandbox: SandboxServer
) -> None:
    wrong = records_with_money(sandbox, "connectwise")[0]
    company, client = by_hand(connected.tenant), browser(mia)
    asked = {"integration": str(connected.pk), "external_id": wrong}

    way = client.post(f"/companies/{company.pk}/link/preview/", asked)

    preview = LinkPreview.objects.get()
    address = f"/companies/{company.pk}/link/preview/{preview.pk}/"
    assert way["Location"] == address
    waiting = page_text(client.get(address))
    assert f"Asking ConnectWise Manage for company {wrong} and its agreements…" in waiting
    assert f'<a href="{address}">Refresh</a>' in waiting
    assert f'hx-get="{address}"' in waiting
    work_off()
    part = client.get(address, headers={"HX-Request": "true"})
    assert (part.status_code, "hx-get" in text(part)) == (286, False)
    page = page_text(client.get(address))
    theirs = LinkPreview.objects.get().found["theirs"]["name"]
    rows = rows_of(page)
    assert rows["Name"] == ["Acme", f"*{theirs}*"]
    assert rows["Type"] == ["Prospect", "Client"]
    assert rows["Primary contact"][0] == "Ada Byron, ada@acme.example"
    (total, *_) = LinkPreview.objects.get().found["mrr"]["after"]
    shown = f"{float(total['amount']):,.2f}"
    assert rows[f"MRR, {total['currency']} a month"] == ["none", f"*{shown}*"]
    assert f"“Acme” and “{theirs}” share no word of their names" in page
    assert not CompanyLink.objects.exists()

    done = client.post(f"/companies/{company.pk}/link/", asked, follow=True)

    assert "If it is the wrong company, undo the link" in text(done)
    assert CompanyLink.objects.get().external_id == wrong
    looked_again = page_text(client.get(address))
    assert "They are linked already." in looked_again
    assert f'<a class="alert-link" href="/companies/{company.pk}/">Open ' in looked_again
    assert "share no word" not in looked_again
    assert "You can undo the link at any time" not in looked_again


def test_a_comparison_that_failed_says_why_and_can_be_asked_again(
    mia: User, connected: Integration, sandbox: SandboxServer
) -> None:
    wrong = records_with_money(sandbox, "connectwise")[0]
    company, client = by_hand(connected.tenant), browser(mia)
    sandbox.faults.switch_on("server_error")
    asked = {"integration": str(connected.pk), "external_id": wrong}
    address = client.post(f"/companies/{company.pk}/link/preview/", asked)["Location"]
    work_off()

    page = page_text(client.get(address))

    assert "Nothing was changed." in page
    assert "Preview again" in page
    assert "They are the same" not in page


def test_the_undo_says_in_numbers_what_it_does(
    mia: User, connected: Integration, sandbox: SandboxServer
) -> None:
    wrong = records_with_money(sandbox, "connectwise")[0]
    company, client = by_hand(connected.tenant), browser(mia)
    before = own_values(company)
    linked(company, connected, wrong)
    name, address = again(company).name, f"/companies/{company.pk}/undo-link/"
    agreements, people = company.agreements.count(), company.contacts.count() - 1
    assert f'href="{address}"' in page_text(client.get(f"/companies/{company.pk}/psa/"))

    page = page_text(client.get(address))

    assert f"Name: {name} → <strong>Acme</strong>" in page
    assert f"{agreements} agreements, out of every day: no figure of any date counts them" in page
    assert f"{people} contacts of ConnectWise Manage." in page
    (row, *_) = rows_of(page).values()
    assert re.fullmatch(r"[\d,]+\.\d\d", row[0])
    assert row[1] == "*none*"
    assert own_values(company) != before

    form = {"link": str(CompanyLink.objects.get().pk)}
    done = client.post(address, form, follow=True)

    assert "“Acme” is as it was before" in text(done)
    assert own_values(company) == before
    assert "Undo the" not in text(done).partition("<main")[2]
    stale = {"referer": f"http://testserver{address}"}
    second = client.post(address, form, follow=True, headers=stale)
    assert text(second).count("is undone already") == 1


def test_an_ended_link_is_undone_from_the_same_page(
    mia: User, connected: Integration, sandbox: SandboxServer
) -> None:
    wrong = records_with_money(sandbox, "connectwise")[0]
    company, client = by_hand(connected.tenant), browser(mia)
    before = own_values(company)
    linked(company, connected, wrong)
    unlink_company(company=company, actor=None)

    page = page_text(client.get(f"/companies/{company.pk}/psa/"))

    assert page.count("/undo-link/") == 1, "one way to one act"
    assert '<details class="mt-3" open>' in page
    client.post(f"/companies/{company.pk}/undo-link/", {})
    assert own_values(company) == before


def test_an_earlier_link_is_undone_below_the_one_in_force(
    mia: User, connected: Integration, sandbox: SandboxServer
) -> None:
    first, second = records_with_money(sandbox, "connectwise")[:2]
    company, client = by_hand(connected.tenant), browser(mia)
    linked(company, connected, first)
    unlink_company(company=company, actor=None)
    linked(company, connected, second)
    earlier = CompanyLink.objects.get(external_id=first)
    way = f"/companies/{company.pk}/undo-link/?link={earlier.pk}"

    page = page_text(client.get(f"/companies/{company.pk}/psa/"))

    assert "Earlier links (1)" in page
    assert f'href="{way}"' in page
    plan = page_text(client.get(way))
    assert "Name, type and primary contact stay as they are." in plan
    assert "It is as if that link had never been." in plan
    client.post(f"/companies/{company.pk}/undo-link/", {"link": str(earlier.pk)})
    assert CompanyLink.objects.in_force().get(company=company).external_id == second
    assert "Earlier links" not in page_text(client.get(f"/companies/{company.pk}/psa/"))


def test_nobody_undoes_what_has_no_before(mia: User, tenant: Tenant) -> None:
    integration, company = make_integration(tenant), make_company(tenant)
    make_psa_company(integration, external_id="7")
    make_link(company, integration, external_id="7")
    client, back = browser(mia), {"referer": f"http://testserver/companies/{company.pk}/"}

    page = client.get(f"/companies/{company.pk}/undo-link/", headers=back, follow=True)

    assert "Nothing is known of what" in text(page)
    assert "Undo the link" not in text(client.get(f"/companies/{company.pk}/psa/"))
    assert Company.objects.get(pk=company.pk).name == company.name


def test_a_viewer_gets_no_way_to_it(vic: User, tenant: Tenant) -> None:
    company = make_company(tenant)

    assert browser(vic).get(f"/companies/{company.pk}/undo-link/").status_code == 403
    assert browser(vic).post(f"/companies/{company.pk}/link/preview/").status_code == 403
