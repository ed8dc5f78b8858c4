from __future__ import annotations

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("agreements", "0004_lines_fingerprint")]

    operations = [
        migrations.AddField(
            "agreement",
            "former_type",
            models.CharField(blank=True, default="", max_length=255),
            preserve_default=False,
        ),
        migrations.AddField("agreement", "type_changed_on", models.DateField(blank=True, null=True)),
        migrations.AlterField("agreement", "currency", models.CharField(blank=True, max_length=100)),
        migrations.AlterField("agreementmrr", "currency", models.CharField(max_length=100)),
    ]
