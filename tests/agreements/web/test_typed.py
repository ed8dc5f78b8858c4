"""Typing agreements on pages."""

from __future__ import annotations

import re
from typing import Any

import pytest

from agreements.models import Agreement, TypedChange
from audit_site.pages.written import day_written
from audit_site.tenants.models import Tenant, User
from companies.models import Company
from integrations.links.linking import link_company
from tests.agreements.web.test_movement_rows import cells_of
from tests.clients import browser, csv_rows, page_text, text
from tests.factories import (
    make_agreement,
    make_company,
    make_integration,
    make_psa_company,
    make_typed,
)

GOLD = {
    "name": "Gold support",
    "amount": "1200.00",
    "currency": "USD",
    "billing_cycle": "annual",
    "start_date": "2026-01-01",
    "end_date": "",
    "note": "By phone",
}


@pytest.fixture
def company(tenant: Tenant) -> Company:
    return make_company(tenant, name="Acme")


def test_from_typing_to_removing(mia: User, company: Company) -> None:
    client = browser(mia)
    start = page_text(client.get(f"/companies/{company.pk}/"))
    assert f'href="/companies/{company.pk}/agreements/add/"' in start
    assert "Where no PSA has them, type them in." in start
    form = page_text(client.get(f"/companies/{company.pk}/agreements/add/"))
    assert 'value="USD"' in form

    added = client.post(f"/companies/{company.pk}/agreements/add/", GOLD, follow=True)

    agreement = Agreement.objects.get()
    assert "“Gold support” is here. The figures follow it." in text(added)
    assert "USD 100.00" in text(added)
    assert '<span class="mark">Typed by hand</span>' in text(added)
    assert "By Mia Member, today" in text(added)
    assert "By phone" in text(added)

    changed = client.post(
        f"/agreements/{agreement.pk}/edit/", {**GOLD, "amount": "2400"}, follow=True
    )
    assert "USD 200.00" in text(changed)
    assert "changed by Mia Member, today" in text(changed)

    asked = page_text(client.get(f"/agreements/{agreement.pk}/remove/"))
    assert "USD 200.00 a month leave the MRR of today." in asked
    gone = client.post(f"/agreements/{agreement.pk}/remove/", follow=True)
    assert gone.redirect_chain == [(f"/companies/{company.pk}/#agreements-title", 302)]
    assert "“Gold support” is removed." in text(gone)
    assert Agreement.objects.count() == 0
    removed = page_text(client.get(f"/companies/{company.pk}/agreements/add/"))
    assert "amount 1,200.00 → 2,400.00" in removed
    assert (
        'Removed<div class="sub">amount USD 2,400.00, billed yearly, first day 1 Jan 2026, '
        "note By phone</div>"
    ) in removed
    (again,) = re.findall(r'href="(\?again=[^"]*)"', removed)
    form = page_text(client.get(f"/companies/{company.pk}/agreements/add/{again}"))
    assert 'name="name" value="Gold support"' in form
    assert 'name="amount" value="2400.00"' in form
    assert 'name="start_date" value="2026-01-01"' in form
    for odd in ("?again=x", f"?again={company.pk}"):
        form = page_text(client.get(f"/companies/{company.pk}/agreements/add/{odd}"))
        assert "Gold support" not in form.partition("<table")[0]


@pytest.mark.parametrize(
    ("over", "sentence"),
    [
        ({"name": ""}, "This field is required."),
        ({"name": "x" * 300}, "Ensure this value has at most 255 characters (it has 300)."),
        ({"amount": "1,200"}, "Write a number without separators, such as 1250.00."),
        ({"amount": "0"}, "An agreement that brings nothing needs no entry here."),
        ({"amount": "1.234"}, "USD has 2 decimal places, no more."),
        ({"currency": "Dollars"}, "“Dollars” is no code of ISO 4217, such as USD or EUR."),
        ({"end_date": "2025-01-01"}, "It ends before it starts."),
        ({"start_date": "soon"}, "Enter a valid date."),
    ],
)
def test_a_no_stands_at_its_field_and_what_was_typed_stays(
    mia: User, company: Company, over: dict[str, str], sentence: str
) -> None:
    answer = browser(mia).post(f"/companies/{company.pk}/agreements/add/", {**GOLD, **over})

    assert answer.status_code == 422
    assert sentence in text(answer)
    kept = {**GOLD, **over}["note"]
    assert f'value="{kept}"' in text(answer)
    assert Agreement.objects.count() == 0


