"""When agreements and lines end that their PSA shows no more."""

from __future__ import annotations

from datetime import date, datetime, timedelta

from agreements import mrr
from audit_site.tenants.models import Tenant

ONE_DAY = timedelta(days=1)


def end_gone(agreement: mrr.Agreement, gone_at: datetime | None, tenant: Tenant) -> None:
    if gone_at is not None:
        _end(agreement, tenant.today(gone_at) - ONE_DAY)


def _end(agreement: mrr.Agreement, last_day: date) -> None:
    """Out of MRR after this day, if it was in: a cancellation without a date never was."""
    if agreement.cancelled is not False:
        if agreement.cancelled_date is not None:
            last_day = min(last_day, agreement.cancelled_date)
        elif agreement.cancelled:
            return
    agreement.cancelled, agreement.cancelled_date = True, last_day


def end_before(agreement: mrr.Agreement, day: date) -> None:
    """Out of MRR from a day on, as one that its PSA no longer shows."""
    _end(agreement, day - ONE_DAY)


def settle_line(
    line: mrr.Line, gone_at: datetime | None, forced: bool | None, tenant: Tenant
) -> None:
    if gone_at is not None:
        line.gone_from = tenant.today(gone_at)
    if forced:
        line.one_time = False
