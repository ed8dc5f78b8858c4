from __future__ import annotations

from typing import Any

from django.db import migrations, models

from audit_site.tenants.audit_chain import BEGINNING, content_hash, link_hash

AT_ONCE = 200


def bring_over(apps: Any, schema_editor: Any) -> None:
    """Give what was written so far its actor's name, its before and after, and its chain."""
    event_model = apps.get_model("tenants", "AuditEvent")
    link_model = apps.get_model("tenants", "AuditLink")
    for tenant in apps.get_model("tenants", "Tenant").objects.order_by("id"):
        number, head, last = 0, BEGINNING, None
        rows = event_model.objects.filter(tenant=tenant).select_related("actor")
        rows = rows.order_by("at", "id")
        while events := list(_after(rows, last)[:AT_ONCE]):
            links = []
            for event in events:
                _rewrite(event)
                number += 1
                head = link_hash(head, number, event.content_hash)
                links.append(
                    link_model(
                        id=event.pk,
                        tenant=tenant,
                        number=number,
                        at=event.at,
                        content_hash=event.content_hash,
                        hash=head,
                    )
                )
            event_model.objects.bulk_update(
                events,
                ["actor_type", "actor_name", "person_id", "before", "after", "content_hash"],
            )
            link_model.objects.bulk_create(links)
            last = events[-1]


def _after(rows: Any, last: Any) -> Any:
    if last is None:
        return rows
    later = models.Q(at__gt=last.at) | models.Q(at=last.at, id__gt=last.pk)
    return rows.filter(later)


def _rewrite(event: Any) -> None:
    actor, details = event.actor, dict(event.after or {})
    event.actor_type = "user" if actor else "system"
    event.actor_name = (actor.name or actor.email)[:255] if actor else "audIT"
    event.person_id = str(actor.pk) if actor else ""
    before = details.pop("before", None)
    event.before = before if before is None or isinstance(before, dict) else {"value": before}
    after = details.pop("after", {})
    event.after = {**details, **(after if isinstance(after, dict) else {"value": after})} or None
    event.content_hash = content_hash(_Columns(event))


class _Columns:
    """An event with the column that takes the place of the reference to its person."""

    def __init__(self, event: Any) -> None:
        self._event = event

    def __getattr__(self, name: str) -> Any:
        return self._event.person_id if name == "actor_id" else getattr(self._event, name)


class Migration(migrations.Migration):
    dependencies = [("tenants", "0004_audit_origin")]

    operations = [migrations.RunPython(bring_over, migrations.RunPython.noop)]
