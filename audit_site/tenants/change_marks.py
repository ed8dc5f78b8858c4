"""How a process knows whether an answer that it has kept is still true.

PostgreSQL leaves a mark with each statement that changes what lists show: whoever writes, by
whichever way, cannot forget it. A kept answer is as good as a new one while nothing was added.
SQLite, which one process writes and few ask, leaves none, and nothing is kept there.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final, NamedTuple

from django.apps import apps
from django.db import connection, connections, models, transaction
from django.db.models import Sum

from audit_site.db import walls
from audit_site.db.statements import RowStatement, asked_id
from audit_site.db.walls.policies import all_models
from audit_site.tenants.models import ChangeMark, PeopleMark, Tenant, User

#: So many marks of one tenant stay as they are; more become one.
MOST_MARKS: Final = 100

_NOTE_CHANGES: Final = """
CREATE OR REPLACE FUNCTION note_changes() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO tenants_changemark (tenant_id, changes) SELECT DISTINCT tenant_id, 1 FROM changed;
    RETURN NULL;
END
$$;
CREATE OR REPLACE FUNCTION note_people() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    UPDATE tenants_peoplemark SET changes = changes + 1;
    RETURN NULL;
END
$$;
"""
_FORGET: Final = """
DROP FUNCTION IF EXISTS note_changes() CASCADE;
DROP FUNCTION IF EXISTS note_people() CASCADE;
"""
_OF_ROWS: Final = {"INSERT": "NEW", "UPDATE": "NEW", "DELETE": "OLD"}
_STANDING: Final = """
SELECT c.relname, t.tgname FROM pg_trigger t JOIN pg_class c ON c.oid = t.tgrelid
WHERE c.relnamespace = current_schema()::regnamespace AND starts_with(t.tgname::text, 'note_')
UNION ALL
SELECT c.relname, '' FROM pg_class c
WHERE c.relnamespace = current_schema()::regnamespace AND c.relkind = 'r'
"""


class _Marks(NamedTuple):
    of_people: int
    of_tenant: int | None


def _marks() -> models.QuerySet[PeopleMark, Any]:
    theirs = ChangeMark.objects.filter(tenant=asked_id(0)).order_by().values("tenant")
    summed: Any = models.Subquery(theirs.annotate(sum=Sum("changes")).values("sum"))
    return PeopleMark.objects.annotate(of_tenant=summed).values_list("changes", "of_tenant")


MARKS: Final = RowStatement(_Marks, _marks)


def changes_of(tenant: Tenant) -> str | None:
    """A text that is another one whenever anything has changed that lists of this tenant show.

    Read it before what it stands for. None: nobody knows. One statement.
    """
    if connection.vendor != "postgresql":
        return None
    marks = MARKS.first(tenant.pk)
    return f"{marks.of_people}.{marks.of_tenant or 0}" if marks else None


def sum_up_marks() -> None:
    """Make one mark of many, tenant by tenant: what they come to stays the same."""
    with walls.as_system("sum_up"):
        numbers = ChangeMark.objects.order_by().values("tenant").annotate(number=models.Count("pk"))
        many = [*numbers.filter(number__gt=MOST_MARKS).values_list("tenant", flat=True)]
    for tenant_id in many:
        with walls.within(tenant_id), transaction.atomic():
            _sum_up(ChangeMark.objects.filter(tenant=tenant_id), tenant_id)


def _sum_up(marks: models.QuerySet[ChangeMark], tenant_id: Any) -> None:
    rows = dict(marks.select_for_update(skip_locked=True).order_by().values_list("pk", "changes"))
    if rows:
        marks.filter(pk__in=rows).delete()
        ChangeMark.objects.create(tenant_id=tenant_id, changes=sum(rows.values()))


# What the database does by itself


def build_marks(*, using: str, **_: Any) -> None:
    """A receiver of `post_migrate`: each table that lists show notes its changes."""
    if connections[using].vendor == "postgresql":
        with walls.as_owner(), connections[using].cursor() as cursor:
            cursor.execute(_STANDING)
            standing: dict[str, set[str]] = {}
            for table, name in cursor.fetchall():
                standing.setdefault(table, set()).add(name)
            if {ChangeMark._meta.db_table, PeopleMark._meta.db_table} <= standing.keys():
                _build(cursor, standing)


def _build(cursor: Any, standing: dict[str, set[str]]) -> None:
    missing = [
        statement
        for table, name, statement in _triggers()
        if name not in standing.get(table, {name})
    ]
    for statement in [_NOTE_CHANGES, *missing] if missing else ():
        cursor.execute(statement)


def _triggers() -> Iterator[tuple[str, str, str]]:
    """Each trigger that there should be: its table, its name, and what makes it."""
    for model in all_models():
        if not getattr(model, "leaves_marks", False):
            continue
        table = model._meta.db_table
        for act, rows in _OF_ROWS.items():
            name = f"note_{act.lower()}"
            yield (
                table,
                name,
                (
                    f'CREATE TRIGGER {name} AFTER {act} ON "{table}" '
                    f"REFERENCING {rows} TABLE AS changed "
                    "FOR EACH STATEMENT EXECUTE FUNCTION note_changes()"
                ),
            )
    table = User._meta.db_table
    yield (
        table,
        "note_names",
        (
            f'CREATE TRIGGER note_names AFTER UPDATE OF name, email ON "{table}" FOR EACH ROW '
            "WHEN ((OLD.name, OLD.email) IS DISTINCT FROM (NEW.name, NEW.email)) "
            "EXECUTE FUNCTION note_people()"
        ),
    )


def forget_marks(using: str) -> None:
    """Before their tables go: nothing is noted any more."""
    if connections[using].vendor == "postgresql":
        with connections[using].cursor() as cursor:
            cursor.execute(_FORGET)


def marked_tables() -> set[str]:
    """The tables of which each change is known."""
    marked = {m._meta.db_table for m in apps.get_models() if getattr(m, "leaves_marks", False)}
    return {*marked, User._meta.db_table}
