"""The worked examples and the figures, asked over REST of books that are stored."""

from __future__ import annotations

from collections import defaultdict
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from rest_framework.test import APIClient

from agreements.models import Agreement, AgreementChoices, LineChoices
from agreements.mrr.questions import read_book
from agreements.services import stored
from audit_site.tenants.models import Tenant
from companies.models import Company
from integrations.models import CompanyLink, Integration
from tests.agreements.mrr.test_mrr_examples import EXAMPLES
from tests.factories import (
    make_agreement,
    make_api,
    make_company,
    make_integration,
    make_line,
    make_link,
    make_psa_company,
)

V1 = "/api/v1"
NOON = datetime(2026, 6, 15, 12, 0, tzinfo=UTC)
ASKED = [example for example in EXAMPLES if example["ask"]["what"] != "today"]


class Shelf:
    """A book of the examples as rows: one company of ours for each of theirs."""

    def __init__(self, tenant: Tenant, book: Any) -> None:
        self.tenant = tenant
        self.integrations: dict[str, Integration] = {}
        self.companies: dict[str, Company] = {}
        self.agreements: dict[tuple[str, str], Agreement] = {}
        read = read_book(book)
        Tenant.objects.filter(pk=tenant.pk).update(currency=read.default_currency)
        tenant.currency = read.default_currency
        for raw in read.agreements:
            self.put(raw)
        stored.refresh(tenant, [company.pk for company in self.companies.values()])

    def put(self, raw: Any) -> None:
        if raw.source not in self.integrations:
            self.integrations[raw.source] = make_integration(self.tenant, psa=raw.source)
        if raw.company_id not in self.companies:
            self.companies[raw.company_id] = make_company(self.tenant, name=raw.company_id or "-")
        names = (
            "name", "currency", "start_date", "end_date", "no_end", "cancelled", "cancelled_date",
            "recurring", "active", "cycle", "incomplete",
        )  # fmt: skip
        agreement = make_agreement(
            self.companies[raw.company_id],
            self.integrations[raw.source],
            external_id=raw.id,
            source=raw.source,
            amount=raw.amount,
            parent_external_id=raw.parent_id,
            renews_external_id=raw.renews_id,
            **{name: getattr(raw, name) for name in names},
        )
        self.agreements[raw.source, raw.id] = agreement
        chosen = {n: getattr(raw, n) for n in ("exclude", "force_include", "assume_renewal")}
        if any(chosen.values()):
            AgreementChoices.objects.create(tenant=self.tenant, agreement=agreement, **chosen)
        for position, line in enumerate(raw.lines):
            self.put_line(agreement, position, line)

    def put_line(self, agreement: Agreement, position: int, raw: Any) -> None:
        names = (
            "kind", "quantity", "unit_price", "less_included", "bill", "start_date", "end_date",
            "cycle", "product", "one_time",
        )  # fmt: skip
        units = None
        if raw.units is not None:
            units = [
                {
                    name: None if (value := getattr(unit, name)) is None else str(value)
                    for name in ("start_date", "end_date", "units", "unit_price", "amount")
                }
                for unit in raw.units
            ]
        line = make_line(
            agreement,
            external_id=raw.id,
            position=position,
            units=units,
            **{name: getattr(raw, name) for name in names},
        )
        if raw.exclude:
            LineChoices.objects.create(tenant=self.tenant, line=line, exclude=True)


@pytest.mark.parametrize("example", ASKED, ids=lambda example: example["id"])
def test_every_worked_example_comes_over_rest_too(tenant: Tenant, example: Any) -> None:
    shelf = Shelf(tenant, example["book"])
    api, want = make_api(tenant), example["want"]

    {"mrr": check_mrr, "averages": check_averages, "recognized": check_recognized,
     "movement": check_movement}[example["ask"]["what"]](api, shelf, example["ask"], want)  # fmt: skip


def check_mrr(api: APIClient, shelf: Shelf, ask: Any, want: Any) -> None:
    reasons: dict[str, Any] = {}
    warnings: dict[str, Any] = {}
    exact: dict[str, Fraction] = defaultdict(Fraction)
    for company in shelf.companies.values():
        body = api.get(f"{V1}/companies/{company.pk}/mrr/", {"as_of": ask["as_of"]}).json()
        printed: dict[str, Decimal] = defaultdict(Decimal)
        for row in body["ledger"]:
            printed[row["currency"]] += Decimal(row["mrr"])
            if row["kind"] == "rounding":
                continue
            reasons[row["row_id"]] = row["reason"]
            if row["warnings"]:
                warnings[row["row_id"]] = row["warnings"]
            exact[row["currency"]] += Fraction(row["mrr_exact"])
        for total in body["totals"]:
            assert printed[total["currency"]] == Decimal(total["amount"])  # to the cent
    whole = api.get(f"{V1}/mrr/", {"as_of": ask["as_of"]}).json()
    assert {t["currency"]: t["amount"] for t in whole["totals"]} == {
        currency: figure["amount"] for currency, figure in want["totals"].items()
    }
    assert {c: exact[c] for c in want["totals"]} == {
        currency: Fraction(figure["exact"]) for currency, figure in want["totals"].items()
    }
    assert reasons == want["reasons"]
    assert warnings == want["warnings"]


