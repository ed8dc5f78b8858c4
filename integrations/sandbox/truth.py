"""How every sandbox reports its own truth: one shape, one rounding, no code of the product."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from decimal import ROUND_HALF_UP, Decimal
from fractions import Fraction
from typing import Any, Final

NO_CENTS: Final = {"JPY"}


@dataclass(frozen=True, slots=True)
class CompanyTruth:
    """A company as it should come out: why it can't be imported, and its agreements by id, each
    with its currency and exact MRR (None = nothing of it counts).
    """

    id: str
    name: str
    reasons: list[str]
    agreements: Mapping[str, tuple[str, Fraction | None]]


def written(record: Mapping[str, Any], name: str) -> date | None:
    """The calendar date of a member, as it is written there."""
    text = record.get(name)
    return date.fromisoformat(text[:10]) if text else None


def exact(value: Any) -> Fraction:
    return Fraction(Decimal(str(value)))


def report(on: date, companies: Iterable[CompanyTruth]) -> dict[str, Any]:
    """The whole truth of a sandbox, as of a day."""
    reported: dict[str, Any] = {}
    totals: dict[str, Fraction] = defaultdict(Fraction)
    for company in companies:
        sums: dict[str, Fraction] = defaultdict(Fraction)
        for currency, amount in company.agreements.values():
            if amount is not None:
                sums[currency] += amount
        reported[company.id] = {
            "name": company.name,
            "importable": not company.reasons,
            "reasons": company.reasons,
            "agreements": {
                id_: {
                    "counts": amount is not None,
                    "currency": currency,
                    "exact": fraction_text(amount or Fraction(0)),
                    "amount": rounded(currency, amount or Fraction(0)),
                }
                for id_, (currency, amount) in company.agreements.items()
            },
            "mrr": amounts(sums),
        }
        if not company.reasons:
            for currency, amount in sums.items():
                totals[currency] += amount
    return {"as_of": on.isoformat(), "companies": reported, "importable_totals": amounts(totals)}


def amounts(sums: Mapping[str, Fraction]) -> list[dict[str, str]]:
    return [
        {"currency": currency, "amount": rounded(currency, amount), "exact": fraction_text(amount)}
        for currency, amount in sorted(sums.items())
    ]


def rounded(currency: str, amount: Fraction) -> str:
    """Half away from zero, to the currency's smallest unit."""
    places = 0 if currency in NO_CENTS else 2
    scaled = abs(amount) * 10**places
    whole = int(scaled + Fraction(1, 2))
    value = Decimal(whole).scaleb(-places)
    signed = -value if amount < 0 and whole else value
    return str(signed.quantize(Decimal(1).scaleb(-places), ROUND_HALF_UP))


def fraction_text(amount: Fraction) -> str:
    return f"{amount.numerator}/{amount.denominator}"
