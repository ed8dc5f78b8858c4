"""What people decide about agreements: left out, counted, renewed, replaced; with its history."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from django.db import transaction
from django.utils.dateformat import format as date_text

from agreements import stored_mrr
from agreements.causes import caused_by
from agreements.models import (
    Agreement,
    AgreementChoices,
    AgreementLine,
    ChoiceRecord,
    LineChoices,
)
from audit_site.errors import DomainError, FieldErrors
from audit_site.pages.written import day_written
from audit_site.tenants.audit import record_audit
from audit_site.tenants.models import Tenant, User

AGREEMENT_CHOICES: Final = ("exclude", "force_include", "assume_renewal", "renews")
LINE_CHOICES: Final = ("exclude", "force_include")
MOST_NOTE_LENGTH: Final = 1000


def choose(
    *,
    agreement: Agreement,
    line: AgreementLine | None = None,
    actor: User | None,
    changes: Mapping[str, Any],
    note: str = "",
    refresh: bool = True,
) -> ChoiceRecord | None:
    """Decide something about an agreement, or about one of its lines.

    `changes` are some of `exclude`, `force_include`, `assume_renewal` (booleans) and `renews` (the
    Agreement that this one replaces, or None); a line has the first two. None is returned when it
    was so already. The company's figures follow in the same transaction, unless `refresh` is
    False: then the caller sees to that.
    """
    note = note.strip()
    if len(note) > MOST_NOTE_LENGTH:
        raise _invalid("note", f"A note has at most {MOST_NOTE_LENGTH} characters.")
    _refuse_what_does_not_fit(agreement, line, changes)
    if agreement.set_aside and line is None and changes.get("force_include") and not note:
        raise _invalid("note", "Say why it counts beside what the PSA has.", "required")
    with transaction.atomic():
        row = lock_choices(agreement, line)
        before = _values(row)
        for name, value in changes.items():
            setattr(row, name, value)
        after = _values(row)
        if before == after:
            return None
        row.save()
        record = ChoiceRecord(
            agreement=agreement, line=line, before=before, after=after, note=note, actor=actor
        )
        _keep(record)
        if refresh:
            with caused_by("choice", actor=actor):
                stored_mrr.refresh(agreement.tenant, [agreement.company_id])
    return record


def _keep(record: ChoiceRecord) -> None:
    """Save a decision in its history, and say so in the audit trail."""
    record.tenant_id = record.agreement.tenant_id
    record.actor_name = str(record.actor) if record.actor else ""
    record.save(force_insert=True)
    before, after = record.before, record.after
    changed = sorted(name for name in after if before[name] != after[name])
    record_audit(
        tenant=record.agreement.tenant,
        actor=record.actor,
        action="mrr.choice_made",
        subject=record.line or record.agreement,
        before={name: before[name] for name in changed},
        after={name: after[name] for name in changed},
    )


def undo(*, record: ChoiceRecord, actor: User | None) -> ChoiceRecord | None:
    """Put back what a decision changed, as a decision of its own."""
    changed = [name for name in record.after if record.before.get(name) != record.after[name]]
    changes: dict[str, Any] = {name: record.before.get(name) for name in changed}
    if changes.get("renews"):
        changes["renews"] = (
            Agreement.objects.for_tenant(record.tenant).filter(pk=changes["renews"]).first()
        )
    when = day_written(record.tenant.today(record.at))
    return choose(
        agreement=record.agreement,
        line=record.line,
        actor=actor,
        changes=changes,
        note=f"Undoes the decision of {when}.",
    )


def _invalid(field: str, message: str, code: str = "invalid") -> FieldErrors:
    return FieldErrors([{"field": field, "code": code, "message": message}])


def _refuse_what_does_not_fit(
    agreement: Agreement, line: AgreementLine | None, changes: Mapping[str, Any]
) -> None:
    allowed = LINE_CHOICES if line else AGREEMENT_CHOICES
    for name in changes:
        if name not in allowed:
            raise _invalid(name, f"A line has no {name}; decide that about its agreement.")
    if "renews" not in changes:
        return
    older: Agreement | None = changes["renews"]
    if older is not None:
        _refuse_what_it_can_not_replace(agreement, older)
    if older == _chosen(agreement):
        return
    if _leads_back(agreement, older or _replaced_by_the_psa(agreement)):
        raise DomainError(
            "renewal_circle",
            "The other agreement replaces this one already.",
            "Undo that decision first; what the PSA says itself is changed there.",
        )


def _refuse_what_it_can_not_replace(agreement: Agreement, older: Agreement) -> None:
    if older.pk == agreement.pk:
        raise _invalid("renews", "An agreement can't replace itself.")
    ours = (agreement.company_id, agreement.integration_id)
    if (older.company_id, older.integration_id) != ours:
        raise _invalid("renews", "Both agreements must be of the same company and PSA account.")


def _leads_back(agreement: Agreement, older: Agreement | None) -> bool:
    """Whether what is replaced, and what that replaces in its turn, ends in a circle."""
    seen = {agreement.pk}
    while older is not None and older.pk not in seen:
        seen.add(older.pk)
        older = _replaced(older)
    return older is not None and older.pk == agreement.pk


def _replaced(agreement: Agreement) -> Agreement | None:
    """What an agreement replaces: somebody's choice, or else what the PSA says."""
    return _chosen(agreement) or _replaced_by_the_psa(agreement)


