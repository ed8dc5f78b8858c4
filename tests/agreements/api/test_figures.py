"""MRR over REST: figures with their ledger, series, dates, and lists sorted by them."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
from django.utils import timezone
from rest_framework.test import APIClient

from agreements import stored_mrr
from agreements.models import AgreementChoices
from audit_site.tenants.models import Tenant
from companies.models import Company
from tests.clients import V1, problem
from tests.factories import make_agreement, make_company, make_integration, make_line, make_link


def test_mrr_with_its_ledger_adds_up(tenant: Tenant, api: APIClient) -> None:
    company, integration = make_company(tenant), make_integration(tenant)
    make_link(company, integration)
    for _ in range(3):
        make_agreement(company, integration, cycle="annual", amount="100")
    monthly = make_agreement(company, integration, amount="50", currency="EUR")
    line = make_line(monthly, quantity="3", unit_price="10.005")
    make_line(monthly, bill="no_charge")
    make_agreement(company, integration, end_date="2026-01-31")

    body = api.get(f"{V1}/companies/{company.pk}/mrr/?as_of=2026-06-15").json()

    assert body["as_of"] == "2026-06-15"
    assert body["company"] == str(company.pk)
    assert [(t["currency"], t["amount"]) for t in body["totals"]] == [
        ("EUR", "80.02"),
        ("USD", "25.00"),
    ]
    assert body["totals"][0]["average"] == {"trailing12": "80.02", "forward12": "80.02"}
    sums: dict[str, Decimal] = {}
    for row in body["ledger"]:
        sums[row["currency"]] = sums.get(row["currency"], Decimal(0)) + Decimal(row["mrr"])
    assert sums == {"EUR": Decimal("80.02"), "USD": Decimal("25.00")}
    rounding = [row for row in body["ledger"] if row["kind"] == "rounding"]
    assert [(r["row_id"], r["mrr"], r["agreement"], r["line"]) for r in rounding] == [
        ("rounding:USD", "0.01", None, None)
    ]
    counted = next(row for row in body["ledger"] if row["line"] == str(line.pk))
    assert counted["agreement"] == str(monthly.pk)
    assert counted["formula"] == "3 x 10.005 = 30.015 monthly = 30.02 a month"
    assert counted["from"] == "2025-01-01"
    assert counted["through"] is None
    assert [row["reason"] for row in body["ledger"] if not row["included"]] == [
        "no_charge",
        "expired",
    ]
    assert body["source"]["psa"] == "connectwise"
    assert [a["included"] for a in body["agreements"]] == [True, True, True, True, False]
    agreements = api.get(f"{V1}/companies/{company.pk}/agreements/").json()["results"]
    assert agreements[-1]["reason"]["code"] == "expired"
    assert agreements[-1]["end_date"] == "2026-01-31"
    tenant_body = api.get(f"{V1}/mrr/?as_of=2026-06-15").json()
    assert tenant_body["companies"] == 1
    assert [t["amount"] for t in tenant_body["totals"]] == ["80.02", "25.00"]


def test_a_gone_agreement_is_out_from_then_on(tenant: Tenant, api: APIClient) -> None:
    company, integration = make_company(tenant), make_integration(tenant)
    make_agreement(company, integration, gone_at=timezone.now())
    address = f"{V1}/companies/{company.pk}/mrr/"

    assert api.get(address).json()["totals"] == []
    assert api.get(f"{address}?as_of=2026-01-01").json()["totals"][0]["amount"] == "100.00"


NOON = datetime(2026, 6, 15, 12, 0, tzinfo=UTC)


@pytest.fixture
def company(tenant: Tenant) -> Company:
    company = make_company(tenant)
    make_agreement(company, make_integration(tenant), amount="100")
    stored_mrr.refresh(tenant, [company.pk])
    return company


@pytest.mark.parametrize(
    ("path", "query", "field"),
    [
        ("series", {"to": "2026-01"}, "from"),
        ("series", {"from": "2026-01"}, "to"),
        ("series", {"from": "2026-13", "to": "2026-12"}, "from"),
        ("series", {"from": "2026-1", "to": "2026-12"}, "from"),
        ("series", {"from": "٢٠٢٦-01", "to": "2026-12"}, "from"),
        ("series", {"from": "2026-01", "to": "2026-W1"}, "to"),
        ("series", {"from": "2026-05", "to": "2026-04"}, "to"),
        ("series", {"from": "2016-01", "to": "2026-01"}, "to"),
        ("series", {"from": "1800-01", "to": "1800-02"}, "from"),
        ("movement", {"to": "2026-01-01"}, "from"),
        ("movement", {"from": "2026-01-01"}, "to"),
        ("movement", {"from": "2026-01-01", "to": "2026-01-01"}, "to"),
        ("movement", {"from": "2026-02-30", "to": "2026-03-01"}, "from"),
        ("movement", {"from": "2026-W24-1", "to": "2026-07-01"}, "from"),
        ("movement", {"from": "2026-01-01", "to": "20260701"}, "to"),
        ("movement", {"from": "2026-01-01", "to": "2026-07-0٢"}, "to"),
        ("", {"as_of": "2026-W24-1"}, "as_of"),
        ("", {"as_of": "2026-06-15T00:00:00Z"}, "as_of"),
        ("movement", {"from": "2026-01-01", "to": "9999-12-31"}, "to"),
    ],
)
def test_dates_that_can_not_be_are_a_400_at_their_field(
    api: APIClient, path: str, query: dict[str, str], field: str
) -> None:
    answer = api.get(f"{V1}/mrr/{path}/" if path else f"{V1}/mrr/", query)

    assert answer.status_code == 400
    assert problem(answer) == (400, "invalid_parameter")
    assert [error["field"] for error in answer.json()["errors"]] == [field]


def test_a_series_can_be_one_companys_and_another_tenants_is_empty(
    api: APIClient, company: Company, other_tenant: Tenant
) -> None:
    foreign = make_company(other_tenant)
    make_agreement(foreign, make_integration(other_tenant))
    make_agreement(make_company(company.tenant), make_integration(company.tenant), amount="7")
    span = {"from": "2026-01", "to": "2026-02"}

    def recognized(**more: str) -> Any:
        months = api.get(f"{V1}/mrr/series/", {**span, **more}).json()["months"]
        return [[money["amount"] for money in month["recognized"]] for month in months]

    assert recognized() == [["107.00"], ["107.00"]]
    assert recognized(company=str(company.pk)) == [["100.00"], ["100.00"]]
    assert recognized(company=str(foreign.pk)) == [[], []]
    assert recognized(company="no id") == [[], []]


def test_one_companys_mrr_with_ledger_takes_five_queries(
    tenant: Tenant, django_assert_max_num_queries: Any
) -> None:
    from agreements.figures import company_figure  # noqa: PLC0415

    company, integration = make_company(tenant), make_integration(tenant)
    for number in range(50):
        agreement = make_agreement(company, integration, external_id=f"A{number}",
                                   parent_external_id="elsewhere")  # fmt: skip
        make_line(agreement)

    with django_assert_max_num_queries(5):
        figure = company_figure(company)

    assert len(figure.agreements) == 50
    assert len(figure.ledger) == 100


def test_a_credit_whose_included_units_are_no_number_is_shown(
    api: APIClient, company: Company
) -> None:
    make_line(company.agreements.get(), quantity="-2", unit_price="10", less_included="NaN")
    stored_mrr.refresh(company.tenant, [company.pk])

    body = api.get(f"{V1}/companies/{company.pk}/mrr/").json()

    assert body["totals"][0]["amount"] == "80.00"
    assert body["ledger"][1]["formula"] == "-2 x 10 = -20 monthly = -20.00 a month"
    assert body["ledger"][1]["warnings"] == ["less_included_ignored"]


def test_each_agreement_has_the_sentence_of_its_own_rows(api: APIClient, tenant: Tenant) -> None:
    company = make_company(tenant)
    autotask = make_integration(tenant, psa="autotask")
    make_agreement(company, make_integration(tenant), external_id="1", cycle="Custom A")
    make_agreement(company, autotask, external_id="1", end_date="2026-01-31")

    found = api.get(f"{V1}/companies/{company.pk}/mrr/", {"as_of": "2026-06-15"}).json()

    assert [row["reason"] for row in found["agreements"]] == [
        {"code": "unknown_cycle", "message": "Left out: its billing cycle is not one we know."},
        {"code": "expired", "message": "Left out: it ended; its last day was 2026-01-31."},
    ]


@pytest.mark.parametrize(
    ("over", "line", "recurring"),
    [
        ({}, {}, True),
        ({"amount": "0"}, {"one_time": True}, True),
        ({"end_date": "2025-12-31"}, {}, True),
        ({"cycle": None}, {}, True),
        ({"recurring": False}, {}, False),
        ({"cycle": "one_time"}, {}, False),
        ({"cycle": "Non-Recurring", "recurring": True}, {}, False),
        ({"cycle": None, "parent_external_id": "P"}, {}, False),
        ({"cycle": "monthly", "parent_external_id": "P"}, {}, True),
    ],
)
@pytest.mark.parametrize("choice", ["", "exclude", "force_include"])
def test_what_recurs_does_not_depend_on_what_counts(
    api: APIClient, tenant: Tenant, over: Any, line: Any, recurring: bool, choice: str
) -> None:
    company, integration = make_company(tenant), make_integration(tenant)
    make_agreement(make_company(tenant), integration, external_id="P", cycle="One-Off")
    agreement = make_agreement(company, integration, **over)
    make_line(agreement, **line)
    if choice:
        AgreementChoices.objects.create(tenant=tenant, agreement=agreement, **{choice: True})

    (row,) = api.get(f"{V1}/companies/{company.pk}/agreements/").json()["results"]

    assert row["recurring"] is recurring


def test_a_formula_shows_every_digit(api: APIClient, company: Company) -> None:
    long = "12345678901234567890123456789012345.67"
    company.agreements.update(amount=long, cycle="quarterly")
    stored_mrr.refresh(company.tenant, [company.pk])

    (row,) = api.get(f"{V1}/companies/{company.pk}/mrr/").json()["ledger"]

    third = "4115226300411522630041152263004115.22"
    assert row["mrr"] == third
    assert row["formula"] == f"{long} quarterly x 1/3 = {third} a month"


def test_lists_sort_and_filter_by_what_is_stored(api: APIClient, tenant: Tenant) -> None:
    integration = make_integration(tenant)
    for name, amount, currency in (
        ("A", "30", "USD"), ("B", "200", "USD"), ("C", "9", "EUR"), ("D", "-5", "USD"),
    ):  # fmt: skip
        make_agreement(make_company(tenant, name=name), integration, amount=amount,
                       currency=currency)  # fmt: skip
    stored_mrr.verify([tenant.pk], mend=True)

    def names(**query: str) -> list[str]:
        return [c["name"] for c in api.get(f"{V1}/companies/", query).json()["results"]]

    assert names(ordering="-mrr") == ["B", "A", "C", "D"]
    assert names(ordering="mrr", counting="yes") == ["D", "A", "B"]
    assert names(ordering="-mrr", currency="eur", counting="yes") == ["C"]
    assert names(counting="no") == ["C"]
    assert names(ordering="-mrr", page_size="1") == ["B"]
    assert api.get(f"{V1}/companies/", {"ordering": "size"}).status_code == 400
