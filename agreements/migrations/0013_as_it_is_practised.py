from __future__ import annotations

from typing import Any

from django.db import migrations, models

BATCH = 1000


def keep_what_replaces_what(apps: Any, schema_editor: Any) -> None:
    """One id becomes a list of one: as the PSA says it, and as people decided it."""
    agreements = apps.get_model("agreements", "Agreement").objects
    named = agreements.exclude(renews_external_id="").only("id", "renews_external_id")
    changed = []
    for row in named.iterator(chunk_size=BATCH):
        row.renews_external_ids = [row.renews_external_id]
        changed.append(row)
    agreements.bulk_update(changed, ["renews_external_ids"], batch_size=BATCH)
    choices = apps.get_model("agreements", "AgreementChoices").objects
    decided = []
    for row in choices.exclude(renews=None).select_related("agreement", "renews"):
        same_account = row.renews.integration_id == row.agreement.integration_id
        row.replaced = [row.renews.external_id] if same_account else None
        decided.append(row)
    choices.bulk_update(decided, ["replaced"], batch_size=BATCH)
    records = apps.get_model("agreements", "ChoiceRecord").objects
    told = []
    for row in records.filter(line=None).only("id", "before", "after").iterator(chunk_size=BATCH):
        for values in (row.before, row.after):
            if values.get("renews"):
                values["renews"] = [values["renews"]]
        told.append(row)
    records.bulk_update(told, ["before", "after"], batch_size=BATCH)


class Migration(migrations.Migration):
    dependencies = [("agreements", "0012_shown_and_decided")]

    operations = [
        migrations.AddField("agreement", "inactive_from", models.DateField(blank=True, null=True)),
        migrations.AddField(
            "agreementline", "has_recurred", models.BooleanField(db_default=False, default=False)
        ),
        migrations.AddField(
            "agreement",
            "renews_external_ids",
            models.JSONField(
                blank=True, db_default=models.Value([], models.JSONField()), default=list
            ),
        ),
        migrations.AddField(
            "agreementchoices", "replaced", models.JSONField(blank=True, null=True)
        ),
        migrations.RunPython(keep_what_replaces_what, migrations.RunPython.noop),
        migrations.RemoveField("agreement", "renews_external_id"),
        migrations.RemoveField("agreementchoices", "renews"),
        migrations.RenameField("agreementchoices", "replaced", "renews"),
        migrations.AddField("agreementchoices", "right", models.JSONField(blank=True, null=True)),
        migrations.AddField("linechoices", "right", models.JSONField(blank=True, null=True)),
        migrations.AddField("agreementchoices", "cycle", models.JSONField(blank=True, null=True)),
        migrations.AddField("linechoices", "cycle", models.JSONField(blank=True, null=True)),
        migrations.AddField(
            "agreementmrr",
            "doubts",
            models.CharField(blank=True, db_default="", default="", max_length=100),
        ),
        migrations.AddIndex(
            "agreementmrr",
            models.Index(
                condition=~models.Q(doubts=""), fields=["tenant"], name="agreements_in_doubt"
            ),
        ),
    ]
