"""The database: there, up to date, of a known version, and with both walls between tenants."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Final

from django.db import connection
from django.db.migrations.executor import MigrationExecutor
from django.utils import timezone

from audit_site.doctor.findings import Finding, counted, failing, ok, warning
from audit_site.doctor.settings_checks import is_local

#: What the product is tested on; Django itself wants 14.
LEAST_VERSION: Final = 15
SKEW_WARNING, SKEW_FAILING = 2.0, 30.0
#: Names that are written out before the rest is only counted.
NAMED: Final = 5

ROLES: Final = """
SELECT rolname, rolsuper, rolbypassrls FROM pg_roles WHERE rolname IN (current_user, session_user)
"""
OWNED: Final = """
SELECT count(*) FROM pg_class
WHERE relnamespace = current_schema()::regnamespace AND relkind IN ('r', 'p')
AND relowner = (SELECT oid FROM pg_roles WHERE rolname = current_user)
"""
WITHOUT_A_WALL: Final = """
SELECT c.relname FROM pg_class c
WHERE c.relnamespace = current_schema()::regnamespace AND c.relkind IN ('r', 'p')
AND EXISTS (SELECT FROM pg_attribute a
    WHERE a.attrelid = c.oid AND a.attname = 'tenant_id' AND NOT a.attisdropped)
AND NOT (c.relrowsecurity AND c.relforcerowsecurity
    AND EXISTS (SELECT FROM pg_policy p WHERE p.polrelid = c.oid))
ORDER BY c.relname
"""


def is_postgres() -> bool:
    return connection.vendor == "postgresql"


def _rows(statement: str) -> list[Any]:
    with connection.cursor() as cursor:
        cursor.execute(statement)
        return list(cursor.fetchall())


def reachable() -> Finding:
    _rows("SELECT 1")
    if is_postgres() or is_local():
        return ok(f"The database answers ({connection.display_name}).")
    return warning(
        "The database is an SQLite file, which serves one machine.",
        "Set DATABASE_URL to a PostgreSQL before more than one machine or many people use it.",
    )


def migrations() -> Finding:
    executor = MigrationExecutor(connection)
    missing = executor.migration_plan(executor.loader.graph.leaf_nodes())
    if missing:
        names = ", ".join(f"{step.app_label}.{step.name}" for step, _ in missing[:NAMED])
        return failing(
            f"{counted(len(missing), 'migration')} not applied: {names}"
            f"{' …' if len(missing) > NAMED else ''}.",
            "Run `python manage.py migrate`, then start the processes again.",
        )
    return ok("All migrations are applied.")


def version() -> Finding:
    if not is_postgres():
        return ok(f"SQLite {_rows('SELECT sqlite_version()')[0][0]}.")
    ((number,),) = _rows("SHOW server_version_num")
    major = int(number) // 10_000
    if major < LEAST_VERSION:
        return warning(
            f"PostgreSQL {major} is older than what this product is tested on.",
            f"Move to PostgreSQL {LEAST_VERSION} or newer.",
        )
    return ok(f"PostgreSQL {major}.")


def role() -> Finding:
    """Whether the second wall between tenants stands before the application's own role."""
    if not is_postgres():
        return ok("SQLite has no roles: only the code stands between tenants.")
    mighty = [
        f"{name} is a superuser" if is_super else f"{name} passes by row-level security (BYPASSRLS)"
        for name, is_super, bypasses in _rows(ROLES)
        if is_super or bypasses
    ]
    ((owned,),) = _rows(OWNED)
    if owned:
        mighty.append(f"it owns {counted(owned, 'table')}")
    if mighty:
        return warning(
            f"The application's role may do more than it needs: {'; '.join(mighty)}. What the "
            "application gets wrong, the database does not stop.",
            "Give the application a role of its own, and migrations the owner's "
            "(docs/operating.md, Database roles).",
        )
    return ok("The application's role is no superuser, owns no table and obeys policies.")


def policies() -> Finding:
    if not is_postgres():
        return ok("SQLite has no policies: only the code stands between tenants.")
    open_tables = [name for (name,) in _rows(WITHOUT_A_WALL)]
    if open_tables:
        named = ", ".join(open_tables[:NAMED]) + (" …" if len(open_tables) > NAMED else "")
        return failing(
            f"{counted(len(open_tables), 'table')} with rows of tenants without a forced policy: "
            f"{named}.",
            "Run `python manage.py migrate` as the owner of the tables, which makes what is "
            "missing.",
        )
    return ok("Every table with rows of tenants has a policy that also its owner obeys.")


def clock() -> Finding:
    """Leases, limits and links in mails compare moments of several machines."""
    if not is_postgres():
        return ok("The database has this machine's own clock.")
    before = timezone.now()
    ((theirs,),) = _rows("SELECT clock_timestamp()")
    skew = _skew(before, theirs, timezone.now())
    if skew < SKEW_WARNING:
        return ok("The database's clock and this machine's agree.")
    said = f"The database's clock and this machine's differ by {skew:.0f} seconds."
    mend = "Let both machines follow a time server (chrony, systemd-timesyncd)."
    return failing(said, mend) if skew >= SKEW_FAILING else warning(said, mend)


def _skew(before: datetime, theirs: datetime, after: datetime) -> float:
    """How far their moment lies outside of the time that asking took."""
    early, late = (before - theirs).total_seconds(), (theirs - after).total_seconds()
    return max(early, late, 0.0)
