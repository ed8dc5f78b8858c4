from __future__ import annotations

from typing import Any

from django.db import migrations

ACTS = {"import.undone": "undo_by_id", "import.brought_back": "back_by_id"}


def part_who_undid_from_who_brought_back(apps: Any, schema_editor: Any) -> None:
    """Who brought an import back stood in the place of who had undone it: the audit trail has both.

    What it no longer has stays as it is.
    """
    events = apps.get_model("tenants", "AuditEvent").objects
    batches = apps.get_model("integrations", "ImportBatch").objects
    people = apps.get_model("tenants", "User").objects
    brought = events.filter(action="import.brought_back")
    for tenant, batch in set(brought.values_list("tenant_id", "object_id")):
        acts = events.filter(tenant=tenant, object_id=batch, action__in=ACTS)
        newest = acts.exclude(person_id="").order_by("at", "id")
        who = dict(newest.values_list("action", "person_id"))
        there = {str(pk) for pk in people.filter(pk__in=who.values()).values_list("pk", flat=True)}
        changes = {ACTS[act]: person for act, person in who.items() if person in there}
        if changes:
            batches.filter(tenant=tenant, pk=batch).update(**changes)


class Migration(migrations.Migration):
    dependencies = [
        ("integrations", "0018_who_brought_back"),
        ("tenants", "0010_seal_two_factor_secrets"),
    ]

    operations = [
        migrations.RunPython(part_who_undid_from_who_brought_back, migrations.RunPython.noop),
    ]
