"""The audit trail as CSV, the same from its page and over REST."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any, Final

from django.db.models import QuerySet
from django.http import StreamingHttpResponse
from django.utils import timezone

from audit_site.pages.downloads import csv_stream
from audit_site.tenants.audit import record_audit
from audit_site.tenants.audit_actions import words_of
from audit_site.tenants.audit_trail import TrailFilter, all_of, list_events
from audit_site.tenants.models import AuditEvent, Tenant, User

HEADER: Final = (
    "At (UTC)", "Actor", "Actor type", "Actor id", "Door", "Address", "Browser", "Request", "Did",
    "Action", "Object", "Object type", "Object id", "Before", "After",
)  # fmt: skip


def trail_csv(tenant: Tenant, actor: User, asked: TrailFilter) -> StreamingHttpResponse:
    """What is asked for of the trail, as it was when the download began; the trail says so too."""
    rows = list_events(tenant, asked).filter(at__lt=timezone.now())
    record_audit(
        tenant=tenant,
        actor=actor,
        action="audit.exported",
        subject=tenant,
        after={
            "actor": asked.actor,
            "action": " ".join(asked.actions),
            "object": asked.object,
            "from": asked.start,
            "to": asked.end,
        },
    )
    return csv_stream(f"audit-trail-{tenant.today()}", HEADER, _rows(rows))


def _rows(rows: QuerySet[AuditEvent]) -> Iterator[tuple[Any, ...]]:
    for event in all_of(rows):
        yield (
            event.at.isoformat(),
            event.actor_name,
            event.actor_type,
            event.actor_id,
            event.door,
            event.ip,
            event.user_agent,
            event.request_id,
            words_of(event.action),
            event.action,
            event.object_name,
            event.object_type,
            event.object_id,
            _json(event.before),
            _json(event.after),
        )


def _json(values: Mapping[str, Any] | None) -> str:
    return "" if values is None else json.dumps(values, ensure_ascii=False)
