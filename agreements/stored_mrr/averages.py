"""Companies' averages: worked out from a book, and from what is stored as of a later month."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from fractions import Fraction
from uuid import UUID

from agreements import mrr
from agreements.mrr.averages import (
    AveragedMonths,
    Rates,
    add_earning,
    in_order,
    read_stretches,
    stretches_text,
)
from agreements.mrr.money import exact_text
from agreements.mrr.prepared import Stretch
from agreements.stored_mrr.tables import AVERAGES, AverageValues, Owners, Rows, stored_rows

NOTHING = Fraction(0)


class Earned:
    """What the companies of a chunk earn, gathered agreement by agreement."""

    def __init__(self, days: Mapping[UUID, date]) -> None:
        """`days`: today, by tenant."""
        months = {day.replace(day=1) for day in days.values()}
        self._of_month = {month: AveragedMonths(month) for month in months}
        self._months = {pk: self._of_month[day.replace(day=1)] for pk, day in days.items()}

    @property
    def since(self) -> dict[UUID, date]:
        """By tenant, the day from which on something counts for averages."""
        return {pk: months.first for pk, months in self._months.items()}

    def of_company(self, company_id: str, tenant_id: UUID) -> EarnedByCompany:
        return EarnedByCompany(company_id, self._months[tenant_id])

    def rolled(self, owners: Owners) -> Rows[AverageValues]:
        """What is stored, as of this month; without what has no part in its averages any more."""
        found: Rows[AverageValues] = {}
        for key, (id_, values) in stored_rows(AVERAGES, owners).items():
            months = self._months[owners[values.company_id].pk]
            if (now := as_of_month(values, months)) is not None:
                found[key] = (id_, now)
        return found


class EarnedByCompany:
    """What a company earns, by currency."""

    def __init__(self, company_id: str, months: AveragedMonths) -> None:
        self._company_id, self._months = company_id, months
        self._rates: dict[str, Rates] = {}

    def add(self, item: mrr.Prepared) -> None:
        add_earning(self._rates, item, self._months.first.toordinal())

    def values(self) -> list[AverageValues]:
        return [
            _values(self._company_id, currency, in_order(rates), self._months)
            for currency, rates in self._rates.items()
        ]


def as_of_month(values: AverageValues, months: AveragedMonths) -> AverageValues | None:
    """What is stored of a currency, as of another month; None = nothing counts for it any more."""
    if values.month == months.month:
        return values
    stretches = read_stretches(values.stretches, months.first)
    if not stretches:
        return None
    return _values(values.company_id, values.currency, stretches, months)


def _values(
    company_id: str,
    currency: str,
    stretches: list[Stretch],
    months: AveragedMonths,
) -> AverageValues:
    means = months.means(stretches)
    trailing, forward = (exact_text(means.get(name, NOTHING)) for name in mrr.WINDOWS)
    return AverageValues(
        company_id, currency, months.month, trailing, forward, stretches_text(stretches)
    )
