"""Indexes that answer the import list's search, filters and paging at 100,000 companies.

On PostgreSQL the search for a part of a name uses a trigram index: with the integration in front
(extensions pg_trgm and btree_gin, both part of PostgreSQL's contrib), so that the companies of other
tenants are never visited; with pg_trgm alone, the rows of others are read and dropped. Creating an
extension needs CREATE on the database (any owner of it has that, the extensions are trusted).

Where the role may not, or contrib is not installed, the migration goes on without the index: the
search finds the same, by reading the integration's companies in `psa_companies_by_name` one by one
(some 25 ms at 100,000 instead of 1). To add the index later, let somebody who may create the
extensions, then run

    CREATE INDEX psa_companies_search ON integrations_psacompanyrecord
        USING gin (integration_id, search_text gin_trgm_ops);
"""

import django.db.models.functions.text
from django.db import DatabaseError, migrations, models, transaction

EXTENSIONS = ("pg_trgm", "btree_gin")
#: The best one first.
SEARCH_INDEXES = (
    "CREATE INDEX psa_companies_search ON integrations_psacompanyrecord"
    " USING gin (integration_id, search_text gin_trgm_ops)",
    "CREATE INDEX psa_companies_search ON integrations_psacompanyrecord"
    " USING gin (search_text gin_trgm_ops)",
)
SAMPLES = "ALTER TABLE integrations_psacompanyrecord ALTER search_text SET STATISTICS %d"


def succeeds(schema_editor, statement):
    """Run a statement that may be refused, and leave the transaction usable."""
    connection = schema_editor.connection
    try:
        with transaction.atomic(using=connection.alias), connection.cursor() as cursor:
            cursor.execute(statement)
    except DatabaseError:
        return False
    return True


def add_search_index(apps, schema_editor):
    if schema_editor.connection.vendor != "postgresql":
        return
    for extension in EXTENSIONS:
        succeeds(schema_editor, f"CREATE EXTENSION IF NOT EXISTS {extension}")
    any(succeeds(schema_editor, statement) for statement in SEARCH_INDEXES)
    # with the usual 100 samples one that has a rare word makes it look frequent to the planner
    schema_editor.execute(SAMPLES % 1000)


def drop_search_index(apps, schema_editor):
    """The extensions stay: others may use them."""
    if schema_editor.connection.vendor == "postgresql":
        schema_editor.execute("DROP INDEX IF EXISTS psa_companies_search")
        schema_editor.execute(SAMPLES % -1)


class Migration(migrations.Migration):
    dependencies = [
        ("integrations", "0002_issues_schedule_marks"),
        ("tenants", "0001_initial"),
    ]

    operations = [
        migrations.RemoveIndex(
            model_name="psacompanyrecord",
            name="psa_companies_importable",
        ),
        migrations.RemoveIndex(
            model_name="psacompanyrecord",
            name="psa_companies_by_name",
        ),
        migrations.AddIndex(
            model_name="psacompanyrecord",
            index=models.Index(
                fields=["tenant", "integration", "importable", "search_text", "external_id"],
                name="psa_companies_importable",
            ),
        ),
        migrations.AddIndex(
            model_name="psacompanyrecord",
            index=models.Index(
                fields=["tenant", "integration", "search_text", "external_id"],
                name="psa_companies_by_name",
            ),
        ),
        migrations.AddIndex(
            model_name="psacompanyrecord",
            index=models.Index(
                models.F("tenant"),
                models.F("integration"),
                django.db.models.functions.text.Upper("status"),
                models.F("search_text"),
                models.F("status"),
                name="psa_companies_by_status",
            ),
        ),
        migrations.RunPython(add_search_index, drop_search_index),
    ]
