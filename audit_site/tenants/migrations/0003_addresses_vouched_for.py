"""Addresses of people whom an operator added count as proved."""

from django.conf import settings
from django.db import migrations

BATCH = 500


def vouch(apps, schema_editor):
    """Make a proved address of each person's own, where nothing else was ever claimed.

    Who already has a row there got it by a page that asked for no proof, or by a question for a new
    password: that stays unproved until a link in an e-mail is opened.
    """
    User = apps.get_model("tenants", "User")
    EmailAddress = apps.get_model("account", "EmailAddress")
    without = User.objects.exclude(pk__in=EmailAddress.objects.values("user")).order_by("pk")
    taken = set(EmailAddress.objects.filter(verified=True).values_list("email", flat=True))
    rows = (
        EmailAddress(user_id=pk, email=email.lower(), verified=True, primary=True)
        for pk, email in without.values_list("pk", "email").iterator()
        if email.lower() not in taken
    )
    EmailAddress.objects.bulk_create(rows, batch_size=BATCH)


class Migration(migrations.Migration):

    dependencies = [
        ("tenants", "0002_invitations_and_proved_addresses"),
        ("account", "0009_emailaddress_unique_primary_email"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [migrations.RunPython(vouch, migrations.RunPython.noop)]
