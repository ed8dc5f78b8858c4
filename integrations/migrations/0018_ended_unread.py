from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("integrations", "0017_places_of_links")]

    operations = [
        migrations.AddField(
            "companylink",
            "ended_unread",
            models.BooleanField(db_default=False, default=False),
        ),
    ]
