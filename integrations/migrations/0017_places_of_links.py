import zoneinfo

from django.db import migrations, models


def note_days(apps, schema_editor):
    """Since which day what moved counts. Links that a person had ended say so from now on: an undo
    of what followed does not lead back to them.
    """
    Link = apps.get_model("integrations", "CompanyLink")
    Contact = apps.get_model("companies", "Contact")
    moved = Link.objects.exclude(moved_from=None)
    for link in moved.select_related("tenant").defer("before", "left").iterator():
        zone = zoneinfo.ZoneInfo(link.tenant.timezone)
        day = link.linked_at.astimezone(zone).date()
        Link.objects.filter(pk=link.pk).update(counts_from=day)
    ended = Link.objects.exclude(unlinked_at=None).filter(undone_at=None, left=None)
    ended = ended.exclude(pk__in=moved.values("moved_from")).select_related("company")
    for link in ended.defer("before").iterator():
        primary = Contact.objects.filter(company=link.company_id, is_primary=True).first()
        left = {"type": link.company.type, "primary": str(primary.pk) if primary else None}
        Link.objects.filter(pk=link.pk).update(left=left)


class Migration(migrations.Migration):

    dependencies = [
        ("integrations", "0016_import_choices"),
        ("companies", "0003_archived_periods"),
    ]

    operations = [
        migrations.AddField(
            model_name="companylink",
            name="counts_from",
            field=models.DateField(blank=True, null=True),
        ),
        migrations.RunPython(note_days, migrations.RunPython.noop),
    ]
