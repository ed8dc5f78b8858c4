"""A person's pause, who saved a secret and who disconnected, and address changes to tell of.

All of it may be missing: processes of the release before go on beside it.
"""

from __future__ import annotations

from typing import Any

import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models


def name_who_disconnected(apps: Any, schema_editor: Any) -> None:
    """Who it was stands in the audit trail."""
    Integration = apps.get_model("integrations", "Integration")
    AuditEvent = apps.get_model("tenants", "AuditEvent")
    for integration in Integration.objects.filter(status="disconnected"):
        events = AuditEvent.objects.filter(
            tenant=integration.tenant_id,
            action="integration.disconnected",
            subject_id=str(integration.pk),
        )
        event = events.exclude(actor=None).order_by("-at").first()
        if event is not None:
            Integration.objects.filter(pk=integration.pk).update(disconnected_by=event.actor_id)


def person() -> models.ForeignKey[Any, Any]:
    return models.ForeignKey(
        blank=True,
        null=True,
        on_delete=django.db.models.deletion.SET_NULL,
        related_name="+",
        to=settings.AUTH_USER_MODEL,
    )


class Migration(migrations.Migration):
    dependencies = [
        ("integrations", "0007_words"),
        ("tenants", "0001_initial"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.AddField(
            "integration", "on_pause_since", models.DateTimeField(blank=True, null=True)
        ),
        migrations.AddField(
            "integration", "on_pause_until", models.DateTimeField(blank=True, null=True)
        ),
        migrations.AddField("integration", "on_pause_by", person()),
        migrations.AddField("integration", "disconnected_by", person()),
        migrations.AddField(
            "integration", "secrets_saved", models.JSONField(db_default={}, default=dict)
        ),
        migrations.AddField("integration", "address_change", models.JSONField(blank=True, null=True)),
        migrations.RunPython(name_who_disconnected, migrations.RunPython.noop, elidable=True),
    ]
