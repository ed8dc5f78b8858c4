"""What only an earlier reading can tell of an agreement or a line that has changed since.

A PSA says how a record is, not since when. An agreement that ran keeps its past when its PSA marks
it inactive, and a line whose end moves on under the same id was billed again.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, timedelta
from uuid import UUID

from agreements.models import Agreement, AgreementLine
from integrations.importing.record_store import Change, Changes

ONE_DAY = timedelta(days=1)


def note_earlier_readings(
    changes: Changes[Agreement], read_before: Mapping[UUID, date], today: date
) -> None:
    """Remember of changed agreements what their type was and since when, and from which day on they
    are inactive. `read_before`: by company, the day of the reading before this one.
    """
    changed = []
    for change in changes.written:
        before, row = change.before or {}, change.row
        if before.get("type"):
            row.former_type, row.type_changed_on = before["type"], today
            changed.append(row)
        if "active" in before or change.kind == "returned":
            row.inactive_from = _inactive_from(change, read_before.get(row.company_id), today)
            changed.append(row)
    fields = ["former_type", "type_changed_on", "inactive_from"]
    Agreement.objects.bulk_update(dict.fromkeys(changed), fields)


def _inactive_from(change: Change[Agreement], read_on: date | None, today: date) -> date | None:
    """The day after the reading that had it active, or after its end if that lies in between."""
    row = change.row
    if row.active is not False:
        return None
    if read_on is None or (change.before or {}).get("active", row.active) is False:
        return row.inactive_from
    ended_between = row.end_date is not None and read_on <= row.end_date < today
    last_day = row.end_date if ended_between and row.end_date else read_on
    return last_day + ONE_DAY


def note_moved_ends(changes: Changes[AgreementLine]) -> None:
    """Remember of lines that their end has moved on: they have recurred, however short they are."""
    moved = [
        change.row for change in changes.written if _has_moved_on(change) and change.row.end_date
    ]
    for line in moved:
        line.has_recurred = True
    AgreementLine.objects.bulk_update(moved, ["has_recurred"])


def _has_moved_on(change: Change[AgreementLine]) -> bool:
    ended, ends = ((values or {}).get("end_date") for values in (change.before, change.after))
    return change.kind == "updated" and bool(ended and ends and ended < ends)
