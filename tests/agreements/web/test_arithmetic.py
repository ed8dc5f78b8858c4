"""The sum in columns, and the reasons in few words."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import pytest

from agreements.decisions import choose
from agreements.figures import company_figure
from agreements.mrr.ledger import CODES
from agreements.web.arithmetic import arithmetic_of, factor_written, price_written
from agreements.web.short_reasons import SHORT
from audit_site.tenants.models import Tenant, User
from companies.models import Company
from tests.agreements.web.test_movement_rows import cells_of
from tests.clients import browser, text
from tests.factories import make_agreement, make_company, make_integration, make_line
from tests.queries import queries

TIMES = "\u00d7"


@pytest.mark.parametrize(
    ("factor", "said"),
    [
        (Fraction(1), ""),
        (Fraction(1, 3), "÷ 3"),
        (Fraction(1, 36), "÷ 36"),
        (Fraction(52, 12), f"{TIMES} 52/12"),
        (Fraction(2), f"{TIMES} 2"),
        (Fraction(2, 5), f"{TIMES} 2/5"),
    ],
)
def test_a_factor_reads_as_one_would_say_it(factor: Fraction, said: str) -> None:
    assert factor_written(factor) == said


@pytest.mark.parametrize(
    ("currency", "price", "said"),
    [
        ("USD", Fraction("5399.4"), "5,399.40"),
        ("USD", Fraction("0.0375"), "0.0375"),
        ("JPY", Fraction(12000), "12,000"),
        ("USD", Fraction(-1250), "-1,250.00"),
    ],
)
def test_no_price_is_bare(currency: str, price: Fraction, said: str) -> None:
    assert price_written(currency, price) == said


def test_every_reason_has_at_most_six_words() -> None:
    assert set(SHORT) == set(CODES)
    assert [text for text in SHORT.values() if len(text.split()) > 6] == []


def test_fewer_units_than_are_included_are_none(tenant: Tenant) -> None:
    company, integration = make_company(tenant), make_integration(tenant)
    agreement = make_agreement(company, integration, amount="0", cycle="weekly")
    make_line(agreement, quantity="28", less_included="30", unit_price="1000")
    make_line(agreement, quantity="-2", less_included="30", unit_price="1000")
    sums = list(arithmetic_of(company_figure(company)).values())

    assert [(one.quantity, one.included, one.rate) for one in sums] == [
        ("0", "28 less 30 included", "0.00"),
        ("-2", "", "-8,666.67"),
    ]


def test_the_page_takes_as_many_statements_whatever_it_shows(
    alex: User, tenant: Tenant, company: Company
) -> None:
    client, larger, integration = browser(alex), make_company(tenant), make_integration(tenant)
    for number in range(5):
        more = make_agreement(larger, integration, name=f"More {number}")
        line = make_line(more)
        choose(agreement=more, line=line, actor=alex, changes={"exclude": True}, note="x")
    addresses = [f"/companies/{one.pk}/mrr/" for one in (company, larger)]
    for address in addresses:
        client.get(address)

    few, many = (queries(lambda: client.get(address)) for address in addresses)  # noqa: B023

    assert many == few <= 17


def test_charts_are_of_one_currency_the_tenants_own_first(
    alex: User, tenant: Tenant, company: Company
) -> None:
    make_agreement(company, make_integration(tenant), amount="70", currency="EUR")
    client, address = browser(alex), f"/companies/{company.pk}/mrr/charts/"

    own = text(client.get(address, headers={"HX-Request": "true"}))
    other = text(client.get(f"{address}?as_of=2026-06-15&currency=eur"))

    assert "Recognized by month, USD" in own
    assert "Recognized by month, EUR" not in own
    assert f'/companies/{company.pk}/mrr/?currency=EUR#over-time"' in own
    assert "<html" not in own
    assert "Recognized by month, EUR" in other
    assert "as_of=2026-06-15&amp;currency=USD#over-time" in other
    assert cells_of(other, "Recognized by month, EUR")[-1] == "EUR 70.00"


def test_days_that_are_asked_for_often_are_one_click_away(
    alex: User, company: Company, time_machine: Any
) -> None:
    time_machine.move_to("2026-06-15T12:00:00Z", tick=False)

    page = text(browser(alex).get(f"/companies/{company.pk}/mrr/?as_of=2026-05-31&from=2026-01-01"))

    for day in ("2026-06-15", "2026-05-31", "2025-12-31"):
        assert f'href="?from=2026-01-01&amp;as_of={day}"' in page
    assert page.count('class="chip on"') == 1


def test_the_panel_of_a_row_is_the_form_alone(alex: User, company: Company) -> None:
    line = company.agreements.get().lines.get(description="Seats")
    address = f"/agreement-lines/{line.pk}/decide/?choose=exclude"

    panel = text(browser(alex).get(address, headers={"HX-Request": "true"}))

    assert "<html" not in panel
    assert "1,300.00 → 1,250.00" in panel.replace('<span class="nowrap">', "")
    assert panel.count('type="radio"') == 3
    assert 'name="note"' in panel
    assert "What should count?" not in panel
