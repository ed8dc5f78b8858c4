from __future__ import annotations

from datetime import date
from typing import Any

import django.db.models.deletion
from django.db import migrations, models

import audit_site.ids


def mark_books(apps: Any, _: Any) -> None:
    """No averages are stored yet: all books are to be worked out again, by the clock."""
    books = apps.get_model("agreements", "CompanyBook").objects
    books.update(
        version=models.F("version") + 1, computed_on=None, next_change=date(2000, 1, 1)
    )


OWNED: list[tuple[str, Any]] = [
    (
        "id",
        models.UUIDField(
            default=audit_site.ids.new_id, editable=False, primary_key=True, serialize=False
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
]


class Migration(migrations.Migration):
    dependencies = [
        ("agreements", "0014_set_aside_since"),
        ("companies", "0006_figures_changes"),
    ]

    operations = [
        migrations.CreateModel(
            "CompanyAverage",
            [
                *OWNED,
                (
                    "company",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="+",
                        to="companies.company",
                    ),
                ),
                ("currency", models.CharField(max_length=10)),
                ("month", models.DateField()),
                ("trailing12", models.TextField()),
                ("forward12", models.TextField()),
                ("stretches", models.TextField()),
            ],
            options={
                "constraints": [
                    models.UniqueConstraint(
                        fields=("tenant", "company", "currency"), name="one_average_per_currency"
                    )
                ]
            },
        ),
        migrations.CreateModel(
            "TenantBook",
            [
                *OWNED,
                ("version", models.PositiveBigIntegerField(default=0)),
                ("month", models.DateField(blank=True, null=True)),
                ("companies", models.PositiveIntegerField(default=0)),
                ("totals", models.JSONField(default=list)),
            ],
            options={
                "constraints": [
                    models.UniqueConstraint(fields=("tenant",), name="one_book_per_tenant")
                ]
            },
        ),
        migrations.RunPython(mark_books, migrations.RunPython.noop),
    ]
