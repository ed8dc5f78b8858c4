"""Agreements that people type: what they come to, who may change them, and what is kept."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.utils import timezone

from agreements import stored_mrr
from agreements.decisions import choose
from agreements.figures import company_figure, company_totals, tenant_figure
from agreements.models import Agreement, BookVersion, ChoiceRecord, TypedChange
from agreements.mrr.questions import answer
from agreements.stored_mrr import refresh
from agreements.typed import (
    add_agreement,
    change_agreement,
    put_back,
    remove_agreement,
    set_aside,
    typed_changes,
)
from audit_site.errors import DomainError, FieldErrors
from audit_site.tenants.models import AuditEvent, Tenant, User
from companies.models import Company, PrimaryChoice
from companies.primary import choose_primary
from integrations.links.linking import link_company
from integrations.links.undoing import undo_link
from integrations.models import Integration, PsaCompanyRecord
from integrations.psa import registry
from integrations.sandbox.server import SandboxServer
from tests.concurrency import at_once
from tests.conftest import connect
from tests.factories import (
    make_agreement,
    make_company,
    make_integration,
    make_link,
    make_psa_company,
    make_tenant,
)
from tests.syncing import synced
from tests.worker import work_off

PSAS = [info.key for info in registry.infos()]

GOLD: dict[str, Any] = {
    "name": "Gold support",
    "amount": "1200.00",
    "currency": "USD",
    "billing_cycle": "annual",
    "start_date": date(2026, 1, 1),
}
#: The next day in Tokyo.
EVENING = datetime(2026, 5, 4, 20, tzinfo=UTC)


def totals(company: Company) -> list[dict[str, str]]:
    """What is stored, which must be what is worked out."""
    found = company_totals(company.tenant, [company.pk])[company.pk]
    figure = company_figure(company)
    assert [(t["currency"], t["amount"]) for t in figure.totals] == [
        (t["currency"], t["amount"]) for t in found
    ]
    differences = stored_mrr.verify([company.tenant_id], mend=False)
    assert differences[company.tenant_id].rows == 0
    return [dict(money) for money in found]


def test_it_counts_like_any_other(tenant: Tenant, alex: User) -> None:
    company = make_company(tenant)

    agreement = add_agreement(company=company, actor=alex, values={**GOLD, "note": "By phone"})

    assert totals(company) == [{"currency": "USD", "amount": "100.00"}]
    assert tenant_figure(tenant).totals[0]["amount"] == "100.00"
    assert (agreement.source, agreement.integration, agreement.external_id) == (
        "manual",
        None,
        str(agreement.pk),
    )
    typed = agreement.typed
    assert (typed.note, typed.typed_by, typed.typed_by_name) == ("By phone", alex, "Alex Admin")
    (row,) = company_figure(company).ledger
    assert (row.row_id, row.source) == (f"manual:{agreement.pk}:flat", "manual")
    assert row.sentence == "Counted: 1200 annual x 1/12 = 100.00 a month."


@pytest.mark.parametrize(
    ("over", "amount"),
    [
        ({"billing_cycle": "monthly", "amount": "-50"}, "-50.00"),
        ({"billing_cycle": "Yearly", "amount": "1"}, "0.08"),
        ({"billing_cycle": "contract_length", "end_date": date(2027, 12, 31)}, "50.00"),
        ({"currency": "jpy", "amount": "1200"}, "100"),
        ({"currency": "KWD", "amount": "1.200"}, "0.100"),
    ],
)
def test_cycles_credits_and_currencies(tenant: Tenant, over: Any, amount: str) -> None:
    company = make_company(tenant)

    add_agreement(company=company, actor=None, values={**GOLD, **over})

    assert [money["amount"] for money in totals(company)] == [amount]


@pytest.mark.parametrize(
    ("over", "field", "code", "message"),
    [
        ({"name": " "}, "name", "required", "An agreement needs a name."),
        (
            {"name": "x" * 300},
            "name",
            "max_length",
            "A name has at most 255 characters; this one has 300.",
        ),
        ({"amount": ""}, "amount", "required", None),
        ({"amount": "0.00"}, "amount", "invalid", None),
        ({"amount": "1,200"}, "amount", "invalid", None),
        ({"amount": "1e3"}, "amount", "invalid", None),
        ({"amount": "NaN"}, "amount", "invalid", None),
        ({"amount": "9" * 16}, "amount", "invalid", None),
        ({"amount": "1.001"}, "amount", "invalid", "USD has 2 decimal places, no more."),
        (
            {"amount": "1.5", "currency": "JPY"},
            "amount",
            "invalid",
            "JPY has no decimal places.",
        ),
        (
            {"currency": "Dollars"},
            "currency",
            "invalid",
            "“Dollars” is no code of ISO 4217, such as USD or EUR.",
        ),
        ({"billing_cycle": "sometimes"}, "billing_cycle", "invalid_choice", None),
        (
            {"billing_cycle": "one_time"},
            "billing_cycle",
            "invalid_choice",
            "What is billed once brings no MRR.",
        ),
        ({"billing_cycle": "contract_length"}, "end_date", "required", None),
        ({"start_date": None}, "start_date", "required", None),
        ({"start_date": date(1900, 1, 1)}, "start_date", "invalid", None),
        (
            {"end_date": date(2025, 12, 31)},
            "end_date",
            "invalid",
            "It ends before it starts.",
        ),
        ({"note": "x" * 1001}, "note", "max_length", None),
    ],
)
def test_what_can_not_be_is_refused_at_its_field(
    tenant: Tenant, over: Any, field: str, code: str, message: str | None
) -> None:
    company = make_company(tenant)

    with pytest.raises(FieldErrors) as caught:
        add_agreement(company=company, actor=None, values={**GOLD, **over})

    (error,) = caught.value.errors
    assert (error["field"], error["code"]) == (field, code)
    assert message in (None, error["message"])
    assert (Agreement.objects.count(), TypedChange.objects.count()) == (0, 0)


def test_each_act_is_kept_with_what_was_before(tenant: Tenant, alex: User, mia: User) -> None:
    company = make_company(tenant)
    agreement = add_agreement(company=company, actor=alex, values=GOLD)

    change_agreement(agreement=agreement, actor=mia, changes={"amount": "2400"})
    change_agreement(agreement=agreement, actor=mia, changes={"amount": "2400.00"})
    assert totals(company) == [{"currency": "USD", "amount": "200.00"}]
    remove_agreement(agreement=agreement, actor=alex)

    assert totals(company) == []
    assert Agreement.objects.count() == 0
    whole = {
        "name": "Gold support",
        "amount": "1200.00",
        "currency": "USD",
        "billing_cycle": "annual",
        "start_date": "2026-01-01",
        "end_date": None,
        "note": "",
    }
    assert [(c.act, c.actor_name, c.before, c.after) for c in typed_changes(company)] == [
        ("removed", "Alex Admin", {**whole, "amount": "2400.00"}, {}),
        ("changed", "Mia Member", {"amount": "1200.00"}, {"amount": "2400.00"}),
        ("added", "Alex Admin", {}, whole),
    ]
    actions = AuditEvent.objects.filter(object_id=str(agreement.pk)).order_by("at")
    assert list(actions.values_list("action", flat=True)) == [
        "agreement.typed",
        "agreement.changed",
        "agreement.removed",
    ]


def test_a_psas_agreement_is_the_psas(tenant: Tenant) -> None:
    agreement = make_agreement(make_company(tenant), make_integration(tenant))

    for act in (
        lambda: change_agreement(agreement=agreement, actor=None, changes={"name": "Ours"}),
        lambda: remove_agreement(agreement=agreement, actor=None),
    ):
        with pytest.raises(DomainError) as caught:
            act()
        assert (caught.value.code, caught.value.status) == ("owned_by_psa", 409)
    assert Agreement.objects.get().name == "Managed Services"


def test_a_link_sets_it_aside_on_all_days_until_somebody_counts_it(
    tenant: Tenant, alex: User
) -> None:
    company = make_company(tenant)
    agreement = add_agreement(company=company, actor=alex, values=GOLD)
    link = make_link(company, make_integration(tenant), linked_at=EVENING)

    set_aside(links=[link], actor=alex)

    assert totals(company) == []
    past = company_figure(company, date(2026, 2, 1))
    assert past.totals == []
    assert past.agreements[0].summary.reason == "set_aside"
    assert past.agreements[0].sentence == (
        "Left out: typed by hand, and set aside since ConnectWise Manage was linked on 2026-05-04."
    )
    agreement.refresh_from_db()
    with pytest.raises(FieldErrors) as caught:
        choose(agreement=agreement, actor=alex, changes={"force_include": True})
    assert caught.value.errors[0]["field"] == "note"
    choose(agreement=agreement, actor=alex, changes={"force_include": True}, note="Not in there")
    assert totals(company) == [{"currency": "USD", "amount": "100.00"}]
    assert company_figure(company).ledger[0].warnings == ["counted_beside_psa"]


@pytest.mark.parametrize("psa", PSAS)
def test_it_says_which_psa_was_linked_and_on_which_day_of_the_tenants(
    tenant: Tenant, psa: str
) -> None:
    tenant.timezone = "Asia/Tokyo"
    tenant.save()
    company = make_company(tenant)
    integration = make_integration(tenant, psa=psa)
    make_link(company, integration, linked_at=EVENING)

    add_agreement(company=company, actor=None, values=GOLD)

    name = integration.psa_info.name
    assert company_figure(company).agreements[0].sentence == (
        f"Left out: typed by hand, and set aside since {name} was linked on 2026-05-05."
    )


def test_what_stays_aside_for_a_later_link_names_that_one(tenant: Tenant) -> None:
    company = make_company(tenant)
    add_agreement(company=company, actor=None, values=GOLD)
    first = make_link(company, make_integration(tenant), linked_at=EVENING)
    set_aside(links=[first], actor=None)
    first.unlinked_at = first.undone_at = EVENING + timedelta(days=1)
    first.save()
    autotask = make_integration(tenant, psa="autotask")
    make_link(company, autotask, linked_at=EVENING + timedelta(days=2))

    put_back(link=first, actor=None)

    agreement = Agreement.objects.get()
    assert (agreement.set_aside, agreement.set_aside_psa, agreement.set_aside_since) == (
        True,
        autotask.psa_info.name,
        date(2026, 5, 6),
    )


def test_of_a_link_that_nobody_knows_it_says_what_it_said(tenant: Tenant) -> None:
    company = make_company(tenant)
    add_agreement(company=company, actor=None, values=GOLD)
    set_aside(links=[make_link(company, make_integration(tenant))], actor=None)
    Agreement.objects.update(set_aside_psa="", set_aside_since=None)

    assert company_figure(company).agreements[0].sentence == (
        "Left out: it was typed by hand and set aside when a PSA was linked; it counts as soon as "
        "someone in your team says so."
    )


@pytest.mark.parametrize("counted_before", [False, True])
def test_an_undone_link_leaves_it_as_it_was(
    tenant: Tenant, alex: User, counted_before: bool
) -> None:
    company = make_company(tenant)
    agreement = add_agreement(company=company, actor=alex, values=GOLD)
    choose(agreement=agreement, actor=alex, changes={"force_include": counted_before}, note="Pilot")
    link = make_link(company, make_integration(tenant))
    set_aside(links=[link], actor=alex)
    assert totals(company) == []
    agreement.refresh_from_db()
    choose(agreement=agreement, actor=alex, changes={"force_include": True}, note="Counts")
    link.unlinked_at = link.undone_at = timezone.now()
    link.save()

    put_back(link=link, actor=alex)
    refresh(tenant, [company.pk])

    assert totals(company) == [{"currency": "USD", "amount": "100.00"}]
    agreement = Agreement.objects.select_related("typed", "choices").get()
    assert (agreement.set_aside, agreement.typed.set_aside_at) == (False, None)
    assert (agreement.set_aside_psa, agreement.set_aside_since) == ("", None)
    assert agreement.choices.force_include is counted_before
    assert agreement.typed.counted_before is False
    records = ChoiceRecord.objects.order_by("at")
    assert [row.after["force_include"] for row in records] == (
        [True, False, True] if counted_before else [True, False]
    )
    assert company_figure(company).ledger[0].warnings == []


def test_two_who_type_at_once_both_count(transactional_db: None) -> None:
    company = make_company(make_tenant(company_limit=3))

    at_once(*[lambda: add_agreement(company=company, actor=None, values=GOLD)] * 4)

    assert totals(company) == [{"currency": "USD", "amount": "400.00"}]


def test_typing_and_linking_at_once_leaves_nothing_that_counts_twice(
    transactional_db: None,
) -> None:
    tenant = make_tenant(company_limit=9)
    integration = make_integration(tenant)
    companies = [make_company(tenant) for _ in range(4)]

    def link(company: Company) -> None:
        record = make_psa_company(integration, external_id=str(company.pk)[:30])
        link_company(
            company=company, integration=integration, external_id=record.external_id, actor=None
        )

    for company in companies:
        at_once(
            lambda chosen=company: add_agreement(company=chosen, actor=None, values=GOLD),
            lambda chosen=company: link(chosen),
        )

    assert [totals(company) for company in companies] == [[], [], [], []]
    assert Agreement.objects.filter(set_aside=True).count() == 4


def test_of_two_who_change_it_at_once_both_changes_stay(transactional_db: None) -> None:
    company = make_company(make_tenant(company_limit=3))
    agreement = add_agreement(company=company, actor=None, values=GOLD)

    at_once(
        lambda: change_agreement(agreement=agreement, actor=None, changes={"amount": "600"}),
        lambda: change_agreement(agreement=agreement, actor=None, changes={"name": "Silver"}),
    )

    agreement.refresh_from_db()
    assert (agreement.name, agreement.amount) == ("Silver", Decimal(600))
    assert totals(company) == [{"currency": "USD", "amount": "50.00"}]


def test_a_change_of_what_was_removed_meanwhile_says_so(tenant: Tenant) -> None:
    agreement = add_agreement(company=make_company(tenant), actor=None, values=GOLD)
    same = Agreement.objects.get()
    remove_agreement(agreement=agreement, actor=None)

    with pytest.raises(DomainError) as caught:
        change_agreement(agreement=same, actor=None, changes={"amount": "1"})

    assert (caught.value.code, caught.value.status) == ("not_found", 404)


def test_the_book_knows_who_typed(tenant: Tenant, mia: User) -> None:
    company = make_company(tenant)
    agreement = add_agreement(company=company, actor=mia, values=GOLD)
    change_agreement(agreement=agreement, actor=mia, changes={"amount": "600"})
    remove_agreement(agreement=agreement, actor=mia)

    versions = BookVersion.objects.filter(company=company).order_by("known_from")

    assert (
        list(versions.values_list("kind", "user", "name")) == [("manual", mia.pk, "Mia Member")] * 3
    )


@pytest.mark.parametrize("psa", PSAS)
def test_a_sync_leaves_typed_ones_alone_and_an_undo_brings_the_figure_back(
    tenant: Tenant, alex: User, sandbox: SandboxServer, psa: str
) -> None:
    """Every day's figure before the wrong link is that after its undo, to the cent."""
    integration = connect(tenant, sandbox, psa)
    company = make_company(tenant, name="By hand")
    add_agreement(company=company, actor=alex, values=GOLD)
    days = [date(2025, 12, 31), date(2026, 1, 1), date(2026, 6, 15), date(2027, 1, 1)]
    before = [company_figure(company, day).totals for day in days]
    record = PsaCompanyRecord.objects.filter(importable=True).order_by("external_id")[0]

    link_company(
        company=company, integration=integration, external_id=record.external_id, actor=alex
    )
    work_off()
    synced(integration)

    agreement = Agreement.objects.typed().get()
    assert (agreement.gone_at, agreement.set_aside, agreement.integration) == (None, True, None)
    linked = company_figure(company)
    assert {row.summary.reason for row in linked.agreements if row.agreement.is_typed} == {
        "set_aside"
    }
    undo_link(company=company, actor=alex)
    work_off()

    assert [company_figure(company, day).totals for day in days] == before
    assert Agreement.objects.get().set_aside is False
    assert totals(company) == [{"currency": "USD", "amount": "100.00"}]


