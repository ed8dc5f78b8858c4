"""The pages around MRR: ledger, charts, CSV, report, and the tenant's book."""

from __future__ import annotations

import csv
import io
import json
import re
from datetime import UTC, date, datetime
from fractions import Fraction
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from agreements import charts, movers, mrr
from agreements.services import stored
from agreements.services.choices import choose
from audit_site.tenants.models import Tenant
from companies.models import Company
from companies.services import archive_company
from integrations.services.connection import disconnect_integration
from integrations.services.linking import unlink_company
from tests.audit_site.pages.test_pages import browser, text
from tests.factories import make_agreement, make_company, make_integration, make_line, make_link


@pytest.fixture
def company(tenant: Tenant) -> Company:
    company = make_company(tenant, name="=HYPERLINK(evil)")
    integration = make_integration(tenant)
    make_link(company, integration)
    agreement = make_agreement(company, integration, amount="1250", name="Gold & Co")
    make_line(agreement, quantity="22", less_included="20", unit_price="25", description="Seats")
    make_line(agreement, quantity="1", unit_price="40", bill="no_charge", description="Gift")
    stored.verify([tenant.pk], mend=True)
    return company


def rows_of(answer: Any) -> list[list[str]]:
    assert answer["Content-Type"].startswith("text/csv")
    return list(csv.reader(io.StringIO(answer.content.decode("utf-8-sig"))))


def test_the_ledger_reads_like_a_sum_and_downloads_as_csv(tenant: Tenant, company: Company) -> None:
    client = browser(tenant)

    page = text(client.get(f"/companies/{company.pk}/mrr/"))
    header, *rows = rows_of(client.get(f"/companies/{company.pk}/mrr/ledger.csv"))

    assert "USD 1,300.00" in page
    assert "(22 - 20 included, at least 0) x 25 = 50 monthly = 50.00 a month" in page
    assert page.index("Counted (2)") < page.index("Left out, and why (1)")
    assert "on average: 1,300.00 over the last 12 months" in page
    assert header[6] == "MRR"
    assert [(row[2], row[3], row[6]) for row in rows] == [
        ("", "yes", "1250.00"), ("Seats", "yes", "50.00"), ("Gift", "no", "0.00"),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("query", "sentence"),
    [
        ("as_of=yesterday", "As of: type a date as 2026-11-27, from 1950 to 2200."),
        ("as_of=9999-12-31", "As of: type a date as 2026-11-27, from 1950 to 2200."),
        ("from=27/11/2026", "From: type a date as 2026-11-27, from 1950 to 2200."),
        ("to=0001-01-01", "To: type a date as 2026-11-27, from 1950 to 2200."),
        (
            "from=2026-02-30",
            "From: 2026-02-30 does not exist; type a date as 2026-11-27, from 1950 to 2200.",
        ),
        ("from=2026-05-01&to=2026-04-01", "The first day must come before the last one."),
    ],
)
def test_a_day_that_is_none_is_said_at_its_name(
    tenant: Tenant, company: Company, query: str, sentence: str
) -> None:
    client, one = browser(tenant), f"/companies/{company.pk}/mrr/"

    page = client.get(f"{one}?{query}")
    downloads = [
        client.get(f"{path}?{query}")
        for path in (f"{one}ledger.csv", f"{one}report/", "/mrr/series.csv", "/mrr/movement.csv")
    ]

    assert page.status_code == 200
    assert text(page).count(sentence) == 1
    for download in downloads:
        assert (download.status_code, text(download)) == (400, f"{sentence}\n")
        assert download["Content-Type"] == "text/plain; charset=utf-8"
    assert "alert" not in text(client.get("/mrr/"))  # nothing is left for another page to say
    assert client.get("/mrr/charts/?to=x").status_code == 400


def test_two_wrong_days_are_two_sentences(tenant: Tenant) -> None:
    page = text(browser(tenant).get("/mrr/?from=abc&to=zzz"))

    for name in ("From", "To"):
        assert f"{name}: type a date as 2026-11-27, from 1950 to 2200." in page


def test_a_movement_ends_on_the_as_of_day(tenant: Tenant, company: Company) -> None:
    page = text(browser(tenant).get(f"/companies/{company.pk}/mrr/?as_of=2025-06-15"))

    assert "From 31 May 2025 to 15 Jun 2025" in page


