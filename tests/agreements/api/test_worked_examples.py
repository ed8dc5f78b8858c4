"""The worked examples, asked over REST of books that are stored."""

from __future__ import annotations

from collections import defaultdict
from decimal import Decimal
from fractions import Fraction
from typing import Any

import pytest
from rest_framework.test import APIClient

from agreements import stored_mrr
from agreements.models import Agreement, AgreementChoices, LineChoices
from agreements.mrr.questions import read_book
from audit_site.tenants.models import Tenant, User
from companies.models import Company
from integrations.models import Integration
from tests.agreements.worked_examples import EXAMPLES, PRACTISED
from tests.clients import V1, api_of
from tests.factories import make_agreement, make_company, make_integration, make_line

#: What is usage is said of a product: no row has it. What is typed has an id of its own.
ASKED = [
    example
    for example in [*EXAMPLES, *PRACTISED]
    if example["ask"]["what"] != "today" and example["id"] not in {"P12", "P23"}
]


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
        stored_mrr.refresh(tenant, [company.pk for company in self.companies.values()])

    def put(self, raw: Any) -> None:
        if raw.source not in self.integrations:
            self.integrations[raw.source] = make_integration(self.tenant, psa=raw.source)
        if raw.company_id not in self.companies:
            self.companies[raw.company_id] = make_company(self.tenant, name=raw.company_id or "-")
        names = (
            "name", "currency", "start_date", "end_date", "no_end", "cancelled", "cancelled_date",
            "recurring", "active", "inactive_from", "cycle", "incomplete",
        )  # fmt: skip
        agreement = make_agreement(
            self.companies[raw.company_id],
            self.integrations[raw.source],
            external_id=raw.id,
            source=raw.source,
            amount=raw.amount,
            parent_external_id=raw.parent_id,
            renews_external_ids=raw.replaced_ids,
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
def test_every_worked_example_comes_over_rest_too(alex: User, tenant: Tenant, example: Any) -> None:
    shelf = Shelf(tenant, example["book"])
    api, want = api_of(alex), example["want"]

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