def check_averages(api: APIClient, shelf: Shelf, ask: Any, want: Any) -> None:
    totals = api.get(f"{V1}/mrr/", {"as_of": ask["as_of"]}).json()["totals"]

    for total in totals:
        for window, average in total["average"].items():
            assert average == want[window][total["currency"]]["amount"]
    assert totals


def check_recognized(api: APIClient, shelf: Shelf, ask: Any, want: Any) -> None:
    months = sorted(ask["months"])
    body = api.get(f"{V1}/mrr/series/", {"from": months[0], "to": months[-1]}).json()

    shown = {m["month"]: {r["currency"]: r["amount"] for r in m["recognized"]}
             for m in body["months"]}  # fmt: skip
    assert {month: shown[month] for month in months} == {
        month: {currency: figure["amount"] for currency, figure in figures.items()}
        for month, figures in want.items()
    }


def check_movement(api: APIClient, shelf: Shelf, ask: Any, want: Any) -> None:
    body = api.get(f"{V1}/mrr/movement/", {"from": ask["from"], "to": ask["to"]}).json()
    ours = {str(company.pk): name for name, company in shelf.companies.items()}

    assert [bridge["currency"] for bridge in body["currencies"]] == sorted(want)
    for bridge in body["currencies"]:
        expected = want[bridge["currency"]]
        for name in ("opening", "new", "reactivation", "expansion", "contraction", "churn", "closing"):  # fmt: skip
            nothing = "0" if bridge["currency"] == "JPY" else "0.00"
            assert bridge[name] == expected.get(name, {"amount": nothing})["amount"], name
        assert bridge["rounding_difference"] == expected["rounding_difference"]
        assert {(ours[c["company"]], c["class"]) for c in bridge["companies"]} == {
            (c["company_id"], c["class"]) for c in expected["companies"]
        }
        for company in bridge["companies"]:
            assert company["rows"]


# The contract around the figures


@pytest.fixture
def api(tenant: Tenant) -> APIClient:
    return make_api(tenant)


@pytest.fixture
def company(tenant: Tenant) -> Company:
    company = make_company(tenant)
    make_agreement(company, make_integration(tenant), amount="100")
    stored.refresh(tenant, [company.pk])
    return company


