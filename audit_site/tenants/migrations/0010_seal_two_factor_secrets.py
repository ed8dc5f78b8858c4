from audit_site import key_ring
from django.db import migrations

#: As `audit_site.tenants.two_factor_secrets` has them.
BOUND_TO = 'two-factor'
TEXTS = ('secret', 'seed')
LISTS = ('migrated_codes',)


def sealed(text):
    return key_ring.seal(text, BOUND_TO) if key_ring.key_id_of(text) is None else text


def seal(apps, schema_editor):
    """Encrypt the secrets that older releases stored readable; what is encrypted stays as it is."""
    rows = apps.get_model('mfa', 'Authenticator').objects.exclude(type='webauthn')
    for pk in list(rows.order_by('pk').values_list('pk', flat=True)):
        one = rows.select_for_update().filter(pk=pk)
        for data in one.values_list('data', flat=True):
            texts = {name: sealed(data[name]) for name in TEXTS if name in data}
            lists = {name: [sealed(text) for text in data[name]] for name in LISTS if name in data}
            if texts | lists != {name: data[name] for name in texts | lists}:
                one.update(data={**data, **texts, **lists})


class Migration(migrations.Migration):

    dependencies = [
        ('mfa', '0003_authenticator_type_uniq'),
        ('tenants', '0009_one_refused_address'),
    ]

    operations = [migrations.RunPython(seal, migrations.RunPython.noop)]