def test_no_form_or_link_forgets_the_days_of_another(tenant: Tenant, company: Company) -> None:
    client = browser(tenant)

    page = text(
        client.get(f"/companies/{company.pk}/mrr/?as_of=2025-06-15&from=2026-01-31&to=2026-03-31")
    )
    book = text(client.get("/mrr/?within=60&from=2026-01-31&to=2026-03-31"))
    fresh = text(client.get(f"/companies/{company.pk}/mrr/"))

    for name, day in (("as_of", "2025-06-15"), ("from", "2026-01-31"), ("to", "2026-03-31")):
        assert f'<input type="hidden" name="{name}" value="{day}">' in page
    assert 'href="?within=30&amp;from=2026-01-31&amp;to=2026-03-31"' in book
    assert '<input type="hidden" name="within" value="60">' in book
    assert 'type="hidden" name="from"' not in fresh


def test_the_charts_have_their_table_and_csv(tenant: Tenant, company: Company) -> None:
    client = browser(tenant)

    charts_page = text(client.get("/mrr/charts/"))
    series = rows_of(client.get("/mrr/series.csv?as_of=2026-06-15"))
    narrow = rows_of(client.get(f"/mrr/series.csv?as_of=2026-06-15&company={company.pk}"))
    moved = rows_of(client.get("/mrr/movement.csv?from=2024-12-31&to=2026-01-01"))

    assert charts_page.count('<svg class="chart"') == 2
    assert "Trailing average: USD 1,300.00" in charts_page
    assert series[0] == ["Month", "Currency", "Recognized"]
    assert series[1] == ["2025-06", "USD", "1300.00"]
    assert len(series) == 25
    assert narrow == series
    assert moved == [
        ["Movement", "audITee", "Currency", "Amount"],
        ["opening", "", "USD", "0.00"],
        ["new", "'=HYPERLINK(evil)", "USD", "1300.00"],  # no spreadsheet runs it
        ["closing", "", "USD", "1300.00"],
    ]
    assert client.get("/mrr/series.csv?company=nobody").status_code == 404


def test_the_csv_of_the_months_is_of_the_chart_that_it_stands_on(
    tenant: Tenant, company: Company
) -> None:
    client, today = browser(tenant), tenant.today()

    page = text(client.get(f"/companies/{company.pk}/mrr/?as_of=2025-06-15&to=2026-10-31"))
    book = text(client.get("/mrr/charts/?from=2026-01-31&to=2026-03-31"))
    link = f"/mrr/series.csv?as_of=2025-06-15&company={company.pk}"
    _, first, *_, last = rows_of(client.get(link))

    assert link.replace("&", "&amp;") in page
    assert f'href="/mrr/series.csv?as_of={today}"' in book
    assert "<td>Jun 2024</td>" in page
    assert "<td>May 2026</td>" in page
    assert first[0] == "2025-01"  # it begins then
    assert last[0] == "2026-05"


def cells_of(page: str, part: str) -> list[str]:
    """The texts of the tables of a page that name this part, row by row."""
    tables = re.findall(rf"<caption>{part}.*?</table>", page, flags=re.DOTALL)
    cells = [re.findall(r"<t[dh].*?>(.*?)</t[dh]>", table, flags=re.DOTALL) for table in tables]
    return [re.sub(r"<.*?>", " ", cell).strip() for found in cells for cell in found]


def test_each_step_of_the_book_names_its_largest_companies(
    tenant: Tenant, monkeypatch: pytest.MonkeyPatch, django_assert_num_queries: Any
) -> None:
    monkeypatch.setattr(movers, "MOST_MOVERS", 2)
    integration = make_integration(tenant)
    for name, amount in (("Ash", "10"), ("Birch", "30"), ("Cedar & Co", "20")):
        make_agreement(make_company(tenant, name=name), integration, amount=amount,
                       start_date="2026-02-01")  # fmt: skip
    gone = make_company(tenant, name="Dogwood")
    make_agreement(gone, integration, amount="7", end_date="2026-02-28")
    client = browser(tenant)
    client.get("/companies/")

    page = text(client.get("/mrr/charts/?from=2026-01-31&to=2026-03-31"))

    assert cells_of(page, "New") == [
        "audITee", "Amount", "Birch", "USD 30.00", "Cedar &amp; Co", "USD 20.00",
        "and 1 more, in the CSV",
    ]  # fmt: skip
    assert "<caption>New: USD 60.00</caption>" in page
    assert cells_of(page, "Churn") == ["audITee", "Amount", "Dogwood", "USD -7.00"]
    days = "?from=2026-01-31&amp;to=2026-03-31"
    assert f'<a href="/companies/{gone.pk}/mrr/{days}">Dogwood</a>' in page
    assert "Each audITee behind it is below." in page
    assert "company by company" not in page
    with CaptureQueriesContext(connection) as many:
        client.get("/mrr/charts/?from=2026-01-31&to=2026-03-31")
    with django_assert_num_queries(len(many) - 1):  # nobody moved, so no name is asked for
        client.get("/mrr/charts/?from=2026-03-30&to=2026-03-31")


