from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("integrations", "0019_undone_and_brought_back")]

    operations = [
        migrations.AddField(
            "companylink",
            "ended_unread",
            models.BooleanField(db_default=False, default=False),
        ),
    ]
