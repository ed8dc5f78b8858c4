import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("integrations", "0020_ended_unread"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.AddField(
            "companylink",
            "undone_with_batch",
            models.BooleanField(db_default=False, default=False),
        ),
        migrations.AddField(
            "linkbatch", "back_at", models.DateTimeField(blank=True, null=True)
        ),
        migrations.AddField(
            "linkbatch",
            "back_by",
            models.ForeignKey(
                blank=True,
                null=True,
                on_delete=django.db.models.deletion.SET_NULL,
                related_name="+",
                to=settings.AUTH_USER_MODEL,
            ),
        ),
        migrations.AddField(
            "linkbatch",
            "not_back",
            models.JSONField(db_default=models.Value([], models.JSONField()), default=list),
        ),
    ]
