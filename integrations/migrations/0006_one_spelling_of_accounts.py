"""Accounts that were saved as `host:443|…` or `host.|…`, as they are written since: `host|…`.

Two spellings of one account may both be there: then each stays as it is, for both have links.
"""

import re

from django.db import migrations

from integrations.psa import registry

#: A host that names the port of https, or that ends in a dot.
OTHER_SPELLING = re.compile(r"(?P<host>[^|]*?)(?:\.?:443|\.)\|(?P<rest>.*)", re.DOTALL)


def respell(apps, schema_editor):
    integrations = apps.get_model("integrations", "Integration").objects
    odd = integrations.filter(account_key__contains=":443|") | integrations.filter(
        account_key__contains=".|"
    )
    for integration in odd.order_by("id").iterator(chunk_size=500):
        key = account_key(integration.psa, integration.account_key)
        twins = integrations.filter(
            tenant=integration.tenant_id, psa=integration.psa, account_key=key
        )
        if key and not twins.exists():
            integrations.filter(pk=integration.pk).update(account_key=key)


def account_key(psa, stored):
    """The key of the account as its adapter writes it today; "" where it can't be told.

    What distinguishes two accounts is the server's address and a name: both stand in the key, also
    of a disconnected account, whose credentials are gone.
    """
    found, adapter = OTHER_SPELLING.fullmatch(stored), registry.adapters().get(psa)
    if found is None or adapter is None:
        return ""
    parts = [field for field in adapter.info.fields if field.identifies]
    if [field.type for field in parts] != ["url", "text"]:
        return ""
    address, name = parts
    return adapter.account_key({address.name: found["host"], name.name: found["rest"]})[:255]


class Migration(migrations.Migration):
    dependencies = [("integrations", "0005_names_of_fields")]

    operations = [migrations.RunPython(respell, migrations.RunPython.noop)]
