"""The audit trail: one row per act of a person."""

from __future__ import annotations

from typing import Any

from audit_site.db.lengths import fitted
from audit_site.tenants.models import AuditEvent, Tenant, User


def record_audit(
    *,
    tenant: Tenant,
    actor: User | None,
    action: str,
    subject: Any,
    **details: Any,
) -> None:
    """Write who did what to which row. Call it inside the transaction of the act itself."""
    AuditEvent.objects.create(
        tenant=tenant,
        actor=actor,
        action=action,
        subject_kind=subject._meta.model_name,
        subject_id=str(subject.pk),
        subject_name=fitted(AuditEvent, "subject_name", str(subject)),
        details=details,
    )
