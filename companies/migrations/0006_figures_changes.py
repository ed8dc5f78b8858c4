from __future__ import annotations

import django.db.models.deletion
from django.db import migrations, models

import audit_site.ids


class Migration(migrations.Migration):
    dependencies = [("companies", "0005_former_names")]

    operations = [
        migrations.CreateModel(
            "FiguresChange",
            [
                (
                    "id",
                    models.UUIDField(
                        default=audit_site.ids.new_id,
                        editable=False,
                        primary_key=True,
                        serialize=False,
                    ),
                ),
                (
                    "tenant",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="+",
                        to="tenants.tenant",
                    ),
                ),
            ],
        ),
        migrations.AddIndex(
            "company", models.Index(fields=["tenant", "name", "id"], name="companies_in_order")
        ),
    ]
