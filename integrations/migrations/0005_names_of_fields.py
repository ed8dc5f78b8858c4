"""Two fields get the names that the field uses; their columns stay as they are."""

from __future__ import annotations

from django.db import migrations, models

TRIGGERS = [
    ("manual", "Sync Now"),
    ("connect", "Connected"),
    ("schedule", "Schedule"),
    ("import", "Import"),
    ("callback", "Callback"),
]


class Migration(migrations.Migration):
    dependencies = [("integrations", "0004_follow_up")]

    operations = [
        migrations.SeparateDatabaseAndState(
            state_operations=[
                migrations.RenameField("integration", "marks", "watermarks"),
                migrations.AlterField(
                    "integration", "watermarks", models.JSONField(default=dict, db_column="marks")
                ),
                migrations.RenameField("syncrun", "then", "followed_by"),
                migrations.AlterField(
                    "syncrun",
                    "followed_by",
                    models.CharField(
                        blank=True,
                        choices=TRIGGERS,
                        db_column="then",
                        db_default="",
                        default="",
                        max_length=10,
                    ),
                ),
            ]
        )
    ]
