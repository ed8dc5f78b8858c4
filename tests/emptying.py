"""After a test that commits: empties the tables that it filled, and no others.

Django's own `flush` truncates every table of the product, which costs PostgreSQL some hundred new
files, and builds the walls again; a test fills a handful.
"""

from __future__ import annotations

from typing import Any

from django.contrib.auth.models import Permission
from django.contrib.contenttypes.models import ContentType
from django.db import connection

from audit_site.tenants.audit_chain import maintenance

#: What `migrate` fills, and no test.
OF_MIGRATE = {ContentType._meta.db_table, Permission._meta.db_table}
#: Where the tests' own role may: without a look at each reference to each row.
UNCHECKED = (
    "SELECT set_config('session_replication_role', 'replica', true) FROM pg_roles"
    " WHERE rolname = session_user AND rolsuper"
)
#: Tables past a megabyte: what tests wrote and took back stays in the files, and is looked through.
GROWN = (
    "SELECT relname FROM pg_class WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace"
    " AND pg_relation_size(oid) > 1048576"
)


def empty_what_is_filled(*_: Any) -> None:
    """Stands for `TransactionTestCase._fixture_teardown`."""
    _delete_rows()
    if connection.vendor == "postgresql":
        _shrink_files()


def _delete_rows() -> None:
    with maintenance(), connection.cursor() as cursor:  # the audit trail is emptied as well
        if connection.vendor == "postgresql":
            cursor.execute(UNCHECKED)
        for table in filled_tables():
            cursor.execute(f'DELETE FROM "{table}"')  # noqa: S608  a model's


def _shrink_files() -> None:
    with connection.cursor() as cursor:
        cursor.execute(GROWN)
        for (table,) in cursor.fetchall():
            cursor.execute(f'VACUUM "{table}"')


def filled_tables() -> list[str]:
    names = connection.introspection.django_table_names(only_existing=True, include_views=False)
    looks = (
        f"SELECT '{name}' WHERE EXISTS (SELECT 1 FROM \"{name}\")"  # noqa: S608  models'
        for name in sorted(set(names) - OF_MIGRATE)
    )
    with connection.cursor() as cursor:
        cursor.execute(" UNION ALL ".join(looks))
        return [name for (name,) in cursor.fetchall()]
