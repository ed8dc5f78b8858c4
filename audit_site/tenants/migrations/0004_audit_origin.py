from __future__ import annotations

import django.db.models.deletion
from django.db import migrations, models

import audit_site.ids


def text(length: int) -> models.CharField:
    return models.CharField(blank=True, default="", max_length=length)


class Migration(migrations.Migration):
    """The trail says who did it as they were then, from where, and what was before and after."""

    dependencies = [
        ("tenants", "0003_addresses_vouched_for"),
        ("integrations", "0008_pauses_and_saved_secrets"),  # reads the trail as it was
    ]

    operations = [
        migrations.RemoveIndex("auditevent", "audit_by_time"),
        migrations.RenameField("auditevent", "subject_kind", "object_type"),
        migrations.RenameField("auditevent", "subject_id", "object_id"),
        migrations.RenameField("auditevent", "subject_name", "object_name"),
        migrations.RenameField("auditevent", "details", "after"),
        migrations.AlterField("auditevent", "after", models.JSONField(blank=True, null=True)),
        migrations.AddField("auditevent", "before", models.JSONField(blank=True, null=True)),
        *(
            migrations.AddField("auditevent", name, text(length))
            for name, length in {
                "actor_type": 10,
                "actor_name": 255,
                "person_id": 100,
                "ip": 45,
                "user_agent": 200,
                "door": 10,
                "request_id": 64,
                "content_hash": 64,
            }.items()
        ),
        migrations.CreateModel(
            name="AuditLink",
            fields=[
                (
                    "id",
                    models.UUIDField(
                        default=audit_site.ids.new_id,
                        editable=False,
                        primary_key=True,
                        serialize=False,
                    ),
                ),
                ("number", models.PositiveBigIntegerField()),
                ("at", models.DateTimeField()),
                ("content_hash", models.CharField(max_length=64)),
                ("hash", models.CharField(max_length=64)),
                (
                    "tenant",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="+",
                        to="tenants.tenant",
                    ),
                ),
            ],
            options={
                "constraints": [
                    models.UniqueConstraint(fields=["tenant", "number"], name="one_link_per_number")
                ]
            },
        ),
    ]
