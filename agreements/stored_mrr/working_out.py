"""What the stored rows should be: companies' books, worked out by the engine."""

from __future__ import annotations

import gc
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import date
from fractions import Fraction
from typing import Final
from uuid import UUID

from agreements import books, mrr
from agreements.mrr.doubts import POSSIBLE_OVERLAP, doubts_of, overlapping
from agreements.mrr.money import exact_text, minor_units
from agreements.stored_mrr.averages import Earned
from agreements.stored_mrr.tables import AgreementValues, AverageValues, CompanyValues, Owners

#: The next change of an agreement that never changes by itself. None = it is not known.
NEVER: Final = date.max
LARGEST_MINOR: Final = 2**63 - 1
NOTHING: Final = Fraction(0)


@contextmanager
def collector_paused() -> Iterator[None]:
    """No search for cycles while books are worked out: we cut the only ones there are ourselves.

    A fifth of the time goes into that search otherwise (`make bench`).
    """
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()


@dataclass(slots=True)
class Expected:
    """What the rows should be."""

    companies: list[CompanyValues] = field(default_factory=list)
    agreements: list[AgreementValues] = field(default_factory=list)
    averages: list[AverageValues] = field(default_factory=list)
    next_change: dict[str, date] = field(default_factory=dict)


def work_out(
    owners: Owners,
    days: Mapping[UUID, date],
    still: Mapping[str, AgreementValues],
    texts: dict[str, books.CompanyText] | None,
    earned: Earned | None,
) -> Expected:
    """`still`: agreements of which is known what they come to. `texts` is filled with the books,
    `earned` with what they earn; None = that is as stored.
    """
    expected = Expected()
    since = days if earned is None else earned.since
    books_now = books.prepare_by_company(owners, since, known=still, texts=texts)
    for company_id, prepared in books_now.items():
        tenant_id = owners[company_id].pk
        on = days[tenant_id]
        earns = earned and earned.of_company(company_id, tenant_id)
        sums: dict[str, Fraction] = {}
        changes = []
        doubtful = overlapping(prepared, on.toordinal())
        for item in (item for item in prepared if item.is_own):
            overlaps = id(item) in doubtful
            values = still.get(item.agreement.ref)
            if values is None:
                values, exact = _work_out_agreement(item, company_id, on, overlaps=overlaps)
                if earns:
                    earns.add(item)
                item.forget_rows()
            else:
                values = _still_in_doubt(values, item, overlaps=overlaps)
                exact = Fraction(values.exact)
            expected.agreements.append(values)
            if values.included:
                sums[values.currency] = sums.get(values.currency, NOTHING) + exact
            if values.next_change and values.next_change < NEVER:
                changes.append(values.next_change)
        expected.companies += [
            CompanyValues(company_id, currency, exact_text(exact), _minor(currency, exact))
            for currency, exact in sums.items()
        ]
        if earns:
            expected.averages += earns.values()
        if changes:
            expected.next_change[company_id] = min(changes)
    return expected


def _work_out_agreement(
    item: mrr.Prepared, company_id: str, on: date, *, overlaps: bool
) -> tuple[AgreementValues, Fraction]:
    summary = mrr.summary(item, on)
    values = AgreementValues(
        summary.ref,
        company_id,
        summary.currency,
        exact_text(summary.exact),
        _minor(summary.currency, summary.exact),
        summary.included,
        summary.reason or "",
        item.last_day,
        mrr.next_change(item, on) or NEVER,
        ",".join(doubts_of(item, on.toordinal(), overlaps=overlaps)),
    )
    return values, summary.exact


def _still_in_doubt(
    values: AgreementValues, item: mrr.Prepared, *, overlaps: bool
) -> AgreementValues:
    """With the doubt that another agreement may have brought or taken today."""
    others = [code for code in values.doubts.split(",") if code not in {"", POSSIBLE_OVERLAP}]
    is_open = overlaps and values.included and POSSIBLE_OVERLAP not in (item.agreement.right or ())
    return values._replace(doubts=",".join([POSSIBLE_OVERLAP, *others] if is_open else others))


def _minor(currency: str, exact: Fraction) -> int:
    return max(min(minor_units(currency, exact), LARGEST_MINOR), -LARGEST_MINOR)
