"""A database that refuses some rows, as a constraint would that nobody has thought of."""

from __future__ import annotations

from django.db import connection, models


def refuse(model: type[models.Model], column: str, value: str) -> None:
    """Until the test ends no new row of a table may have this value: IntegrityError."""
    table, when = model._meta.db_table, f"WHEN (NEW.{column} = '{value}')"
    begin = f"CREATE TRIGGER refusal BEFORE INSERT ON {table} FOR EACH ROW {when}"
    if connection.vendor == "sqlite":
        _run(f"{begin} BEGIN SELECT RAISE(ABORT, 'refused'); END")
        return
    _run(
        "CREATE FUNCTION refusal() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN "
        "RAISE EXCEPTION 'refused' USING ERRCODE = 'check_violation'; END $$"
    )
    _run(f"{begin} EXECUTE FUNCTION refusal()")


def accept(model: type[models.Model]) -> None:
    """Take the refusal back."""
    on = "" if connection.vendor == "sqlite" else f" ON {model._meta.db_table}"
    _run(f"DROP TRIGGER refusal{on}")


def _run(statement: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute(statement)
