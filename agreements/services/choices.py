"""What people decide about agreements and lines: each with a note, a name and a time, undoable."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from django.db import transaction

from agreements.models import (
    Agreement,
    AgreementChoices,
    AgreementLine,
    ChoiceRecord,
    LineChoices,
)
from agreements.services import stored
from audit_site.errors import DomainError, FieldErrors
from audit_site.tenants.audit import record_audit
from audit_site.tenants.models import User

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
) -> ChoiceRecord | None:
    """Decide something about an agreement, or about one of its lines.

    `changes` are some of `exclude`, `force_include`, `assume_renewal` (booleans) and `renews` (the
    Agreement that this one replaces, or None); a line has the first two. None is returned when it
    was so already. The company's figures follow in the same transaction.
    """
    note = note.strip()
    if len(note) > MOST_NOTE_LENGTH:
        raise _invalid("note", f"A note has at most {MOST_NOTE_LENGTH} characters.")
    _refuse_what_does_not_fit(agreement, line, changes)
    with transaction.atomic():
        row = _locked(agreement, line)
        before = _values(row)
        for name, value in changes.items():
            setattr(row, name, value)
        after = _values(row)
        if before == after:
            return None
        row.save()
        record = ChoiceRecord.objects.create(
            tenant_id=agreement.tenant_id,
            agreement=agreement,
            line=line,
            before=before,
            after=after,
            note=note,
            actor=actor,
            actor_name=str(actor) if actor else "",
        )
        record_audit(
            tenant=agreement.tenant,
            actor=actor,
            action="mrr.choice_made",
            subject=line or agreement,
            fields=sorted(name for name in after if before[name] != after[name]),
        )
        stored.refresh(agreement.tenant, [agreement.company_id])
    return record


def undo(*, record: ChoiceRecord, actor: User | None) -> ChoiceRecord | None:
    """Put back what a decision changed, as a decision of its own."""
    changed = [name for name in record.after if record.before.get(name) != record.after[name]]
    changes: dict[str, Any] = {name: record.before.get(name) for name in changed}
    if changes.get("renews"):
        changes["renews"] = (
            Agreement.objects.for_tenant(record.tenant).filter(pk=changes["renews"]).first()
        )
    when = record.tenant.today(record.at).isoformat()
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
    older: Agreement | None = changes.get("renews")
    if older is None:
        return
    if older.pk == agreement.pk:
        raise _invalid("renews", "An agreement can't replace itself.")
    ours = (agreement.company_id, agreement.integration_id)
    if (older.company_id, older.integration_id) != ours:
        raise _invalid("renews", "Both agreements must be of the same company and PSA account.")
    seen, step = {agreement.pk}, older
    while step is not None:
        if step.pk in seen:
            raise DomainError(
                "renewal_circle",
                "The other agreement replaces this one already.",
                "Undo that decision first.",
            )
        seen.add(step.pk)
        chosen = AgreementChoices.objects.filter(tenant=step.tenant_id, agreement=step).first()
        step = chosen.renews if chosen and chosen.renews else None  # type: ignore[assignment]


def _locked(agreement: Agreement, line: AgreementLine | None) -> AgreementChoices | LineChoices:
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