def _chosen(agreement: Agreement) -> Agreement | None:
    choices = AgreementChoices.objects.filter(tenant=agreement.tenant_id, agreement=agreement)
    row = choices.select_related("renews").first()
    return row.renews if row else None


def _replaced_by_the_psa(agreement: Agreement) -> Agreement | None:
    if agreement.renews_external_id in {"", agreement.external_id}:
        return None
    return Agreement.objects.filter(
        tenant=agreement.tenant_id,
        company=agreement.company_id,
        integration=agreement.integration_id,
        external_id=agreement.renews_external_id,
    ).first()


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


def _values(row: AgreementChoices | LineChoices) -> dict[str, Any]:
    """The choices as plain values; an agreement by its id."""
    if isinstance(row, LineChoices):
        return {name: getattr(row, name) for name in LINE_CHOICES}
    values = {name: getattr(row, name) for name in AGREEMENT_CHOICES if name != "renews"}
    return {**values, "renews": str(row.renews_id) if row.renews_id else None}


def choice_history(
    tenant: Tenant, agreements: Sequence[Agreement], until: datetime | None = None
) -> dict[UUID, list[ChoiceRecord]]:
    """What people decided about these agreements and their lines, newest first; `until` a moment,
    None = now.
    """
    found: dict[UUID, list[ChoiceRecord]] = defaultdict(list)
    rows = ChoiceRecord.objects.for_tenant(tenant).filter(
        agreement__in=[row.pk for row in agreements]
    )
    if until is not None:
        rows = rows.filter(at__lte=until)
    for record in rows.order_by("-at", "-id"):
        found[record.line_id or record.agreement_id].append(record)
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
        chosen = records[0].after.get("renews") if records else None
        older = by_id.get(chosen or "")
        if older is not None:
            deciding = (row for row in records if row.before.get("renews") != chosen)
            found.append(Replacement(newer, older, next(deciding, records[-1])))
    return found


def label_of(agreement: Agreement) -> str:
    """An agreement among others of its name: `Gold (id 4100, 1 Jan 2026 to no end)`."""
    start, end = agreement.start_date, None if agreement.no_end else agreement.end_date
    begins = date_text(start, "j M Y") if start else "no start"
    ends = date_text(end, "j M Y") if end else "no end"
    return f"{agreement} (id {agreement.external_id}, {begins} to {ends})"
