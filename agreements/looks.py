"""When a person looked at a company's figure or took it away, and which version it was.

Looks that follow each other are a visit. What is told in a visit is what differs from the first
figure of the visit before, so that nothing passes untold: what changes within a visit is told in
it, and once more in the next one.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Final, NamedTuple

from django.utils import timezone

from agreements import stored_mrr
from agreements.figures import CompanyFigure
from agreements.models import CompanyBook, FigureShown
from agreements.since_shown import Shown, differences_since
from audit_site.tenants.models import User
from companies.models import Company

#: Looks that follow each other within this time are one visit.
VISIT: Final = timedelta(minutes=30)
#: A look is written down again after so long.
SOON: Final = timedelta(minutes=1)
#: The version of a book of which nothing was known yet.
NOTHING_KNOWN: Final = datetime(1970, 1, 1, tzinfo=UTC)


class _Noted(NamedTuple):
    """What is written down: the first figure of this visit, and what it is compared with."""

    visit: Shown
    before: Shown


def version_now(company: Company) -> datetime | None:
    """Since when that is known of a company which is known now. Ask before the figure is worked
    out: what comes in between is told at the next look.
    """
    stored_mrr.refresh_stale(company.tenant, [company.pk])
    rows = CompanyBook.objects.for_tenant(company.tenant).filter(company=company)
    return rows.values_list("kept_from", flat=True).first()


def note_look(company: Company, user: User, figure: CompanyFigure) -> tuple[Shown, Shown]:
    """A person sees a figure and what is new in it: what that is compared with, and the figure."""
    shown = _shown(figure)
    return _note(company, user, shown, tells=True), shown


def note_taken(company: Company, user: User, figure: CompanyFigure) -> None:
    """A person takes a figure away. That of another moment than now is none that they looked at."""
    is_of_now = figure.known_at is None or figure.known_from == version_now(company)
    if is_of_now:
        _note(company, user, _shown(figure), tells=False)


def _shown(figure: CompanyFigure) -> Shown:
    return Shown(timezone.now(), figure.known_from or NOTHING_KNOWN)


def _note(company: Company, user: User, shown: Shown, *, tells: bool) -> Shown:
    """What this look is compared with: the first figure of the visit before, else of this one."""
    rows = FigureShown.objects.for_tenant(company.tenant).filter(company=company, user=user)
    row = rows.first()
    if row is None:
        values = {"at": shown.at, "visit_from": shown.at, "version": shown.version, "told": tells}
        FigureShown.objects.get_or_create(
            tenant=company.tenant, company=company, user=user, defaults=values
        )
        return shown
    noted = _noted(row)
    if shown.at - row.at > VISIT:
        before = noted.visit if _all_was_told(company, row, noted) else noted.before
        rows.update(
            at=shown.at,
            visit_from=shown.at,
            version=shown.version,
            visit_before=before.at,
            version_before=before.version,
            told=tells,
        )
        return before
    if shown.at - row.at > SOON or (tells and not row.told):
        rows.update(at=shown.at, told=tells or row.told)
    return noted.before


def _noted(row: FigureShown) -> _Noted:
    visit = Shown(row.visit_from or row.at, row.version)
    before = Shown(row.visit_before, row.version_before) if row.visit_before else visit
    return _Noted(visit, before)


def _all_was_told(company: Company, row: FigureShown, noted: _Noted) -> bool:
    """Whether the last visit leaves nothing behind: a file that is taken away tells nothing."""
    return row.told or differences_since(company, noted.before, noted.visit) is None
