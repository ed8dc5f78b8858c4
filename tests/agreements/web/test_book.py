"""MRR of all: a currency at a time, and the months ahead."""

from __future__ import annotations

import re
from datetime import date
from fractions import Fraction
from typing import Any

import pytest

from agreements import stored_mrr
from agreements.ahead import months_ahead
from agreements.mrr.money import sum_of_exact
from agreements.overview import exact_in
from audit_site.tenants.models import Tenant, User
from integrations.models import Integration
from tests.clients import browser, csv_rows, text
from tests.factories import make_agreement, make_company, make_integration, make_line
from tests.queries import queries

NOON = "2026-06-15T12:00:00Z"


@pytest.fixture
def book(tenant: Tenant, time_machine: Any) -> Tenant:
    """Two currencies; in dollars one that goes on, one that ends, one to come, one that changes."""
    time_machine.move_to(NOON, tick=False)
    integration = make_integration(tenant)
    for name, amount, over in (
        ("Stays", "100", {}),
        ("Ends", "25", {"end_date": date(2026, 7, 15)}),
        ("Comes", "40", {"start_date": date(2026, 9, 1)}),
        ("Euro", "9.99", {"currency": "EUR"}),
    ):
        make_agreement(
            make_company(tenant, name=name), integration, name=f"{name} plan", amount=amount, **over
        )
    steps = make_agreement(
        make_company(tenant, name="Steps"), integration, name="Seats", amount="0"
    )
    for quantity, first, last in (("2", None, date(2026, 7, 31)), ("3", date(2026, 8, 1), None)):
        make_line(steps, product="Seat", quantity=quantity, unit_price="10", start_date=first,
                  end_date=last)  # fmt: skip
    stored_mrr.verify([tenant.pk], mend=True)
    return tenant


def test_the_own_currency_comes_first_and_one_is_shown(book: Tenant, alex: User) -> None:
    client = browser(alex)
    own, euro, none = (
        text(client.get(f"/mrr/{query}")) for query in ("", "?currency=eur", "?currency=XXX")
    )

    assert own.index("USD <span") < own.index("EUR <span")
    assert ("USD 145.00" in own, "EUR 9.99" in own) == (True, False)
    assert ("USD 145.00" in euro, "EUR 9.99" in euro) == (False, True)
    assert "USD 145.00" in none
    assert "Largest audITees, EUR" in euro
    assert '<a href="?currency=EUR"' in own


def test_the_page_takes_the_same_statements_whatever_there_is(book: Tenant, alex: User) -> None:
    client = browser(alex)
    client.get("/mrr/")
    few = queries(lambda: client.get("/mrr/"))
    for number in range(5):
        make_agreement(make_company(book), Integration.objects.get(), amount=str(number + 1))
    stored_mrr.verify([book.pk], mend=True)
    client.get("/mrr/")

    assert queries(lambda: client.get("/mrr/")) == few


def test_the_months_ahead_add_up_row_by_row(book: Tenant) -> None:
    months = months_ahead(book, "USD", exact_in(book, "USD"))

    assert [(f"{one.month:%Y-%m}", one.amount, one.sums) for one in months[:5]] == [
        ("2026-06", "145.00", {}),
        ("2026-07", "120.00", {"ends": "-25.00"}),
        ("2026-08", "130.00", {"starts": "30.00", "ends": "-20.00"}),
        ("2026-09", "170.00", {"starts": "40.00"}),
        ("2026-10", "170.00", {}),
    ]
    assert len(months) == 12
    assert [
        (change.name, change.kind, change.day, change.texts["amount"])
        for one in months
        for change in one.changes
    ] == [
        ("Ends plan", "ends", date(2026, 7, 16), "-25.00"),
        ("Seat of Seats", "starts", date(2026, 8, 1), "30.00"),
        ("Seat of Seats", "ends", date(2026, 8, 1), "-20.00"),
        ("Comes plan", "starts", date(2026, 9, 1), "40.00"),
    ]
    assert [one.amount for one in months_ahead(book, "EUR", Fraction(0))] == ["0.00"] * 12


def test_what_changes_within_a_row_is_a_change(book: Tenant) -> None:
    units = [
        {"start_date": "2026-01-01", "end_date": "2026-07-31", "units": "2", "unit_price": "10"},
        {"start_date": "2026-08-01", "units": "5", "unit_price": "10"},
    ]
    agreement = make_agreement(
        make_company(book, name="Units"), Integration.objects.get(), name="Phones", amount="0"
    )
    make_line(agreement, product="Phone", units=units)
    stored_mrr.verify([book.pk], mend=True)

    (change,) = (
        change
        for one in months_ahead(book, "USD", exact_in(book, "USD"))
        for change in one.changes
        if change.name == "Phone of Phones"
    )

    assert (change.kind, change.day, change.texts) == (
        "changes", date(2026, 8, 1), {"before": "20.00", "after": "50.00", "amount": "30.00"},
    )  # fmt: skip


def test_each_month_opens_into_its_lines_and_is_a_csv(book: Tenant, alex: User) -> None:
    client = browser(alex)
    page = text(client.get("/mrr/charts/?currency=USD"))
    rows = csv_rows(client.get("/mrr/ahead.csv?currency=USD"))

    ahead = page[page.index('aria-label="Months ahead"') : page.index('aria-label="Recognized')]
    assert "Jun 2026" not in ahead, "nothing changes this month"
    for month, cells in (
        ("Jul 2026", ["", "-25.00", "", "USD 120.00"]),
        ("Aug 2026", ["+30.00", "-20.00", "", "USD 130.00"]),
        ("Oct 2026", ["Nothing changes", "USD 170.00"]),
    ):
        row = ahead[ahead.index(f">{month}</td>") + len(month) + 6 :].partition("</tr>")[0]
        assert re.findall(r"<td[^>]*>([^<]*)</td>", row) == cells
    assert re.search(r"1 line<span [^>]*> in July 2026</span>", ahead)
    assert "Ends plan ends on 16 Jul 2026" in page
    assert "Euro" not in page
    assert rows[0][:3] == ["Month", "Change", "audITee"]
    assert rows[1] == ["2026-06", "closing", "", "", "2026-06-30", "USD", "", "145.00", "0.00"]
    assert rows[2] == ["2026-07", "ends", "Ends", "Ends plan", "2026-07-16", "USD", "25.00", "0.00", "-25.00"]  # fmt: skip
    assert rows[3][1:8] == ["closing", "", "", "2026-07-31", "USD", "", "120.00"]


def test_another_tenants_months_are_not_theirs(book: Tenant, other_tenant: Tenant) -> None:
    assert [one.changes for one in months_ahead(other_tenant, "USD", Fraction(0))] == [[]] * 12


def test_the_figures_by_currency_are_files_by_currency(book: Tenant, alex: User) -> None:
    client = browser(alex)
    series = csv_rows(client.get("/mrr/series.csv?currency=EUR"))
    moved = csv_rows(client.get("/mrr/movement.csv?from=2026-05-31&to=2026-06-15&currency=EUR"))

    assert {row[1] for row in series[1:]} == {"EUR"}
    assert {row[2] for row in moved[1:]} == {"EUR"}


@pytest.mark.parametrize(
    ("texts", "total"),
    [
        ([], Fraction(0)),
        (["1/3", "1/3", "1/3"], Fraction(1)),
        (["100/1", "-1/4", "1/12"], Fraction(599, 6)),
        (["7"], Fraction(7)),
    ],
)
def test_exact_texts_add_up(texts: list[str], total: Fraction) -> None:
    assert sum_of_exact(texts) == total
