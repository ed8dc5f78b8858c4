"""What a sync run did to records, before and after side by side, as a person reads it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal, InvalidOperation
from typing import Any, Final
from uuid import UUID

from audit_site.pages.written import day_written, moment_written
from companies.models import Company
from integrations.models import PsaCompanyRecord, SyncEvent, SyncRun
from integrations.web.record_names import Key, RecordName, record_names

#: Names of ours that say nothing to a person.
HIDDEN: Final = frozenset(
    {"integration_id", "agreement_id", "source", "fingerprint", "position", "search_text"}
)
LABELS: Final = {
    "company_id": "audITee",
    "company_external_id": "Company",
    "parent_external_id": "Parent agreement",
    "renews_external_ids": "Renews",
    "inactive_from": "Inactive from",
    "merged_into": "Merged into",
    "default_contact_id": "Default contact",
    "is_own": "Our own company",
    "is_deleted": "Deleted",
    "is_merged": "Merged",
    "is_active": "Active",
    "is_default": "Default contact",
    "no_end": "Without an end",
    "less_included": "Less what is included",
    "cycle": "Cycle",
    "cycle_label": "Billing cycle",
    "url": "Address",
    "changed_at": "Changed in the PSA",
}
MONEY: Final = frozenset({"amount", "unit_price"})
NUMBERS: Final = frozenset({"quantity", "less_included"})
LONGEST: Final = 200
NOTHING: Final = "nothing"


@dataclass(frozen=True, slots=True)
class Line:
    """One value of a record; `before` is None where there was no record before."""

    label: str
    before: str | None
    after: str


@dataclass(frozen=True, slots=True)
class DescribedEvent:
    """An event with its values in words, what its record is called, and whose it is."""

    event: SyncEvent
    lines: list[Line]
    name: str
    known: RecordName


def describe_events(run: SyncRun, events: Iterable[SyncEvent]) -> list[DescribedEvent]:
    """The events of one page, each with the values that differ (all values of a new record).

    Six statements at the most: for the names of companies, and for each kind of records.
    """
    shown = list(events)
    names, known = _names(run, shown), _known(run, shown)
    return [_described(event, names, known) for event in shown]


def _known(run: SyncRun, events: list[SyncEvent]) -> dict[Key, RecordName]:
    """What is stored of the records; a company that came with its name has no other owner."""
    asked = [event for event in events if event.kind != "company" or not event.name]
    return record_names(run.integration, [(event.kind, event.external_id) for event in asked])


def _described(
    event: SyncEvent, names: dict[tuple[str, str], str], known: dict[Key, RecordName]
) -> DescribedEvent:
    record = known.get((event.kind, event.external_id), RecordName())
    return DescribedEvent(event, _lines(event, names), event.name or record.name, record)


def _names(run: SyncRun, events: list[SyncEvent]) -> dict[tuple[str, str], str]:
    """What the companies are called that the values refer to: by member and id."""
    wanted: dict[str, set[str]] = {"company_id": set(), "company_external_id": set()}
    for event in events:
        for values in (event.before or {}, event.after or {}):
            for member, ids in wanted.items():
                if value := values.get(member):
                    ids.add(str(value))
    found: dict[tuple[str, str], str] = {}
    if ids := wanted["company_id"]:
        ours = Company.objects.filter(tenant=run.tenant_id, pk__in=[UUID(id_) for id_ in ids])
        found |= {("company_id", str(pk)): name for pk, name in ours.values_list("pk", "name")}
    if ids := wanted["company_external_id"]:
        theirs = PsaCompanyRecord.objects.filter(
            tenant=run.tenant_id, integration=run.integration_id, external_id__in=ids
        )
        found |= {
            ("company_external_id", id_): f"{name} ({id_})"
            for id_, name in theirs.values_list("external_id", "name")
        }
    return found


def _lines(event: SyncEvent, names: dict[tuple[str, str], str]) -> list[Line]:
    before, after = event.before, event.after or {}
    return [
        Line(
            label_of(member),
            None if before is None else names.get((member, str(old)), value_of(member, old)),
            names.get((member, str(value)), value_of(member, value)),
        )
        for member, value in sorted(after.items(), key=lambda pair: label_of(pair[0]).lower())
        if member not in HIDDEN
        for old in [(before or {}).get(member)]
    ]


def label_of(member: str) -> str:
    words = LABELS.get(member) or member.removesuffix("_id").replace("_", " ")
    return words if member in LABELS else words[:1].upper() + words[1:]


def value_of(member: str, value: Any) -> str:
    """A value as a person writes it: dates, times and numbers in their own format."""
    if value is None or value in ("", [], {}):
        return NOTHING
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, dict) and set(value) == {"unknown"}:
        return str(value["unknown"])
    if isinstance(value, list | dict):
        return f"{len(value)} entr{'y' if len(value) == 1 else 'ies'}"
    text = str(value)
    return _as_time(member, text) or _as_number(member, text) or _short(text)


def _as_time(member: str, text: str) -> str:
    try:
        if member.endswith("_date"):
            return day_written(date.fromisoformat(text))
        if member.endswith("_at"):
            return moment_written(datetime.fromisoformat(text), seconds=True)
    except ValueError:
        pass
    return ""


def _as_number(member: str, text: str) -> str:
    """Without zeros that say nothing; money keeps its cents."""
    if member not in MONEY | NUMBERS:
        return ""
    try:
        number = Decimal(text)
    except InvalidOperation:
        return ""
    if not number.is_finite():
        return ""
    exponent = number.normalize().as_tuple().exponent
    places = max(-int(exponent), 2 if member in MONEY else 0)
    return f"{number:,.{places}f}"


def _short(text: str) -> str:
    return text if len(text) <= LONGEST else f"{text[: LONGEST - 1]}…"
