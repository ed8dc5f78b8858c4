"""The audit trail: one row per act, whoever did it and wherever from."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from audit_site import log_context
from audit_site.db.lengths import fitted
from audit_site.tenants.audit_chain import content_hash, plain
from audit_site.tenants.models import AuditEvent, Tenant, User
from audit_site.tenants.origin import Door, Origin, operator_name, origin

Actor = AuditEvent.Actor


def record_audit(
    *,
    tenant: Tenant,
    actor: User | None,
    action: str,
    subject: Any,
    before: Mapping[str, Any] | None = None,
    after: Mapping[str, Any] | None = None,
) -> None:
    """Write who did what to which row. Call it inside the transaction of the act itself.

    `action` is one of `audit_site.tenants.audit_actions`. `before` and `after` say of each field
    that changed what it was and what it is: no secret, and of contacts their ids alone. An `actor`
    of None is audIT itself, or the operator who runs a command. Chained by the database when the
    transaction commits, so that nobody waits for the chain in the middle of one.
    """
    source = origin()
    event = AuditEvent(
        tenant_id=tenant.pk,
        **_who(actor, source),
        ip=source.ip,
        user_agent=source.user_agent,
        door=source.door,
        request_id=fitted(AuditEvent, "request_id", log_context.request_id()),
        action=action,
        object_type=subject._meta.model_name,
        object_id=str(subject.pk),
        object_name=fitted(AuditEvent, "object_name", str(subject)),
        before=plain(before),
        after=plain(after),
    )
    event.content_hash = content_hash(event)
    event.save(force_insert=True)


def _who(actor: User | None, source: Origin) -> dict[str, str]:
    """The columns that say who did it, with names as they are now."""
    if actor is None:
        if source.door == Door.COMMAND:
            return {"actor_type": Actor.OPERATOR, "actor_name": operator_name()}
        return {"actor_type": Actor.SYSTEM, "actor_name": "audIT"}
    person_id, token = str(actor.pk), source.token
    if token is None:
        kind, pk, name = Actor.USER, person_id, str(actor)
    else:
        kind, pk, name = Actor.TOKEN, str(token.pk), f"{token} of {actor}"
    return {
        "actor_type": kind,
        "actor_id": pk,
        "actor_name": fitted(AuditEvent, "actor_name", name),
        "person_id": person_id,
    }