def test_a_movement_of_one_company_names_its_lines(tenant: Tenant, company: Company) -> None:
    agreement = company.agreements.get()
    make_line(agreement, quantity="3", unit_price="1000", description="Phones",
              start_date="2026-02-01")  # fmt: skip
    client, one = browser(tenant), f"/companies/{company.pk}/mrr/"

    page = text(client.get(f"{one}?from=2026-01-31&to=2026-03-31"))
    still = text(client.get(f"{one}?from=2026-03-30&to=2026-03-31"))

    assert cells_of(page, "Expansion") == [
        "Line", "Amount", "Phones of Gold &amp; Co 0.00 before, 3,000.00 after", "USD 3,000.00",
    ]  # fmt: skip
    assert "Each line behind it is below." in page
    assert "in sum nothing came, grew, shrank or went." in still
    assert "Line by line" not in still


def test_the_report_holds_everything_behind_a_figure(tenant: Tenant, company: Company) -> None:
    agreement = company.agreements.get()
    choose(agreement=agreement, actor=None, changes={"assume_renewal": True}, note="They said so")

    answer = browser(tenant).get(f"/companies/{company.pk}/mrr/report/?as_of=2026-06-15")

    assert "attachment" in answer["Content-Disposition"]
    report = json.loads(answer.content)
    assert report["as_of"] == "2026-06-15"
    assert report["totals"][0]["amount"] == "1300.00"
    assert [row["mrr"] for row in report["ledger"]] == ["1250.00", "50.00", "0.00"]
    assert report["psa_records"]["agreements"][0]["external_id"] == agreement.external_id
    assert len(report["psa_records"]["lines"]) == 2
    assert report["decisions"][0]["note"] == "They said so"
    assert report["sync_run"] is None


def test_the_book_shows_sums_concentration_sources_and_ends(
    tenant: Tenant, company: Company
) -> None:
    integration = make_integration(tenant, psa="autotask", name="Our Autotask")
    soon = make_company(tenant, name="Ends soon")
    today = tenant.today()
    make_agreement(
        soon, integration, amount="100", end_date=date.fromordinal(today.toordinal() + 5)
    )
    stored.verify([tenant.pk], mend=True)

    page = text(browser(tenant).get("/mrr/?within=30"))

    assert "USD 1,400.00" in page
    assert "The largest 2 of 2 bring 100.0 %." in page
    assert "Our Autotask" in page
    assert "What ends within 30 days" in page
    assert page.index("Ends soon") > 0
    assert 'hx-get="/mrr/charts/' in page


def test_a_figure_says_that_its_source_is_lost(tenant: Tenant, company: Company) -> None:
    link, client = company.links.get(), browser(tenant)
    name, one = link.integration.name, f"/companies/{company.pk}/mrr/"
    sentences = {
        "deleted": (
            f"{name} no longer has this company: an agreement that is gone as well counts through "
            "the day before it was found gone."
        ),
        "merged": (
            f"{name} has merged this company into another one: what moved there no longer counts "
            "here."
        ),
        "disconnected": f"{name} is disconnected: this stays as it was last read on 3 Nov 2026.",
        "unlinked": (
            f"It is no longer linked to {name}: agreements stay as they were last read on "
            "3 Nov 2026."
        ),
        "archived": (
            "It is archived: it does not count in the sum of all audITees, and no sync reads its "
            "agreements."
        ),
    }

    def told() -> list[str]:
        page = text(client.get(one))
        return [state for state, sentence in sentences.items() if sentence in page]

    assert "<h1>MRR of =HYPERLINK(evil)</h1>" in text(client.get(one))
    assert told() == []
    read = datetime(2026, 11, 3, 12, tzinfo=UTC)
    company.links.update(problem_codes=["deleted", "no_contact"], last_synced_at=read)
    assert told() == ["deleted"]
    company.links.update(problem_codes=["merged"])
    assert told() == ["merged"]
    company.links.update(problem_codes=[])
    disconnect_integration(integration=link.integration, actor=None)
    assert told() == ["disconnected"]
    assert f'{name} <span class="mark warn">Disconnected</span>' in text(client.get("/mrr/"))
    unlink_company(company=company, actor=None)
    assert told() == ["unlinked"]
    archive_company(company=company, actor=None)
    assert told() == ["unlinked", "archived"]


