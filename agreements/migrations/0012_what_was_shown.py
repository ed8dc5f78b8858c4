from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('agreements', '0011_counted_before'),
    ]

    operations = [
        migrations.AddField(
            model_name='figureshown',
            name='told',
            field=models.BooleanField(db_default=True, default=True),
        ),
        migrations.AddField(
            model_name='figureshown',
            name='version',
            field=models.DateTimeField(blank=True, null=True),
        ),
        migrations.AddField(
            model_name='figureshown',
            name='version_before',
            field=models.DateTimeField(blank=True, null=True),
        ),
        migrations.AddField(
            model_name='figureshown',
            name='visit_from',
            field=models.DateTimeField(blank=True, null=True),
        ),
    ]
