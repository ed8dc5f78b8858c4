"""What people decide about agreements: left out, counted, renewed, replaced; with its history."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from django.db import transaction
from django.db.models import QuerySet
from django.utils.dateformat import format as date_text

from agreements import stored_mrr
from agreements.causes import caused_by
from agreements.decision_rules import (
    AGREEMENT_CHOICES,
    LINE_CHOICES,
    invalid,
    refuse_what_does_not_fit,
)
from agreements.models import (
    Agreement,
    AgreementChoices,
    AgreementLine,
    ChoiceRecord,
    LineChoices,
)
from agreements.mrr.words import CYCLE, read_meaning_of
from audit_site.db.bulk import AnyOf
from audit_site.errors import DomainError
from audit_site.pages.written import day_written
from audit_site.tenants.audit import record_audit
from audit_site.tenants.models import Tenant, User
from companies.models import Company

#: Choices that are a list; nothing chosen is stored as null.
LISTS: Final = ("renews", "right")
#: What changes no figure needs no reason.
NO_FIGURE: Final = {"right"}
MOST_NOTE_LENGTH: Final = 1000


def choose(
    *,
    agreement: Agreement,
    line: AgreementLine | None = None,
    actor: User | None,
    changes: Mapping[str, Any],
    note: str = "",
    seen: str | None = None,
    repeats: bool = False,
    refresh: bool = True,
) -> ChoiceRecord | None:
    """Decide something about an agreement, or about one of its lines.

    `changes` are some of `exclude`, `force_include`, `assume_renewal` (booleans), `renews` (the
    Agreements that this one replaces; none = what the PSA says), `cycle` (a name or a structure,
    None = what the PSA says) and `right` (codes of warnings that are right as it is); a line has no
    `assume_renewal` and no `renews`. None is returned when it was so already; what changes a figure
    needs a note. `seen` is the id of the newest decision about it that the actor has seen, "" =
    there was none: where somebody decided since, it is refused (`decided_meanwhile`); None = the
    actor means it whatever it is now. What `repeats` an earlier decision may contradict itself as
    that one did. The company's figures follow in the same transaction, unless `refresh` is False:
    then the caller sees to that.
    """
    note = note.strip()
    if len(note) > MOST_NOTE_LENGTH:
        raise invalid("note", f"A note has at most {MOST_NOTE_LENGTH} characters.")
    with transaction.atomic():
        _hold_company(agreement)
        if seen is not None:
            _refuse_what_was_decided_meanwhile(agreement, line, seen)
        row = lock_choices(agreement, line)
        refuse_what_does_not_fit(agreement, line, changes, row, repeats=repeats)
        before = _values(row, agreement)
        for name, value in changes.items():
            setattr(row, name, _as_stored(name, value))
        after = _values(row, agreement)
        if before == after:
            return None
        if not note and any(before[name] != after[name] for name in after.keys() - NO_FIGURE):
            raise invalid("note", _why(agreement, after), "required")
        row.save()
        record = ChoiceRecord(before=before, after=after, note=note, actor=actor)
        _keep(record, agreement, line)
        if refresh:
            with caused_by("choice", actor=actor):
                stored_mrr.refresh(agreement.tenant, [agreement.company_id])
    return record


def say_right(
    *,
    agreement: Agreement,
    line: AgreementLine | None = None,
    code: str,
    actor: User | None,
    note: str = "",
) -> ChoiceRecord | None:
    """Say that what is warned of is right as it is: it is in doubt no more. No figure changes."""
    with transaction.atomic():
        row = lock_choices(agreement, line)
        right = {*(row.right or ()), code}
        changes = {"right": sorted(right)}
        return choose(agreement=agreement, line=line, actor=actor, changes=changes, note=note)


def _keep(record: ChoiceRecord, agreement: Agreement, line: AgreementLine | None) -> None:
    """Save a decision in its history, and say so in the audit trail."""
    record.tenant_id = agreement.tenant_id
    record.agreement, record.agreement_pk = agreement, agreement.pk
    record.line, record.line_pk = line, line.pk if line else None
    record.source, record.external_id = agreement.source, agreement.external_id
    record.name, record.line_name = str(agreement), str(line) if line else ""
    record.actor_name = str(record.actor) if record.actor else ""
    record.save(force_insert=True)
    before, after = record.before, record.after
    changed = sorted(name for name in after if before[name] != after[name])
    record_audit(
        tenant=record.agreement.tenant,
        actor=record.actor,
        action="mrr.choice_made",
        subject=line or agreement,
        before={name: before[name] for name in changed},
        after={name: after[name] for name in changed},
    )


def undo(*, record: ChoiceRecord, actor: User | None) -> ChoiceRecord | None:
    """Put back what a decision changed, as a decision of its own; not where that is gone."""
    agreement = record.agreement
    if agreement is None or (record.line is None and record.line_pk):
        raise DomainError("not_found", "What this decision was about is no more.", status=404)
    changed = [name for name in record.after if record.before.get(name) != record.after[name]]
    changes: dict[str, Any] = {name: record.before.get(name) for name in changed}
    if "renews" in changes:
        ids = changes["renews"] or []
        changes["renews"] = Agreement.objects.for_tenant(record.tenant).filter(pk__in=ids)
    when = day_written(record.tenant.today(record.at))
    return choose(
        agreement=agreement,
        line=record.line,
        actor=actor,
        changes=changes,
        note=f"Undoes the decision of {when}.",
        repeats=True,
    )


def newest_decision(agreement: Agreement, line: AgreementLine | None) -> ChoiceRecord | None:
    """The newest decision about an agreement, or about one of its lines."""
    rows = ChoiceRecord.objects.for_tenant(agreement.tenant).filter(
        agreement_pk=agreement.pk, line_pk=line.pk if line else None
    )
    return rows.order_by("-at", "-id").first()


def _refuse_what_was_decided_meanwhile(
    agreement: Agreement, line: AgreementLine | None, seen: str
) -> None:
    newest = newest_decision(agreement, line)
    if newest is None or str(newest.pk) == seen:
        return
    who, when = newest.actor_name or "A program", agreement.tenant.today(newest.at)
    raise DomainError(
        "decided_meanwhile",
        f"{who} decided about this on {day_written(when)}: look again. Nothing was saved.",
    )


def _why(agreement: Agreement, after: Mapping[str, Any]) -> str:
    """What a decision without a note is asked."""
    if agreement.set_aside and after["force_include"]:
        return "Say why it counts beside what the PSA has."
    return "Say why: it stands beside the figure."


def _hold_company(agreement: Agreement) -> None:
    """Nobody else decides about the company's agreements meanwhile: together they could close a
    circle.
    """
    rows = Company.objects.for_tenant(agreement.tenant).select_for_update(no_key=True)
    rows.filter(pk=agreement.company_id).first()


def _as_stored(name: str, value: Any) -> Any:
    if name == "renews":
        value = [one.external_id for one in value]
    if name == "cycle":
        return read_meaning_of(CYCLE, value)
    return sorted(set(value or ())) or None if name in LISTS else value


def lock_choices(
    agreement: Agreement, line: AgreementLine | None = None
) -> AgreementChoices | LineChoices:
    """The choices about an agreement or one of its lines, held until the transaction ends."""
    if line is not None:
        LineChoices.objects.get_or_create(tenant_id=agreement.tenant_id, line=line)
        return LineChoices.objects.select_for_update().get(tenant=agreement.tenant_id, line=line)
    AgreementChoices.objects.get_or_create(tenant_id=agreement.tenant_id, agreement=agreement)
    rows = AgreementChoices.objects.select_for_update()
    return rows.get(tenant=agreement.tenant_id, agreement=agreement)


def _values(row: AgreementChoices | LineChoices, agreement: Agreement) -> dict[str, Any]:
    """The choices as plain values; agreements by our ids."""
    if isinstance(row, LineChoices):
        values = {name: getattr(row, name) for name in LINE_CHOICES}
    else:
        values = {name: getattr(row, name) for name in AGREEMENT_CHOICES}
        values["renews"] = [str(one.pk) for one in chosen_renewals(agreement, row)]
    return {**values, "right": values["right"] or []}


def chosen_renewals(agreement: Agreement, choices: AgreementChoices | None) -> QuerySet[Agreement]:
    """What somebody decided that an agreement replaces."""
    ids = (choices.renews if choices else None) or []
    rows = Agreement.objects.for_tenant(agreement.tenant).filter(
        company=agreement.company_id, integration=agreement.integration_id, external_id__in=ids
    )
    return (rows if ids else rows.none()).order_by("start_date", "id")


def choice_history(
    tenant: Tenant, agreements: Sequence[Agreement], until: datetime | None = None
) -> dict[UUID, list[ChoiceRecord]]:
    """What people decided about these agreements and their lines, newest first; `until` a moment,
    None = now.
    """
    found: dict[UUID, list[ChoiceRecord]] = defaultdict(list)
    rows = ChoiceRecord.objects.for_tenant(tenant).filter(
        AnyOf("agreement_pk", [row.pk for row in agreements])
    )
    if until is not None:
        rows = rows.filter(at__lte=until)
    for record in rows.order_by("-at", "-id"):
        found[record.subject_pk].append(record)
    return found


@dataclass(frozen=True, slots=True)
class Replacement:
    """Somebody decided that one agreement replaces another: `record` says who, when and why."""

    newer: Agreement
    older: Agreement
    record: ChoiceRecord

    @property
    def newer_label(self) -> str:
        return label_of(self.newer)

    @property
    def older_label(self) -> str:
        return label_of(self.older)


def replacements(
    agreements: Sequence[Agreement], history: Mapping[UUID, Sequence[ChoiceRecord]]
) -> list[Replacement]:
    """Which of these agreements replace which, as decided by people; no query.

    `history` is that of `choice_history`.
    """
    by_id = {str(row.pk): row for row in agreements}
    found = []
    for newer in agreements:
        records = history.get(newer.pk, ())
        chosen = (records[0].after.get("renews") if records else None) or []
        for older in (by_id[id_] for id_ in chosen if id_ in by_id):
            deciding = (row for row in records if str(older.pk) not in _replaced_before(row))
            found.append(Replacement(newer, older, next(deciding, records[-1])))
    return found


def _replaced_before(record: ChoiceRecord) -> list[str]:
    return record.before.get("renews") or []


def label_of(agreement: Agreement) -> str:
    """An agreement among others of its name: `Gold (id 4100, 1 Jan 2026 to no end)`."""
    return f"{agreement} ({which_one(agreement)})"


def which_one(agreement: Agreement) -> str:
    """What tells an agreement from others of its name: `id 4100, 1 Jan 2026 to no end`."""
    start, end = agreement.start_date, None if agreement.no_end else agreement.end_date
    begins = date_text(start, "j M Y") if start else "no start"
    ends = date_text(end, "j M Y") if end else "no end"
    return f"id {agreement.external_id}, {begins} to {ends}"
