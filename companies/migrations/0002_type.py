from __future__ import annotations

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("companies", "0001_initial")]

    operations = [
        migrations.AddField(
            "company",
            "type",
            models.CharField(
                choices=[("client", "Client"), ("prospect", "Prospect")],
                db_default="client",
                default="client",
                max_length=10,
            ),
        )
    ]