def test_one_that_was_never_linked_or_read_says_nothing_wrong(tenant: Tenant) -> None:
    by_hand = make_company(tenant)
    link = make_link(make_company(tenant), make_integration(tenant))
    disconnect_integration(integration=link.integration, actor=None)
    client = browser(tenant)

    assert "no longer linked" not in text(client.get(f"/companies/{by_hand.pk}/mrr/"))
    assert (
        f"{link.integration.name} is disconnected: this stays as it was before any sync."
        in text(client.get(f"/companies/{link.company_id}/mrr/"))
    )


def named(page: str, pattern: str) -> list[str]:
    """The texts or names of what matches, without tags, in order."""
    found = re.findall(pattern, page, flags=re.DOTALL)
    return [" ".join(re.sub(r"<.*?>", " ", text).split()) for text in found]


def test_each_link_and_table_has_a_name_of_its_own(tenant: Tenant, company: Company) -> None:
    agreement, client = company.agreements.get(), browser(tenant)
    period = "from=2025-01-01&to=2026-01-01"

    page = text(client.get(f"/companies/{company.pk}/mrr/?{period}"))
    book = text(client.get("/mrr/")) + text(client.get(f"/mrr/charts/?{period}"))
    decide = text(client.get(f"/agreements/{agreement.pk}/decide/"))

    downloads = [name for name in named(page, r"<a [^>]*>(.*?)</a>") if name.startswith("CSV")]
    assert named(page, r"<a [^>]*/decide/[^>]*>(.*?)</a>") == [
        "Decide about Seats of Gold &amp; Co",
        "Decide about Gift of Gold &amp; Co",
        "Decide about Gold &amp; Co",
    ]
    assert downloads == [
        "CSV of the sum line by line",
        "CSV of recognized by month, USD",
        "CSV of the movement, USD",
    ]
    groups = r'tabindex="0" role="group" aria-label="(.*?)"'
    assert named(page, groups) == [
        "The sum line by line",
        "Lines that were left out",
        "Agreements and what was decided about them",
        "Recognized by month in USD, drawn",
        "Recognized by month, USD",
        "Movement in USD, drawn",
        "Movement, USD",
    ]
    assert named(book, groups)[:3] == [
        "Largest audITees, USD", "Sources, USD", "Agreements that end soon",
    ]  # fmt: skip
    assert named(decide, groups) == ["Decisions"]


def test_of_three_months_the_first_is_labelled(tenant: Tenant, company: Company) -> None:
    page = text(browser(tenant).get(f"/companies/{company.pk}/mrr/?as_of=2026-06-15"))

    assert named(page, r"<text [^>]*>([A-Z][a-z]{2} 20[0-9]{2})</text>") == [
        "Jun 2025", "Sep 2025", "Dec 2025", "Mar 2026",
        "Jun 2026", "Sep 2026", "Dec 2026", "Mar 2027",
    ]  # fmt: skip


def test_the_averages_differ_in_the_chart_and_its_legend(tenant: Tenant, company: Company) -> None:
    page = text(browser(tenant).get(f"/companies/{company.pk}/mrr/"))

    drawn, _, legend = page.partition('<ul class="legend">')
    for part in (drawn, legend):
        assert part.index('class="level past"') < part.index('class="level ahead"')
        assert part.count('class="level') == 2


def test_an_empty_book_says_what_to_do(tenant: Tenant) -> None:
    client = browser(tenant)

    assert "Import audITees from your PSA" in text(client.get("/mrr/"))
    assert "nothing to draw" in text(client.get("/mrr/charts/"))


def test_the_list_sorts_by_mrr(tenant: Tenant, company: Company) -> None:
    small = make_company(tenant, name="A small one")
    make_agreement(small, make_integration(tenant), amount="5")
    stored.verify([tenant.pk], mend=True)
    client = browser(tenant)

    down, up = (text(client.get(f"/companies/?order={order}")) for order in ("-mrr", "mrr"))

    assert down.index("HYPERLINK") < down.index("A small one")
    assert up.index("A small one") < up.index("HYPERLINK")


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
