from typing import Any

import django.db.models.deletion
from django.db import migrations, models

from audit_site.tenants.change_marks import forget_marks


def begin_to_count(apps: Any, schema_editor: Any) -> None:
    apps.get_model("tenants", "PeopleMark").objects.create()


def stop_noting(apps: Any, schema_editor: Any) -> None:
    forget_marks(schema_editor.connection.alias)


class Migration(migrations.Migration):
    dependencies = [("tenants", "0010_seal_two_factor_secrets")]

    operations = [
        migrations.CreateModel(
            name="PeopleMark",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("changes", models.BigIntegerField(default=0)),
            ],
        ),
        migrations.CreateModel(
            name="ChangeMark",
            fields=[
                ("id", models.BigAutoField(primary_key=True, serialize=False)),
                ("changes", models.BigIntegerField(default=1)),
                (
                    "tenant",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="+",
                        to="tenants.tenant",
                    ),
                ),
            ],
            options={"abstract": False},
        ),
        migrations.RunPython(begin_to_count, stop_noting),
    ]
