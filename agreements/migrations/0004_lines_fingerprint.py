from __future__ import annotations

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("agreements", "0003_next_change_of_agreements")]

    operations = [
        migrations.AddField(
            "agreement",
            "lines_fingerprint",
            models.CharField(blank=True, default="", max_length=32),
            preserve_default=False,
        )
    ]
