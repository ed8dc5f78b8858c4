"""Values come out of the database as they went in, however large, and sums are made of them."""

from __future__ import annotations

from datetime import UTC, date, datetime
from fractions import Fraction
from typing import Any

import pytest

from agreements import stored_mrr
from agreements.figures import company_figure, company_totals, tenant_parts
from agreements.models import AgreementMrr, CompanyMrr
from agreements.mrr.money import exact_text
from agreements.overview import currency_book, ending_soon
from audit_site.tenants.models import Tenant
from companies.models import Company
from integrations.models import Integration
from tests.factories import make_agreement, make_company, make_integration, make_line

NOON = datetime(2026, 6, 15, 12, 0, tzinfo=UTC)


def shown(tenant: Tenant) -> dict[str, list[str]]:
    """Stored MRR by company, as text."""
    found: dict[str, list[str]] = {}
    for row in CompanyMrr.objects.for_tenant(tenant).order_by("company__name", "currency"):
        found.setdefault(row.company.name, []).append(f"{row.exact} {row.currency}")
    return found


def all_equal(tenant: Tenant) -> bool:
    return not stored_mrr.verify([tenant.pk], mend=False)


@pytest.mark.parametrize(
    ("over", "line"),
    [
        ({"amount": "1e5000"}, {}),
        ({"amount": "1e-5000"}, {}),
        ({"amount": "9" * 130}, {}),
        ({"amount": "0"}, {"quantity": "1e5000"}),
        ({"amount": "0"}, {"quantity": "1e70", "unit_price": "1e70"}),
        ({"amount": "0"}, {"quantity": None, "units": [{"units": "1e5000", "unit_price": "1"}]}),
        ({"amount": "0"}, {"quantity": None, "units": [{"amount": "1e5000"}]}),
    ],
)
def test_a_number_beyond_reason_is_no_amount(
    tenant: Tenant, integration: Integration, over: Any, line: Any
) -> None:
    company = make_company(tenant, name="Absurd")
    agreement = make_agreement(company, integration, **over)
    if line:
        make_line(agreement, **line)
    stored_mrr.refresh(tenant, [company.pk])

    (entry,) = company_figure(company).ledger

    assert (entry.reason, entry.mrr) == ("invalid_amount", "0.00")
    assert shown(tenant) == {}
    assert all_equal(tenant)


def test_sums_shares_and_ends_come_from_what_is_stored(
    tenant: Tenant, integration: Integration, time_machine: Any
) -> None:
    time_machine.move_to(NOON, tick=False)
    autotask = make_integration(tenant, psa="autotask", name="Autotask")
    for name, amount, over in (
        ("Large", "75", {}),
        ("Small", "25", {"end_date": date(2026, 7, 15)}),
        ("Euro", "9.99", {"currency": "EUR", "cycle": "annual"}),
        ("Archived", "500", {}),
    ):
        source = autotask if name == "Small" else integration
        make_agreement(make_company(tenant, name=name), source, amount=amount, **over)
    Company.objects.filter(name="Archived").update(status="archived")
    stored_mrr.verify([tenant.pk], mend=True)

    euro, usd = currency_book(tenant, "EUR"), currency_book(tenant, "USD")

    assert (euro.currency, euro.amount) == ("EUR", "0.83")
    assert (usd.amount, usd.companies, usd.top_percent) == ("100.00", 2, 100.0)
    assert [(s.name, s.percent) for s in usd.largest] == [("Large", 75.0), ("Small", 25.0)]
    assert [(s.name, s.money["amount"]) for s in usd.by_source] == [
        (integration.name, "75.00"), ("Autotask", "25.00"),
    ]  # fmt: skip
    assert (usd.largest_rounding, usd.sources_rounding) == (None, None)
    assert [row.company.name for row in ending_soon(tenant, 30, "USD")] == ["Small"]
    assert list(ending_soon(tenant, 29, "USD")) == []


def test_an_amount_beyond_any_column_is_kept_exactly(
    tenant: Tenant, integration: Integration
) -> None:
    company = make_company(tenant, name="Huge")
    make_agreement(company, integration, amount="9" * 30)
    stored_mrr.verify([tenant.pk], mend=True)

    assert company_totals(tenant, [company.pk])[company.pk][0]["amount"] == "9" * 30 + ".00"
    assert all_equal(tenant)


def test_every_value_comes_out_of_the_database_as_it_went_in(
    tenant: Tenant, integration: Integration
) -> None:
    """However a book is read: one company's for its page, all together, or by the hundred."""
    odd = """"quoted" \\ back, {brace} 'n' %s "NULL" \u00e9\U0001f600\n\ttab"""
    company = make_company(tenant, name="Odd")
    book = make_agreement(
        company, integration, name=odd, external_id=odd, amount="123456789012345678.123456789",
        cycle={"every": 18, "unit": "month"}, start_date=date(1999, 12, 31),
    )  # fmt: skip
    make_line(book, product=odd, quantity="0.1", unit_price="0.2", less_included="0")
    make_line(book, product=odd, quantity="1E+20", unit_price="-1E-20", cycle="monthly")
    make_line(book, quantity="NaN", unit_price="1")
    make_line(book, quantity=None, unit_price="1")
    make_line(
        book, kind="service", quantity=None, unit_price="5", cycle="annual", one_time=False,
        units=[
            {"start_date": "2020-01-01", "end_date": "2020-12-31", "units": "3"},
            {"start_date": "2021-01-01", "end_date": None, "units": "12.5", "unit_price": "2.40"},
        ],
    )  # fmt: skip
    make_line(book, quantity="1", unit_price="7", gone_at=NOON, one_time=None)
    make_agreement(company, integration, currency='A"b\\,{}', amount="1")
    stored_mrr.verify([tenant.pk], mend=True)

    parts = (
        Fraction("123456789012345678.123456789") / 18,
        Fraction("0.02") / 18,
        Fraction(-1),
        Fraction("30") / 12,
    )
    exact = exact_text(sum(parts, Fraction(0)))
    assert [row.exact for row in CompanyMrr.objects.all()] == [exact]
    assert all_equal(tenant)
    entries = company_figure(company).ledger
    left_out = [row.reason for row in entries if row.agreement_id == odd and not row.included]
    assert left_out == ["invalid_amount", "invalid_amount", "line_ended"]
    assert {row.agreement_ref.name for row in entries if row.agreement_id == odd} == {odd}
    (item, other) = tenant_parts(tenant)[0].book
    assert (item.agreement.id, item.agreement.name) == (odd, odd)
    assert item.agreement.start_date == date(1999, 12, 31)
    assert [line.product for line in item.agreement.lines[:2]] == [odd, odd]
    assert exact_text(item.counted(NOON.date().toordinal())[1]) == exact
    assert AgreementMrr.objects.get(agreement=other.agreement.ref).currency == 'A"b\\,{}'
