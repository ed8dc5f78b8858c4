from __future__ import annotations

from datetime import date

from django.db import migrations, models

#: A day that is over: what is stored already will be worked out when its company's turn comes.
LONG_AGO = date(2000, 1, 1)


class Migration(migrations.Migration):
    dependencies = [("agreements", "0002_agreements_with_parents")]

    operations = [
        migrations.AddField(
            "agreementmrr", "next_change", models.DateField(default=LONG_AGO, null=True, blank=True)
        ),
        migrations.AlterField(
            "agreementmrr", "next_change", models.DateField(null=True, blank=True)
        ),
    ]