def test_an_undo_forgets_who_was_chosen_meanwhile(connected: Integration, alex: User) -> None:
    company = make_company(connected.tenant)
    record = PsaCompanyRecord.objects.filter(importable=True, contact_count__gt=1)[0]
    link_company(company=company, integration=connected, external_id=record.external_id, actor=alex)
    work_off()
    theirs = company.contacts.exclude(external_id="").filter(is_active=True, is_primary=False)
    chosen = next(person for person in theirs if person.can_be_primary)
    choose_primary(company=company, contact=chosen, actor=alex)

    undo_link(company=company, actor=alex)

    assert PrimaryChoice.objects.count() == 0
    assert company.contacts.get().is_primary


def test_a_pasted_book_may_hold_what_was_typed() -> None:
    agreement = {
        "source": "manual",
        "id": "1",
        "name": "Gold",
        "currency": "USD",
        "start_date": "2026-01-01",
        "cycle": "annual",
        "amount": "1200.00",
    }

    def asked(**over: Any) -> Any:
        book = {"agreements": [{**agreement, **over}]}
        return answer({"ask": {"what": "mrr", "as_of": "2026-06-01"}, "book": book})

    assert asked()["totals"]["USD"]["amount"] == "100.00"
    aside = asked(set_aside=True)
    assert (aside["totals"], aside["reasons"]) == ({}, {"manual:1:flat": "set_aside"})
    counted = asked(set_aside=True, force_include=True)
    assert counted["totals"]["USD"]["amount"] == "100.00"
    assert counted["warnings"] == {"manual:1:flat": ["counted_beside_psa"]}
