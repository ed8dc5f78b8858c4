"""Agreements that people type: what they come to, who may change them, and what is kept."""

from __future__ import annotations

from datetime import date
from typing import Any

import pytest
from django.utils import timezone

from agreements import stored_mrr
from agreements.decisions import choose
from agreements.figures import company_figure, company_totals, tenant_figure
from agreements.models import Agreement, ChoiceRecord, TypedChange
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
from companies.models import Company
from tests.factories import make_agreement, make_company, make_integration, make_link

GOLD: dict[str, Any] = {
    "name": "Gold support",
    "amount": "1200.00",
    "currency": "USD",
    "billing_cycle": "annual",
    "start_date": date(2026, 1, 1),
}


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

    set_aside(links=[make_link(company, make_integration(tenant))], actor=alex)

    assert totals(company) == []
    past = company_figure(company, date(2026, 2, 1))
    assert past.totals == []
    assert past.agreements[0].summary.reason == "set_aside"
    assert past.agreements[0].sentence == (
        "Left out: it was typed by hand and set aside when a PSA was linked; it counts as soon as "
        "someone in your team says so."
    )
    agreement.refresh_from_db()
    with pytest.raises(FieldErrors) as caught:
        choose(agreement=agreement, actor=alex, changes={"force_include": True})
    assert caught.value.errors[0]["field"] == "note"
    choose(agreement=agreement, actor=alex, changes={"force_include": True}, note="Not in there")
    assert totals(company) == [{"currency": "USD", "amount": "100.00"}]
    assert company_figure(company).ledger[0].warnings == ["counted_beside_psa"]


def test_an_undone_link_leaves_it_as_it_was(tenant: Tenant, alex: User) -> None:
    company = make_company(tenant)
    agreement = add_agreement(company=company, actor=alex, values=GOLD)
    link = make_link(company, make_integration(tenant))
    set_aside(links=[link], actor=alex)
    agreement.refresh_from_db()
    choose(agreement=agreement, actor=alex, changes={"force_include": True}, note="Counts")
    link.unlinked_at = link.undone_at = timezone.now()
    link.save()

    put_back(link=link, actor=alex)

    assert totals(company) == [{"currency": "USD", "amount": "100.00"}]
    agreement = Agreement.objects.select_related("typed", "choices").get()
    assert (agreement.set_aside, agreement.typed.set_aside_at) == (False, None)
    assert agreement.choices.force_include is False
    assert ChoiceRecord.objects.count() == 2
    assert company_figure(company).ledger[0].warnings == []
