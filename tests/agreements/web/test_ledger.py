"""The page of a company's MRR: a sum that adds up, its report, its names."""

from __future__ import annotations

import json
import re

import pytest

from agreements import stored_mrr
from agreements.decisions import choose
from audit_site.pages.written import money_written
from audit_site.tenants.models import Tenant, User
from companies.models import Company
from tests.agreements.web.test_movement_rows import cells_of
from tests.clients import V1, api_of, browser, csv_rows, text
from tests.factories import make_agreement, make_company, make_integration, make_line, make_link


def test_the_mrr_page_is_a_sum_with_everything_left_out_below(vic: User, tenant: Tenant) -> None:
    company, integration = make_company(tenant, name="Acme"), make_integration(tenant)
    make_link(company, integration)
    agreement = make_agreement(company, integration, amount="1250", name="Gold")
    seats = make_line(agreement, quantity="22", less_included="20", unit_price="25",
                      description="Seats")  # fmt: skip
    make_line(agreement, bill="no_charge", description="Courtesy")
    make_agreement(company, integration, amount="9", name="Old", end_date="2026-01-31")
    client = browser(vic)

    page = text(client.get(f"/companies/{company.pk}/mrr/"))
    detail = text(client.get(f"/companies/{company.pk}/"))

    assert "USD 1,300.00" in page
    times = "\u00d7"
    assert cells_of(page, "The sum line by line")[5:] == [
        f"Gold Monthly · id {agreement.external_id}, 1 Jan 2025 to no end", "USD 1,300.00",
        "Flat amount 1,250.00 monthly", "", "1,250.00", "Monthly", "1,250.00",
        f"Seats 2 {times} 25.00 monthly   {seats.psa_name}", "2 22 less 20 included", "25.00",
        "Monthly", "50.00",
        "1 left out: marked “no charge”      Courtesy: marked “no charge”   would be USD 20.00"
        "   Left out: marked &#x27;no charge&#x27;.  2 x 10 = 20 monthly = 20.00 a month",
        "Total USD", "USD 1,300.00",
    ]  # fmt: skip
    assert "Left out: marked &#x27;no charge&#x27;." in page
    assert ": ended 31 Jan 2026</span>" in page
    assert "Left out: it ended; its last day was 31 Jan 2026." in page
    assert "help@auditforit.com" in page
    assert "USD 1,300.00" in detail
    assert "Re-sync" not in detail  # a viewer only reads
    assert "As of: 2026-02-31 does not exist" in text(
        client.get(f"/companies/{company.pk}/mrr/?as_of=2026-02-31")
    )


def test_the_ledger_reads_like_a_sum_and_downloads_as_csv(alex: User, company: Company) -> None:
    client = browser(alex)

    page = text(client.get(f"/companies/{company.pk}/mrr/"))
    header, *rows = csv_rows(client.get(f"/companies/{company.pk}/mrr/ledger.csv"))

    assert "USD 1,300.00" in page
    assert page.index("1 left out: ") < page.index("Total USD")
    assert "on average: 1,300.00 over the last 12 months" in page
    assert header[6] == "MRR"
    assert [(row[2], row[3], row[6]) for row in rows] == [
        ("", "yes", "1250.00"), ("Seats", "yes", "50.00"), ("Gift", "no", "0.00"),
        ("", "yes", "1300.00"),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("currency", "row", "total", "rounding"),
    [
        ("JPY", "8333", "25000", "1"),
        ("USD", "8333.33", "25000.00", "0.01"),
        ("KWD", "8333.333", "25000.000", "0.001"),
        ("CLF", "8333.3333", "25000.0000", "0.0001"),
    ],
)
def test_a_currency_has_its_own_places_in_every_answer(
    alex: User, tenant: Tenant, currency: str, row: str, total: str, rounding: str
) -> None:
    """Three agreements of 100,000 a year: each rounded row, and the one cent, yen or fils more."""
    company, integration = make_company(tenant, name="Acme"), make_integration(tenant)
    for _ in range(3):
        make_agreement(company, integration, amount="100000", cycle="annual", currency=currency)
    stored_mrr.refresh(tenant, [company.pk])
    client, api = browser(alex), api_of(alex)

    page = text(client.get(f"/companies/{company.pk}/mrr/"))
    overview = text(client.get("/mrr/"))
    _, *rows = csv_rows(client.get(f"/companies/{company.pk}/mrr/ledger.csv"))
    months = csv_rows(client.get("/mrr/series.csv"))
    moved = csv_rows(client.get("/mrr/movement.csv?from=2024-12-31&to=2026-06-15"))
    answer = api.get(f"{V1}/companies/{company.pk}/mrr/").json()
    days = {"from": "2024-12-31", "to": "2026-06-15"}
    (bridge,) = api.get(f"{V1}/mrr/movement/", days).json()["currencies"]
    (listed, *_) = api.get(f"{V1}/agreements/").json()["results"]

    shown = [money_written(amount) for amount in (row, total, rounding)]
    assert [page.count(f"{currency} {amount}<") for amount in (shown[0], shown[2])] == [3, 1]
    assert "<h1>MRR of Acme</h1>" in page
    assert f"{currency} {shown[1]}" in page
    assert f"{currency} {shown[1]}" in overview
    assert [one[6] for one in rows] == [row, row, row, rounding, total]
    assert {one[2] for one in months[-3:]} == {total}
    assert moved[-1][2:4] == [currency, total]
    assert [one["mrr"] for one in answer["ledger"]] == [row, row, row, rounding]
    assert answer["totals"] == [
        {
            "currency": currency,
            "amount": total,
            "average": {"trailing12": total, "forward12": total},
        }
    ]
    assert (bridge["new"], bridge["closing"], bridge["companies"][0]["amount"]) == (total,) * 3
    assert listed["rate"] == {"currency": currency, "amount": row}


