import django.db.models.deletion
from django.db import migrations, models


def note_subjects(apps, schema_editor):
    """What each decision was about, by value: it outlives that."""
    rows = apps.get_model('agreements', 'ChoiceRecord').objects.filter(agreement_pk=None)
    rows = rows.select_related('agreement', 'line').order_by('pk')
    columns = ['agreement_pk', 'line_pk', 'source', 'external_id', 'name', 'line_name']
    while found := list(rows[:1000]):
        for record in found:
            agreement, line = record.agreement, record.line
            record.agreement_pk, record.line_pk = record.agreement_id, record.line_id
            record.source, record.external_id = agreement.source, agreement.external_id
            record.name = agreement.name or agreement.external_id
            record.line_name = (line.description or line.product or line.external_id) if line else ''
        rows.model.objects.bulk_update(found, columns)


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
        migrations.AddField(
            model_name='choicerecord',
            name='agreement_pk',
            field=models.UUIDField(null=True),
        ),
        migrations.AddField(
            model_name='choicerecord',
            name='line_pk',
            field=models.UUIDField(blank=True, null=True),
        ),
        migrations.AddField(
            model_name='choicerecord',
            name='source',
            field=models.CharField(default='', max_length=40),
            preserve_default=False,
        ),
        migrations.AddField(
            model_name='choicerecord',
            name='external_id',
            field=models.CharField(default='', max_length=100),
            preserve_default=False,
        ),
        migrations.AddField(
            model_name='choicerecord',
            name='name',
            field=models.CharField(default='', max_length=255),
            preserve_default=False,
        ),
        migrations.AddField(
            model_name='choicerecord',
            name='line_name',
            field=models.CharField(blank=True, default='', max_length=255),
            preserve_default=False,
        ),
        migrations.RunPython(note_subjects, migrations.RunPython.noop),
        migrations.AlterField(
            model_name='choicerecord',
            name='agreement_pk',
            field=models.UUIDField(),
        ),
        migrations.AlterField(
            model_name='choicerecord',
            name='agreement',
            field=models.ForeignKey(blank=True, null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='+', to='agreements.agreement'),
        ),
        migrations.AlterField(
            model_name='choicerecord',
            name='line',
            field=models.ForeignKey(blank=True, null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='+', to='agreements.agreementline'),
        ),
        migrations.RemoveIndex(
            model_name='choicerecord',
            name='choices_of_agreement',
        ),
        migrations.AddIndex(
            model_name='choicerecord',
            index=models.Index(fields=['tenant', 'agreement_pk', 'at'], name='choices_of_agreement'),
        ),
    ]