def test_a_link_sets_it_aside_and_a_person_counts_it(
    mia: User, tenant: Tenant, company: Company
) -> None:
    agreement = make_typed(company, actor=mia)
    integration = make_integration(tenant)
    record = make_psa_company(integration, external_id="1")
    link_company(
        company=company, integration=integration, external_id=record.external_id, actor=mia
    )
    client = browser(mia)

    aside = page_text(client.get(f"/companies/{company.pk}/"))
    assert '<span class="mark warn">Set aside</span>' in aside
    linked = f"ConnectWise Manage was linked on {day_written(tenant.today())}."
    assert f"typed by hand, and set aside since {linked}" in aside
    assert "USD 100.00" not in aside
    beside = page_text(client.get(f"/companies/{company.pk}/agreements/add/"))
    assert "What you type here is set aside" in beside

    decide = f"/agreements/{agreement.pk}/decide/"
    assert "Count it beside what the PSA has" in page_text(client.get(decide))
    silent = client.post(decide, {"count": "force_include"})
    assert (silent.status_code, "Say why it counts" in text(silent)) == (422, True)
    said = text(client.post(decide, {"count": "force_include", "note": "Not in it"}, follow=True))

    assert "USD 100.00" in said
    assert "typed by hand by Mia Member" in said
    assert "someone in your team counts it beside what the PSA has" in said
    history = page_text(client.get(f"/companies/{company.pk}/agreements/add/"))
    assert "Set aside" in history
    assert TypedChange.objects.count() == 2


def test_it_stands_in_the_ledger_the_csv_and_where_the_money_comes_from(
    mia: User, company: Company
) -> None:
    agreement = make_typed(company)
    client = browser(mia)

    rows = csv_rows(client.get(f"/companies/{company.pk}/mrr/ledger.csv"))
    ledger = page_text(client.get(f"/companies/{company.pk}/mrr/"))
    overview = page_text(client.get("/mrr/"))

    assert rows[1][:7] == [
        f"manual:{agreement.pk}:flat",
        "Gold support",
        "",
        "yes",
        "",
        "USD",
        "100.00",
    ]
    assert cells_of(ledger, "The sum line by line")[-9:-3] == [
        "Flat amount 1,200.00 annual ÷ 12", "", "1,200.00", "Annual  ÷ 12", "100.00", "",
    ]  # fmt: skip
    assert "Typed by hand" in overview


def test_a_psas_agreement_has_no_such_pages(mia: User, tenant: Tenant, company: Company) -> None:
    agreement = make_agreement(company, make_integration(tenant))

    for page in ("edit", "remove"):
        answer: Any = browser(mia).get(f"/agreements/{agreement.pk}/{page}/", follow=True)
        assert "This agreement comes from ConnectWise Manage." in text(answer)


def test_a_viewer_reads_what_was_typed_and_types_nothing(vic: User, company: Company) -> None:
    agreement = make_typed(company)
    client = browser(vic)

    shown = page_text(client.get(f"/companies/{company.pk}/"))

    assert "Typed by hand" in shown
    assert "Type an agreement" not in shown
    assert f"/agreements/{agreement.pk}/edit/" not in shown
    assert client.get(f"/companies/{company.pk}/agreements/add/").status_code == 403
    assert client.post(f"/agreements/{agreement.pk}/remove/").status_code == 403
