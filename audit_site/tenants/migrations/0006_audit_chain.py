from __future__ import annotations

from typing import Any

from django.db import migrations, models
from django.db.models import F

from audit_site.tenants.audit_triggers import create_triggers, drop_triggers


def keep_ids(apps: Any, schema_editor: Any) -> None:
    apps.get_model("tenants", "AuditEvent").objects.update(actor_id=F("person_id"))


def create(apps: Any, schema_editor: Any) -> None:
    create_triggers(schema_editor.connection)


def drop(apps: Any, schema_editor: Any) -> None:
    drop_triggers(schema_editor.connection)


class Migration(migrations.Migration):
    """From here on the database links each event, and refuses to change one."""

    dependencies = [("tenants", "0005_audit_history")]

    operations = [
        migrations.RemoveField("auditevent", "actor"),
        migrations.AddField(
            "auditevent",
            "actor_id",
            models.CharField(blank=True, default="", max_length=100),
            preserve_default=False,
        ),
        migrations.RunPython(keep_ids, migrations.RunPython.noop),
        migrations.AlterField(
            "auditevent",
            "actor_type",
            models.CharField(
                choices=[
                    ("user", "Person"),
                    ("token", "API token"),
                    ("system", "audIT itself"),
                    ("operator", "Operator"),
                ],
                max_length=10,
            ),
        ),
        migrations.AlterField(
            "auditevent", "actor_name", models.CharField(blank=True, max_length=255)
        ),
        migrations.AlterField(
            "auditevent", "person_id", models.CharField(blank=True, max_length=100)
        ),
        migrations.AlterField("auditevent", "ip", models.CharField(blank=True, max_length=45)),
        migrations.AlterField(
            "auditevent", "user_agent", models.CharField(blank=True, max_length=200)
        ),
        migrations.AlterField(
            "auditevent",
            "door",
            models.CharField(
                blank=True,
                choices=[
                    ("page", "Page"),
                    ("api", "API"),
                    ("command", "Command"),
                    ("worker", "Worker"),
                ],
                max_length=10,
            ),
        ),
        migrations.AlterField(
            "auditevent", "request_id", models.CharField(blank=True, max_length=64)
        ),
        migrations.AlterField("auditevent", "content_hash", models.CharField(max_length=64)),
        migrations.AddIndex(
            "auditevent", models.Index(fields=["tenant", "-at", "-id"], name="audit_by_time")
        ),
        migrations.RunPython(create, drop),
    ]
