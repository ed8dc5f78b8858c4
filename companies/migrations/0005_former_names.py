import django.db.models.deletion
import django.utils.timezone
from django.db import migrations, models

import audit_site.ids


class Migration(migrations.Migration):

    dependencies = [
        ('companies', '0004_primary_choices'),
        ('tenants', '0010_seal_two_factor_secrets'),
    ]

    operations = [
        migrations.CreateModel(
            name='FormerName',
            fields=[
                ('id', models.UUIDField(default=audit_site.ids.new_id, editable=False, primary_key=True, serialize=False)),
                ('name', models.CharField(max_length=255)),
                ('until', models.DateTimeField(default=django.utils.timezone.now)),
                ('company', models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.CASCADE, related_name='+', to='companies.company')),
                ('tenant', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='+', to='tenants.tenant')),
            ],
            options={
                'indexes': [models.Index(fields=['company', 'until'], name='former_names_of_a_company')],
            },
        ),
    ]
