from __future__ import annotations

from django.db import migrations, models


class Migration(migrations.Migration):
    """A token has an end, and says from where it was last used."""

    dependencies = [("tenants", "0006_audit_chain")]

    operations = [
        migrations.RenameField("apitoken", "hint", "prefix"),
        migrations.AddField("apitoken", "expires_at", models.DateTimeField(blank=True, null=True)),
        migrations.AddField(
            "apitoken", "last_used_ip", models.GenericIPAddressField(blank=True, null=True)
        ),
    ]