@pytest.mark.parametrize(
    ("path", "query", "field"),
    [
        ("series", {}, "from"),
        ("series", {"from": "2026-01"}, "to"),
        ("series", {"from": "2026-13", "to": "2026-12"}, "from"),
        ("series", {"from": "2026-1", "to": "2026-12"}, "from"),
        ("series", {"from": "٢٠٢٦-01", "to": "2026-12"}, "from"),
        ("series", {"from": "2026-01", "to": "2026-W1"}, "to"),
        ("series", {"from": "2026-05", "to": "2026-04"}, "to"),
        ("series", {"from": "2016-01", "to": "2026-01"}, "to"),
        ("series", {"from": "1800-01", "to": "1800-02"}, "from"),
        ("movement", {}, "from"),
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


def test_an_unchanged_mrr_costs_a_304_and_computes_nothing(
    api: APIClient, company: Company
) -> None:
    paths = [
        f"{V1}/companies/{company.pk}/mrr/",
        f"{V1}/mrr/",
        f"{V1}/mrr/series/?from=2026-01&to=2026-12",
        f"{V1}/mrr/movement/?from=2026-01-01&to=2026-06-01",
    ]
    for path in paths:
        first = api.get(path)
        with CaptureQueriesContext(connection) as queries:
            again = api.get(path, headers={"If-None-Match": first["ETag"]})
        assert (first.status_code, again.status_code) == (200, 304), path
        assert again.content == b""
        assert again["ETag"] == first["ETag"]
        assert not [q for q in queries if "agreements_agreementline" in q["sql"]]


@pytest.mark.parametrize("what", ["choice", "sync", "day", "archive"])
def test_what_changes_a_figure_changes_its_etag(
    api: APIClient, company: Company, what: str, time_machine: Any
) -> None:
    path = f"{V1}/mrr/" if what == "archive" else f"{V1}/companies/{company.pk}/mrr/"
    etag = api.get(path)["ETag"]

    match what:
        case "choice":
            agreement = company.agreements.get()
            api.patch(f"{V1}/agreements/{agreement.pk}/choices/", {"exclude": True})
        case "sync":
            company.agreements.update(amount="200")
            stored.refresh(company.tenant, [company.pk])
        case "day":
            time_machine.move_to(timezone.now() + timedelta(days=1))
        case "archive":
            api.delete(f"{V1}/companies/{company.pk}/")

    again = api.get(path, headers={"If-None-Match": etag})
    assert again.status_code == 200
    assert again["ETag"] != etag


@pytest.mark.parametrize("what", ["link", "unlink", "relink"])
def test_another_source_of_a_figure_changes_its_etag(
    api: APIClient, company: Company, what: str
) -> None:
    path = f"{V1}/companies/{company.pk}/mrr/"
    one, two = make_integration(company.tenant), make_integration(company.tenant)
    link = None if what == "link" else make_link(company, one)
    first = api.get(path)

    match what:
        case "link":
            target = {"integration": str(two.pk), "external_id": make_psa_company(two).external_id}
            assert api.post(f"{V1}/companies/{company.pk}/link/", target).status_code == 200
        case "unlink":
            assert api.post(f"{V1}/companies/{company.pk}/unlink/").status_code == 200
        case "relink":
            CompanyLink.objects.filter(pk=link.pk).update(unlinked_at=timezone.now())
            make_link(company, two)

    again = api.get(path, headers={"If-None-Match": first["ETag"]})
    assert again.status_code == 200
    sources = [answer.json()["source"]["integration"] for answer in (first, again)]
    assert (
        sources
        == {
            "link": [None, str(two.pk)],
            "unlink": [str(one.pk), None],
            "relink": [str(one.pk), str(two.pk)],
        }[what]
    )


def test_what_is_archived_changes_the_etag_whatever_the_clocks_say(
    api: APIClient, company: Company, time_machine: Any
) -> None:
    """Two web servers need not agree on the time."""
    time_machine.move_to(NOON, tick=False)
    other = make_company(company.tenant)
    make_agreement(other, make_integration(company.tenant), amount="7")
    stored.refresh(company.tenant, [company.pk, other.pk])
    answers: list[Any] = []

    def look(of: Company, status: str, seconds: int) -> None:
        time_machine.move_to(NOON + timedelta(seconds=seconds), tick=False)
        api.patch(f"{V1}/companies/{of.pk}/", {"status": status})
        etag = answers[-1]["ETag"] if answers else ""
        answers.append(api.get(f"{V1}/mrr/", headers={"If-None-Match": etag}))

    look(company, "archived", 2)
    look(other, "archived", 1)
    look(company, "active", 0)
    look(other, "active", 0)
    look(other, "active", 0)

    assert [answer.status_code for answer in answers] == [200, 200, 200, 200, 304]
    totals = [[total["amount"] for total in a.json()["totals"]] for a in answers[:4]]
    assert totals == [["7.00"], [], ["100.00"], ["107.00"]]


def test_one_companys_mrr_with_ledger_takes_three_queries(
    tenant: Tenant, django_assert_max_num_queries: Any
) -> None:
    from agreements.selectors import company_figure  # noqa: PLC0415

    company, integration = make_company(tenant), make_integration(tenant)
    for number in range(50):
        agreement = make_agreement(company, integration, external_id=f"A{number}",
                                   parent_external_id="elsewhere")  # fmt: skip
        make_line(agreement)

    with django_assert_max_num_queries(3):
        figure = company_figure(company)

    assert len(figure.agreements) == 50
    assert len(figure.ledger) == 100


def test_a_credit_whose_included_units_are_no_number_is_shown(
    api: APIClient, company: Company
) -> None:
    make_line(company.agreements.get(), quantity="-2", unit_price="10", less_included="NaN")
    stored.refresh(company.tenant, [company.pk])

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
    stored.refresh(company.tenant, [company.pk])

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
    stored.verify([tenant.pk], mend=True)

    def names(**query: str) -> list[str]:
        return [c["name"] for c in api.get(f"{V1}/companies/", query).json()["results"]]

    assert names(ordering="-mrr") == ["B", "A", "C", "D"]
    assert names(ordering="mrr", counting="yes") == ["D", "A", "B"]
    assert names(ordering="-mrr", currency="eur", counting="yes") == ["C"]
    assert names(counting="no") == ["C"]
    assert names(ordering="-mrr", page_size="1") == ["B"]
    assert api.get(f"{V1}/companies/", {"ordering": "size"}).status_code == 400
