from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from django.db import migrations, models
from django.db.models.functions import TruncDate

BATCH = 1000


def keep_what_replaces_what(apps: Any, schema_editor: Any) -> None:
    """One id becomes a list of one: as the PSA says it, and as people decided it."""
    agreements = apps.get_model("agreements", "Agreement").objects
    named = agreements.filter(renews_external_ids=[]).exclude(renews_external_id="").order_by("pk")
    while found := list(named.only("id", "renews_external_id")[:BATCH]):
        for row in found:
            row.renews_external_ids = [row.renews_external_id]
        agreements.bulk_update(found, ["renews_external_ids"])
    choices = apps.get_model("agreements", "AgreementChoices").objects
    chosen = choices.exclude(renews=None).select_related("agreement", "renews").order_by("pk")
    for some in _slices(chosen):
        decided = [row for row in some if _account(row.renews) == _account(row.agreement)]
        for row in decided:  # of another account it meant nothing
            row.replaced = [row.renews.external_id]
        choices.bulk_update(decided, ["replaced"])
    records = apps.get_model("agreements", "ChoiceRecord").objects.filter(line_pk=None)
    for some in _slices(records.only("id", "before", "after").order_by("pk")):
        told = [row for row in some if row.before.get("renews") or row.after.get("renews")]
        for values in (values for row in told for values in (row.before, row.after)):
            if values.get("renews"):
                values["renews"] = [values["renews"]]
        records.model.objects.bulk_update(told, ["before", "after"])


def leave_what_ran_out_to_its_dates(apps: Any, schema_editor: Any) -> None:
    """What was first read as inactive after its last day had run its course: its dates decide."""
    ran_out = apps.get_model("agreements", "Agreement").objects.filter(
        active=False, no_end=False, end_date__lt=TruncDate("synced_at")
    )
    ran_out.update(active=None)


def _slices(rows: Any) -> Iterator[list[Any]]:
    last = None
    while found := list((rows if last is None else rows.filter(pk__gt=last))[:BATCH]):
        yield found
        last = found[-1].pk


def _account(row: Any) -> Any:
    return row.integration_id, row.source


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
        migrations.RunPython(leave_what_ran_out_to_its_dates, migrations.RunPython.noop),
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