def test_the_report_holds_everything_of_a_figure(alex: User, company: Company) -> None:
    agreement = company.agreements.get()
    choose(agreement=agreement, actor=None, changes={"assume_renewal": True}, note="They said so")

    answer = browser(alex).get(f"/companies/{company.pk}/mrr/report.json?as_of=2026-06-15")

    assert "attachment" in answer["Content-Disposition"]
    report = json.loads(answer.content)
    assert report["as_of"] == "2026-06-15"
    assert report["totals"][0]["amount"] == "1300.00"
    assert [row["mrr"] for row in report["ledger"]] == ["1250.00", "50.00", "0.00"]
    assert report["psa_records"]["agreements"][0]["external_id"] == agreement.external_id
    assert len(report["psa_records"]["lines"]) == 2
    assert report["decisions"][0]["note"] == "They said so"
    assert report["sync_run"] is None


def named(page: str, pattern: str) -> list[str]:
    """The texts or names of what matches, without tags, in order."""
    found = re.findall(pattern, page, flags=re.DOTALL)
    return [" ".join(re.sub(r"<.*?>", " ", text).split()) for text in found]


def test_each_link_and_table_has_a_name_of_its_own(alex: User, company: Company) -> None:
    agreement, client = company.agreements.get(), browser(alex)
    period = "from=2025-01-01&to=2026-01-01"

    page = text(client.get(f"/companies/{company.pk}/mrr/?{period}"))
    page += text(client.get(f"/companies/{company.pk}/mrr/charts/?{period}"))
    book = text(client.get("/mrr/")) + text(client.get(f"/mrr/charts/?{period}"))
    decide = text(client.get(f"/agreements/{agreement.pk}/decide/"))

    downloads = [name for name in named(page, r"<a [^>]*>(.*?)</a>") if name.startswith("CSV")]
    assert named(page, r"<a [^>]*/decide/[^>]*>(.*?)</a>") == [
        "Leave out… Gold &amp; Co",
        "Leave out… Seats of Gold &amp; Co",
        "Change… Gift of Gold &amp; Co",
    ]
    assert downloads == [
        "CSV of the sum line by line",
        "CSV of recognized by month, USD",
        "CSV of the movement, USD",
    ]
    groups = r'tabindex="0" role="group" aria-label="(.*?)"'
    assert named(page, groups) == [
        "The sum line by line",
        "Recognized by month in USD, drawn",
        "Recognized by month, USD",
    ]
    assert named(book, groups)[:3] == [
        "Largest audITees, USD", "Sources, USD", "Agreements that end soon",
    ]  # fmt: skip
    assert named(decide, groups) == ["Decisions"]
