from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from zoneinfo import ZoneInfo

from django.db import migrations, models

from integrations.psa import registry

BATCH = 1000


def say_for_which_link(apps: Any, schema_editor: Any) -> None:
    """What is set aside says which PSA was linked, and when, where its link is known still."""
    rows = apps.get_model("agreements", "Agreement").objects.filter(
        set_aside=True, typed__set_aside_link__isnull=False
    )
    rows = rows.select_related("tenant", "typed__set_aside_link__integration").order_by("pk")
    names = {info.key: info.name for info in registry.infos()}
    for some in _slices(rows):
        for row in some:
            link = row.typed.set_aside_link
            row.set_aside_psa = names.get(link.integration.psa, link.integration.psa)
            row.set_aside_since = link.linked_at.astimezone(ZoneInfo(row.tenant.timezone)).date()
        rows.model.objects.bulk_update(some, ["set_aside_psa", "set_aside_since"])


def _slices(rows: Any) -> Iterator[list[Any]]:
    last = None
    while found := list((rows if last is None else rows.filter(pk__gt=last))[:BATCH]):
        yield found
        last = found[-1].pk


class Migration(migrations.Migration):
    dependencies = [
        ("agreements", "0013_as_it_is_practised"),
        ("integrations", "0017_places_of_links"),
        ("tenants", "0010_seal_two_factor_secrets"),
    ]

    operations = [
        migrations.AddField(
            "agreement",
            "set_aside_psa",
            models.CharField(blank=True, db_default="", default="", max_length=100),
        ),
        migrations.AddField("agreement", "set_aside_since", models.DateField(blank=True, null=True)),
        migrations.RunPython(say_for_which_link, migrations.RunPython.noop),
    ]
