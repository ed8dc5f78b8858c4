"""Words that wait for somebody: how many records, how much money, and that saying it brings that."""

from __future__ import annotations

from datetime import date
from fractions import Fraction
from typing import Any

import pytest

from agreements import mrr
from agreements.models import CompanyMrr
from audit_site.tenants.models import Tenant
from integrations.models import Integration
from integrations.sandbox.server import SandboxServer
from integrations.words.saying import say_word, undo_word
from integrations.words.selectors import (
    count_waiting,
    suggestions,
    waiting_words,
    word_now,
)
from tests.conftest import connect
from tests.factories import (
    make_agreement,
    make_company,
    make_integration,
    make_line,
    make_psa_company,
)
from tests.queries import queries
from tests.syncing import import_all, synced

PSAS = ("autotask", "connectwise", "kaseya_bms")
CYCLES = {"autotask": 9, "connectwise": "4-Weekly", "kaseya_bms": "4-Weekly"}


def seen(integration: Integration, kind: str = "") -> list[tuple[Any, ...]]:
    """Kind, word, records and money of each word that waits."""
    return [
        (word.kind, word.word, word.records, [(m["currency"], m["amount"]) for m in word.money])
        for word in waiting_words(integration, kind)
    ]


def totals() -> dict[str, Fraction]:
    """Stored MRR by currency."""
    found: dict[str, Fraction] = {}
    for currency, exact in CompanyMrr.objects.values_list("currency", "exact"):
        found[currency] = found.get(currency, Fraction(0)) + Fraction(exact)
    return found


def test_words_wait_by_kind_with_their_records_and_money(
    tenant: Tenant, integration: Integration
) -> None:
    company = make_company(tenant)
    parent = make_agreement(company, integration, cycle={"unknown": "Contract"}, amount="500")
    make_agreement(
        company, integration, cycle=None, parent_external_id=parent.external_id, amount="20"
    )
    lined = make_agreement(company, integration, amount="0")
    make_line(lined, cycle={"unknown": "contract"})
    make_agreement(company, integration, currency="Euro", cycle="annual", amount="1200")
    make_psa_company(integration, status="Active Client", is_active=False)
    make_psa_company(integration, status="Inactive", is_active=False)
    make_psa_company(integration, status="", is_active=False)

    assert seen(integration) == [
        ("currency", "Euro", 1, [("Euro", "100.00")]),
        ("cycle", "Contract", 2, [("USD", "540.00")]),
        ("status", "Active Client", 1, []),
    ]
    assert count_waiting(integration) == 3


def test_what_would_not_count_anyway_brings_no_money(
    tenant: Tenant, integration: Integration
) -> None:
    company, archived = make_company(tenant), make_company(tenant, status="archived")
    odd = {"cycle": {"unknown": "Odd"}}
    make_agreement(company, integration, **odd, end_date=date(2025, 6, 1))
    make_agreement(company, integration, **odd, gone_at="2026-01-01T00:00Z", cancelled=None)
    make_agreement(archived, integration, **odd)
    make_agreement(company, make_integration(tenant), **odd)
    make_line(make_agreement(company, integration, amount="0"), **odd, bill="no_charge")

    assert seen(integration) == [("cycle", "Odd", 2, [])]


def test_only_where_companies_must_be_active_their_statuses_wait(tenant: Tenant) -> None:
    relaxed = make_integration(tenant, psa="kaseya_bms")
    make_psa_company(relaxed, status="Dormant", is_active=False)
    make_agreement(make_company(tenant), relaxed, status="Pending", active=False)
    make_agreement(make_company(tenant), relaxed, status="New", active=False)

    assert seen(relaxed) == [("status", "Pending", 1, [("USD", "100.00")])]


def test_a_word_that_was_said_waits_no_more_until_that_is_undone(
    tenant: Tenant, integration: Integration
) -> None:
    make_agreement(make_company(tenant), integration, currency="Euro")
    before = seen(integration)

    word, _ = say_word(
        integration=integration, actor=None, kind="currency", word="EURO", meaning="EUR"
    )
    said = seen(integration)
    undo_word(word=word, actor=None)

    assert (before, said) == ([("currency", "Euro", 1, [("Euro", "100.00")])], [])
    assert seen(integration) == before


def test_one_word_with_what_rests_on_it(tenant: Tenant, integration: Integration) -> None:
    company = make_company(tenant)
    for word in ("Odd", "odd", "Other"):
        make_agreement(company, integration, cycle={"unknown": word})

    found = word_now(integration, "cycle", "ODD")

    assert (found.records, found.money) == (2, [{"currency": "USD", "amount": "200.00"}])
    assert word_now(integration, "cycle", "Never").records == 0


def test_words_to_choose_from_are_those_that_were_seen(
    tenant: Tenant, integration: Integration
) -> None:
    company = make_company(tenant)
    for product in ("Azure", "azure", "Backup"):
        make_line(make_agreement(company, integration), product=product)
    say_word(
        integration=integration, actor=None, kind="product", word="Backup", meaning="recurring"
    )

    assert suggestions(integration, "product") == ["Azure"]


def test_what_waits_costs_the_same_however_much_it_is(
    tenant: Tenant, integration: Integration
) -> None:
    def add(number: int) -> None:
        for at in range(number):
            agreement = make_agreement(
                make_company(tenant), integration, cycle={"unknown": f"Word {number} {at}"}
            )
            make_line(agreement, cycle={"unknown": f"Line {number} {at}"})
            make_agreement(make_company(tenant), integration, currency=f"Coin {number} {at}")

    add(1)
    few = queries(lambda: waiting_words(integration))
    add(6)

    assert queries(lambda: waiting_words(integration)) == few
    assert len(waiting_words(integration)) == 21


@pytest.mark.parametrize("psa", PSAS)
@pytest.mark.parametrize("kind", ["cycle", "currency"])
def test_what_waits_is_what_saying_it_brings_to_the_cent(
    tenant: Tenant, sandbox: SandboxServer, psa: str, kind: str
) -> None:
    integration = connect(tenant, sandbox, psa)
    odd = CYCLES[psa] if kind == "cycle" else "Gold coins"
    sandbox.faults.switch_on("odd_words", **{kind: odd})
    import_all(integration)
    before = totals()
    (waiting,) = waiting_words(integration, kind)

    word, _ = say_word(
        integration=integration,
        actor=None,
        kind=kind,
        word=waiting.word,
        meaning="monthly" if kind == "cycle" else "USD",
    )
    after = totals()
    synced(integration)
    later = totals()
    undo_word(word=word, actor=None)

    gained = {
        currency: mrr.money_text(currency, amount - before.get(currency, Fraction(0)))
        for currency, amount in after.items()
        if amount != before.get(currency)
    }
    money = {m["currency"]: m["amount"] for m in waiting.money}
    if kind == "currency":
        money = {"USD": money.pop("Gold coins")}
    assert gained == money
    assert bool(money) == ((psa, kind) != ("autotask", "cycle"))  # its lines say their own length
    assert waiting.word == ("period type 9" if odd == 9 else odd)
    assert later == after  # a sync uses the word too
    assert totals() == before
