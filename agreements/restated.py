"""The bridge between two days as known at two moments: what became known in between is a class of
its own, *restated*, and no movement.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from fractions import Fraction
from typing import Final
from uuid import UUID

from django.db.models import Q

from agreements.as_known import Known, movement_as_known
from agreements.known.differences import Change, Window, changes_between
from agreements.mrr import CompanyMovement, Figure, Movement, money_text
from agreements.mrr.figures import CLASSES as MOVEMENT_CLASSES
from agreements.mrr.figures import merged
from audit_site.tenants.models import Tenant
from companies.models import ArchivedPeriod

NOTHING: Final = Fraction(0)
RESTATED: Final = "restated"
#: What lies between opening and closing, in order.
CLASSES: Final = (RESTATED, *MOVEMENT_CLASSES)


@dataclass(frozen=True, slots=True)
class RestatedCompany:
    """By how much a company's figure of the first day became another; by rows."""

    company_id: str
    exact: Fraction
    changes: list[Change]


@dataclass(frozen=True, slots=True)
class RestatedMovement:
    """The bridge of one currency: opening + restated + the classes = closing, exactly."""

    currency: str
    opening: Fraction
    restated: Fraction
    closing: Fraction
    classes: dict[str, Fraction]
    restated_companies: list[RestatedCompany]
    companies: list[CompanyMovement]

    @property
    def parts(self) -> dict[str, Figure]:
        """What it is printed as, in order."""
        before = {"opening": self.opening, "restated": self.restated}
        parts = {**before, **self.classes, "closing": self.closing}
        return {name: Figure(self.currency, exact) for name, exact in parts.items()}

    @property
    def rounding_difference(self) -> str:
        """By how much the printed closing misses the sum of what is printed before it."""
        *others, closing = (Fraction(part.amount) for part in self.parts.values())
        return money_text(self.currency, closing - sum(others, NOTHING))


def restated_movement(
    tenant: Tenant, before: Known, after: Known, start: date, end: date
) -> list[RestatedMovement]:
    """The bridge from `start` as it was known at `before` to `end` as known at `after`."""
    openings = {figure.currency: figure.exact for figure in _figures(before, start)}
    bridges = {bridge.currency: bridge for bridge in movement_as_known(after, start, end)}
    changes = _changes(tenant, before, after, start)
    restated = _by_currency(changes)
    return [
        _bridge(currency, openings.get(currency, NOTHING), bridges.get(currency), companies)
        for currency in sorted({*openings, *bridges, *restated})
        for companies in [restated.get(currency, [])]
    ]


def _figures(known: Known, on: date) -> list[Figure]:
    return merged(part.engine.mrr(part.book, on) for part in known.parts)


def _bridge(
    currency: str,
    opening: Fraction,
    bridge: Movement | None,
    companies: list[RestatedCompany],
) -> RestatedMovement:
    begins = bridge.opening if bridge else NOTHING
    return RestatedMovement(
        currency,
        opening=opening,
        restated=begins - opening,
        closing=bridge.closing if bridge else NOTHING,
        classes=bridge.classes if bridge else dict.fromkeys(MOVEMENT_CLASSES, NOTHING),
        restated_companies=companies,
        companies=bridge.companies if bridge else [],
    )


def _changes(tenant: Tenant, before: Known, after: Known, on: date) -> list[Change]:
    window = Window(before.at, after.until)
    if window.start == window.end:
        return []
    turned = before.archived ^ after.archived
    since = _status_changes(tenant, turned, window) if turned else {}
    return changes_between(tenant, before.books, after.books, on, window, since)


def _status_changes(
    tenant: Tenant, company_ids: Iterable[str], window: Window
) -> dict[str, datetime]:
    """When these companies were last archived or brought back within a window."""
    rows = ArchivedPeriod.objects.for_tenant(tenant).filter(
        Q(restored_at=None) | Q(restored_at__gt=window.start),
        company__in=[UUID(company_id) for company_id in company_ids],
        archived_at__lte=window.end,
    )
    found: dict[str, datetime] = {}
    for company_id, *moments in rows.values_list("company", "archived_at", "restored_at"):
        known = [at for at in moments if at and window.start < at <= window.end]
        for at in known:
            found[str(company_id)] = max(at, found.get(str(company_id), at))
    return found


def _by_currency(changes: Sequence[Change]) -> dict[str, list[RestatedCompany]]:
    """The companies whose rows became others, by currency; a row of two currencies is in both."""
    grouped: dict[str, dict[str, list[Change]]] = defaultdict(lambda: defaultdict(list))
    for change in changes:
        for currency in sorted({change.currency_before, change.currency_after}):
            grouped[currency][change.company_id].append(change)
    return {currency: _companies(currency, found) for currency, found in grouped.items()}


def _companies(currency: str, found: Mapping[str, list[Change]]) -> list[RestatedCompany]:
    return [
        RestatedCompany(company_id, restated_by(currency, changes), changes)
        for company_id, changes in sorted(found.items())
    ]


def restated_by(currency: str, changes: Iterable[Change]) -> Fraction:
    """What these changes come to in a currency: each row once, however many fields differ."""
    rows = {
        (change.company_id, change.agreement, change.row_id): mrr_in(currency, change)
        for change in changes
    }
    return sum((after - before for before, after in rows.values()), NOTHING)


def mrr_in(currency: str, change: Change) -> tuple[Fraction, Fraction]:
    """What a changed row brings before and after in a currency."""
    before = change.mrr_before if change.currency_before == currency else NOTHING
    after = change.mrr_after if change.currency_after == currency else NOTHING
    return before, after
