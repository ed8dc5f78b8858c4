from __future__ import annotations

from datetime import date
from typing import Any

from django.db import migrations, models


def mark_all(apps: Any, schema_editor: Any) -> None:
    """Nothing is known yet of agreements' days: `pass_days` works all books out, within minutes."""
    books = apps.get_model("agreements", "CompanyBook").objects
    books.update(computed_on=None, next_change=date(2000, 1, 1))


class Migration(migrations.Migration):
    dependencies = [("agreements", "0002_agreements_with_parents")]

    operations = [
        migrations.AddField("agreementmrr", "next_change", models.DateField(null=True, blank=True)),
        migrations.RunPython(mark_all, migrations.RunPython.noop, elidable=True),
    ]
