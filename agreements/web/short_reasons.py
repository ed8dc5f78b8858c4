"""Why a row is left out, in at most six words; its sentence says it whole."""

from __future__ import annotations

from typing import Final

from agreements.mrr import LedgerRow
from audit_site.pages.written import day_written

SHORT: Final = {
    "duplicate_id": "read twice from this source",
    "excluded_by_user": "left out by your team",
    "set_aside": "typed, and set aside",
    "not_recurring": "not a recurring agreement",
    "unknown_currency": "its currency is not known",
    "one_time": "billed once",
    "usage": "billed by use",
    "invalid_dates": "it ends before it starts",
    "inactive": "not active in the PSA",
    "cancelled": "cancelled",
    "superseded": "replaced by its renewal",
    "not_started": "not started yet",
    "before_move": "counts elsewhere until it moved",
    "expired": "ended",
    "incomplete": "not all lines can be read",
    "invalid_amount": "price or quantity is missing",
    "line_excluded_by_user": "left out by your team",
    "do_not_bill": "marked “do not bill”",
    "no_charge": "marked “no charge”",
    "unknown_bill_type": "its way of billing is unknown",
    "unknown_cycle": "its billing cycle is not known",
    "single_cycle": "lives for one cycle only",
    "line_invalid_dates": "it ends before it starts",
    "line_not_started": "not started yet",
    "line_ended": "ended",
    "no_units_for_date": "no unit count for this day",
    "zero_amount": "the amount is zero",
}
#: What is said with the day on which it ended, or with that on which it starts.
WITH_LAST_DAY: Final = frozenset({"expired", "line_ended"})
WITH_FIRST_DAY: Final = frozenset({"not_started", "line_not_started"})


def short_reason(row: LedgerRow) -> str:
    """`ended 31 Jan 2026`, `billed once`."""
    code = row.reason or ""
    if code in WITH_LAST_DAY and row.last_day:
        return f"{SHORT[code]} {day_written(row.last_day)}"
    if code in WITH_FIRST_DAY and row.first_day:
        return f"starts {day_written(row.first_day)}"
    return SHORT.get(code, code)
