"""What follows from when a record is read, and from what an earlier reading had of it.

A PSA says how a record is, not since when. An agreement that ran keeps its past when its PSA marks
it inactive, and a line whose end moves on under the same id was billed again.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import replace
from datetime import date, timedelta
from uuid import UUID

from django.db.models import Max, QuerySet

from agreements.models import Agreement, AgreementLine
from audit_site.db.bulk import AnyOf
from audit_site.tenants.models import Tenant
from integrations.importing.record_store import Change, Changes
from integrations.importing.said_words import NO_WORDS, CompanyWords, company_words, means_active
from integrations.models import CompanyLink, Integration
from integrations.psa.contract import PsaAgreement

ONE_DAY = timedelta(days=1)


def left_to_its_dates(
    record: PsaAgreement, today: date, *, is_known_out: bool = False
) -> PsaAgreement:
    """The agreement as it is read today: one that is marked inactive after its last day has run
    out, which its dates say already, and since when.

    Not one that a reading saw inactive before its end (`is_known_out`): that its end has passed
    since brings back no day on which it was out.
    """
    end = None if record.no_end else record.end_date
    if record.active is not False or is_known_out or end is None or end >= today:
        return record
    return replace(record, active=None)


def is_out(active: bool | None, status: str, words: CompanyWords) -> bool:
    """Whether an agreement was read as inactive: as somebody said of its status, else as the
    adapter read it.
    """
    return active is not None and not means_active(words, status, is_active=active)


def ids_known_out(
    known: QuerySet[Agreement], incoming: Collection[PsaAgreement], integration: Integration
) -> set[str]:
    """Which of these agreements readings saw inactive before their end. Not where the PSA has
    another end since: that is said of the days between, too.
    """
    ends = {record.external_id: record.end_date for record in incoming if record.active is False}
    if not ends:
        return set()
    rows = known.filter(AnyOf("external_id", ends), active=False)
    columns = ("external_id", "status", "inactive_from", "end_date")
    found = {
        id_: status
        for id_, status, out, end in rows.values_list(*columns)
        if end == ends[id_] and went_out_before(out, end)
    }
    words = company_words(integration) if found else NO_WORDS
    return {id_ for id_, status in found.items() if is_out(False, status, words)}


def went_out_before(out: date | None, end: date | None) -> bool:
    """Whether an inactive agreement did not run its course; `out` = since when, where known."""
    return out is None or end is None or out <= end


def first_day_out(read_on: date | None, former_end: date | None, today: date) -> date:
    """From when on an agreement is out that is read as inactive now, and was not before.

    It was in force on the day of that reading, if it had not ended by then. `read_on` None = on a
    day that nobody noted: it was in force until now.
    """
    last_days = [read_on or today - ONE_DAY, former_end]
    return min(day for day in last_days if day) + ONE_DAY


def has_moved_on(former_end: date | None, end: date | None) -> bool:
    """Whether a line that is read again ends later: then it has been billed more than once."""
    return former_end is not None and end is not None and former_end < end


def days_read(integration: Integration, companies: Collection[UUID]) -> dict[UUID, date]:
    """On which day agreements of these audITees were last read from this account, through whatever
    link. One statement.
    """
    links = CompanyLink.objects.of(integration).filter(AnyOf("company_id", companies))
    newest = links.filter(read_at__isnull=False).values("company_id").annotate(at=Max("read_at"))
    found = newest.order_by().values_list("company_id", "at")
    return {company_id: integration.tenant.today(at) for company_id, at in found}


def note_earlier_readings(
    changes: Changes[Agreement], integration: Integration, today: date
) -> None:
    """Remember of changed agreements what their type was and since when, and from which day on they
    are inactive. Call it before this reading is noted at their links.
    """
    retyped = [change for change in changes.written if (change.before or {}).get("type")]
    for change in retyped:
        change.row.former_type = (change.before or {})["type"]
        change.row.type_changed_on = today
    told = [c for c in changes.written if {"active", "status"} & (c.before or {}).keys()]
    words = company_words(integration) if told else NO_WORDS
    switched = [change for change in told if _was_out(change, words) is not _is_out(change, words)]
    stopped = {change.row.company_id for change in switched if _is_out(change, words)}
    read_on = days_read(integration, stopped) if stopped else {}
    for change in switched:
        out = _first_day_out(change, read_on, integration.tenant, today)
        change.row.inactive_from = out if _is_out(change, words) else None
    fields = ["former_type", "type_changed_on", "inactive_from"]
    rows = dict.fromkeys(change.row for change in (*retyped, *switched))
    Agreement.objects.bulk_update(rows, fields)


def _is_out(change: Change[Agreement], words: CompanyWords) -> bool:
    return is_out(change.row.active, change.row.status, words)


def _was_out(change: Change[Agreement], words: CompanyWords) -> bool:
    before, row = change.before or {}, change.row
    return is_out(before.get("active", row.active), before.get("status", row.status), words)


def _first_day_out(
    change: Change[Agreement], read_on: Mapping[UUID, date], tenant: Tenant, today: date
) -> date:
    before = change.before or {}
    end = None if before.get("no_end", change.row.no_end) else _end_before(change)
    days = [read_on.get(change.row.company_id)]
    if change.gone_at is not None:  # what was gone was not in force either
        days.append(tenant.today(change.gone_at) - ONE_DAY)
    return first_day_out(min((day for day in days if day), default=None), end, today)


def note_moved_ends(changes: Changes[AgreementLine]) -> None:
    """Remember of lines that their end has moved on: they have recurred, however short they are."""
    moved = [
        change.row
        for change in changes.written
        if change.before and has_moved_on(_end_before(change), change.row.end_date)
    ]
    for line in moved:
        line.has_recurred = True
    AgreementLine.objects.bulk_update(moved, ["has_recurred"])


def _end_before(change: Change[Agreement] | Change[AgreementLine]) -> date | None:
    """The end date that it had before it changed."""
    before = change.before or {}
    if "end_date" not in before:
        return change.row.end_date
    return date.fromisoformat(before["end_date"]) if before["end_date"] else None
