from __future__ import annotations

from typing import Any

import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models

ACTS = {"import.undone": "undo_by_id", "import.brought_back": "back_by_id"}


def part_who_undid_from_who_brought_back(apps: Any, schema_editor: Any) -> None:
    """Who brought an import back stood in the place of who had undone it: the audit trail has both.

    What it no longer has stays as it is.
    """
    events = apps.get_model("tenants", "AuditEvent").objects
    batches = apps.get_model("integrations", "ImportBatch").objects
    people = apps.get_model("tenants", "User").objects
    brought = events.filter(action="import.brought_back")
    for batch in batches.exclude(undo_by=None).only("id", "tenant").iterator():
        of_batch = brought.filter(tenant=batch.tenant_id, object_id=str(batch.pk))
        if not of_batch.exists():
            continue
        acts = events.filter(tenant=batch.tenant_id, object_id=str(batch.pk), action__in=ACTS)
        newest = acts.exclude(person_id="").order_by("at", "id")
        who = dict(newest.values_list("action", "person_id"))
        there = {str(pk) for pk in people.filter(pk__in=who.values()).values_list("pk", flat=True)}
        changes = {ACTS[act]: person for act, person in who.items() if person in there}
        if changes:
            batches.filter(pk=batch.pk).update(**changes)


class Migration(migrations.Migration):
    dependencies = [
        ("integrations", "0017_places_of_links"),
        ("tenants", "0010_seal_two_factor_secrets"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.AddField(
            "importbatch",
            "back_by",
            models.ForeignKey(
                blank=True,
                null=True,
                on_delete=django.db.models.deletion.SET_NULL,
                related_name="+",
                to=settings.AUTH_USER_MODEL,
            ),
        ),
        migrations.RunPython(part_who_undid_from_who_brought_back, migrations.RunPython.noop),
    ]
