import django.db.models.deletion
import django.utils.timezone
from django.db import migrations, models
from django.db.models.functions import Coalesce

import audit_site.ids


def note_archived(apps, schema_editor):
    """Those that are archived now, since when they are."""
    Company = apps.get_model("companies", "Company")
    Period = apps.get_model("companies", "ArchivedPeriod")
    rows = Company.objects.filter(status="archived").annotate(since=Coalesce("archived_at", "updated_at"))
    periods = (
        Period(tenant_id=tenant, company_id=pk, archived_at=since)
        for pk, tenant, since in rows.values_list("pk", "tenant_id", "since").iterator()
    )
    Period.objects.bulk_create(periods, batch_size=1000)


class Migration(migrations.Migration):

    dependencies = [
        ('companies', '0002_type'),
        ('tenants', '0001_initial'),
    ]

    operations = [
        migrations.CreateModel(
            name='ArchivedPeriod',
            fields=[
                ('id', models.UUIDField(default=audit_site.ids.new_id, editable=False, primary_key=True, serialize=False)),
                ('archived_at', models.DateTimeField(default=django.utils.timezone.now)),
                ('restored_at', models.DateTimeField(blank=True, null=True)),
                ('company', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='+', to='companies.company')),
                ('tenant', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='+', to='tenants.tenant')),
            ],
            options={
                'constraints': [models.UniqueConstraint(condition=models.Q(('restored_at', None)), fields=('tenant', 'company'), name='archived_once_at_a_time')],
            },
        ),
        migrations.RunPython(note_archived, migrations.RunPython.noop),
    ]
