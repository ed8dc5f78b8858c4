"""Charts, and the tables and CSV that say the same."""

from __future__ import annotations

import re
from fractions import Fraction

from agreements import mrr
from agreements.web import charts
from audit_site.tenants.models import Tenant, User
from companies.models import Company
from tests.agreements.web.test_movement_rows import cells_of
from tests.clients import browser, csv_rows, text


def named(page: str, pattern: str) -> list[str]:
    """The texts or names of what matches, without tags, in order."""
    found = re.findall(pattern, page, flags=re.DOTALL)
    return [" ".join(re.sub(r"<.*?>", " ", text).split()) for text in found]


def test_the_charts_have_their_table_and_csv(alex: User, company: Company) -> None:
    client = browser(alex)

    charts_page = text(client.get("/mrr/charts/"))
    series = csv_rows(client.get("/mrr/series.csv?as_of=2026-06-15"))
    known = series[1][3]
    narrow = csv_rows(
        client.get(f"/mrr/series.csv?as_of=2026-06-15&company={company.pk}&known={known}")
    )
    moved = csv_rows(client.get(f"/mrr/movement.csv?from=2024-12-31&to=2026-01-01&known={known}"))

    assert charts_page.count('<svg class="chart"') == 1
    assert cells_of(charts_page, "Movement, USD")[4:] == [
        "Opening", "", "", "USD 1,300.00", "Closing", "", "", "USD 1,300.00",
    ]  # fmt: skip
    assert "Nothing changed between these two days." in charts_page
    assert "Trailing average: USD 1,300.00" in charts_page
    assert series[0] == ["Month", "Currency", "Recognized", "Known at"]
    assert series[1] == ["2025-06", "USD", "1300.00", known]
    assert len(series) == 25
    assert narrow == series
    assert moved == [
        ["Movement", "audITee", "Currency", "Amount", "Known at"],
        ["opening", "", "USD", "0.00", known],
        ["new", "'=HYPERLINK(evil)", "USD", "1300.00", known],  # no spreadsheet runs it
        ["closing", "", "USD", "1300.00", known],
    ]
    assert client.get("/mrr/series.csv?company=nobody").status_code == 404


def test_the_csv_of_the_months_is_of_the_chart_that_it_stands_on(
    alex: User, tenant: Tenant, company: Company
) -> None:
    client, today = browser(alex), tenant.today()

    page = text(client.get(f"/companies/{company.pk}/mrr/charts/?as_of=2025-06-15&to=2026-10-31"))
    book = text(client.get("/mrr/charts/?from=2026-01-31&to=2026-03-31"))
    link = f"/mrr/series.csv?as_of=2025-06-15&company={company.pk}"
    _, first, *_, last = csv_rows(client.get(link))

    assert link.replace("&", "&amp;") in page
    assert f'href="/mrr/series.csv?as_of={today}&amp;currency=USD"' in book
    assert "<td>Jun 2024</td>" in page
    assert "<td>May 2026</td>" in page
    assert first[0] == "2025-01"  # it begins then
    assert last[0] == "2026-05"


def test_the_axis_has_round_amounts_in_sight() -> None:
    def amounts(*given: int) -> list[str]:
        return [tick.amount for tick in charts._Scale([Fraction(one) for one in given]).ticks()]

    assert amounts(58_420, 65_800) == ["20000", "40000", "60000"]
    assert amounts(1300) == ["500", "1000"]
    assert amounts(4) == ["1", "2", "3", "4"]
    assert amounts(-150, 100) == ["-100", "100"]
    assert charts._Scale([Fraction(1, 3)]).ticks()[-1].amount == "0.3"
    assert amounts() == amounts(0)


def test_of_three_months_the_first_is_labelled(alex: User, company: Company) -> None:
    page = text(browser(alex).get(f"/companies/{company.pk}/mrr/charts/?as_of=2026-06-15"))

    assert named(page, r"<text [^>]*>([A-Z][a-z]{2} 20[0-9]{2})</text>") == [
        "Jun 2025", "Sep 2025", "Dec 2025", "Mar 2026",
        "Jun 2026", "Sep 2026", "Dec 2026", "Mar 2027",
    ]  # fmt: skip


def test_the_averages_differ_in_the_chart_and_its_legend(alex: User, company: Company) -> None:
    page = text(browser(alex).get(f"/companies/{company.pk}/mrr/charts/"))

    drawn, _, legend = page.partition('<ul class="legend">')
    for part in (drawn, legend):
        assert part.index('class="level past"') < part.index('class="level ahead"')
        assert part.count('class="level') == 2


def test_a_waterfall_stands_where_its_sums_are() -> None:
    half = charts.PLOT // 2
    bridge = mrr.Movement(
        "USD", Fraction(half), Fraction(half),
        {"new": Fraction(half), "reactivation": Fraction(0), "expansion": Fraction(0),
         "contraction": Fraction(0), "churn": Fraction(-half)},
        [],
    )  # fmt: skip

    (chart,) = charts.waterfall([bridge])

    opening, new, *_, churn, closing = chart.bars
    assert [(bar.label, bar.amount) for bar in (opening, new, churn, closing)] == [
        ("Opening", "83.00"), ("New", "83.00"), ("Churn", "-83.00"), ("Closing", "83.00"),
    ]  # fmt: skip
    assert [bar.height for bar in (opening, new, churn, closing)] == [half] * 4
    assert new.y + new.height == opening.y
    assert churn.y == new.y
