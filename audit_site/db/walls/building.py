"""Builds the walls after each `migrate`, as the owner of the tables. Does nothing where they stand.

Each step may be interrupted and comes again. No table is locked for longer than a moment, but that
of an index that PostgreSQL can't make beside its users, which happens in tests alone.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable
from typing import Any, Final

from django.conf import settings
from django.db import connections, transaction

from audit_site.db.walls import catalogue
from audit_site.db.walls.asker import as_owner
from audit_site.db.walls.policies import Policy, policies, privileges
from audit_site.db.walls.same_tenant_keys import SameTenantKey, same_tenant_keys

log = logging.getLogger(__name__)

#: What the search and the filter of the import list use an index for. PostgreSQL looks behind a
#: policy with such functions only if it knows that they tell nothing of the rows that they see.
DISCREET: Final = ("textlike(text,text)", "upper(text)")


def build_walls(*, using: str, **_: Any) -> None:
    """A receiver of `post_migrate`. Row-level security, keys within a tenant, and grants."""
    if connections[using].vendor == "postgresql":
        with as_owner():
            Builder(using).build()


class Builder:
    """Compares what there should be with PostgreSQL's catalogue, and makes what is missing."""

    def __init__(self, using: str) -> None:
        self._using = using
        self._connection = connections[using]
        self._columns = self._read_columns()

    def build(self) -> None:
        self._build_policies()
        self._build_keys()
        self._mark_discreet()
        self._grant()

    def _rows(self, statement: str, *values: Any) -> list[Any]:
        with self._connection.cursor() as cursor:
            cursor.execute(statement, values or None)
            return list(cursor.fetchall())

    def _run(self, *statements: str) -> None:
        with self._connection.cursor() as cursor:
            for statement in statements:
                cursor.execute(statement)

    def _read_columns(self) -> dict[str, set[str]]:
        """The tables that there are with their columns: not all, after a partial migration."""
        found: dict[str, set[str]] = {}
        for table, column in self._rows(catalogue.COLUMNS):
            found.setdefault(table, set()).add(column)
        return found

    # Policies

    def _build_policies(self) -> None:
        ((owner,),) = self._rows(catalogue.OWNER)
        wanted = [policy for policy in policies(owner) if policy.table in self._columns]
        standing = {(table, name): digest for table, name, digest in self._rows(catalogue.POLICIES)}
        secured = {table for (table,) in self._rows(catalogue.SECURED)}
        for table in {policy.table for policy in wanted}:
            theirs = [policy for policy in wanted if policy.table == table]
            there = {name: digest for (of, name), digest in standing.items() if of == table}
            if table not in secured or there != {p.name: p.digest for p in theirs}:
                self._secure(table, theirs, there)

    def _secure(self, table: str, wanted: Iterable[Policy], there: Iterable[str]) -> None:
        with transaction.atomic(using=self._using):
            self._run(
                f'ALTER TABLE "{table}" ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY',
                *(f'DROP POLICY {name} ON "{table}"' for name in there),
            )
            for policy in wanted:
                self._run(
                    policy.statement(),
                    f"COMMENT ON POLICY {policy.name} ON \"{table}\" IS '{policy.digest}'",
                )

    # Keys

    def _build_keys(self) -> None:
        keys = [
            key
            for key in same_tenant_keys()
            if key.column in self._columns.get(key.table, ()) and key.target in self._columns
        ]
        indexes = {name for (name,) in self._rows(catalogue.INDEXES)}
        constraints = {
            (table, tuple(columns)): (name, is_valid)
            for table, name, is_valid, columns in self._rows(catalogue.KEYS)
        }
        for key in keys:
            if key.target_index not in indexes:
                self._index(key)
                indexes.add(key.target_index)
            self._replace(key, constraints)

    def _index(self, key: SameTenantKey) -> None:
        beside = "" if self._connection.in_atomic_block else "CONCURRENTLY"
        self._run(
            f'DROP INDEX IF EXISTS "{key.target_index}"',  # one that was left unfinished
            f'CREATE UNIQUE INDEX {beside} "{key.target_index}" '
            f'ON "{key.target}" (tenant_id, "{key.target_column}")',
        )

    def _replace(
        self, key: SameTenantKey, constraints: dict[tuple[str, tuple[str, ...]], tuple[str, bool]]
    ) -> None:
        simple = constraints.get((key.table, (key.column,)))
        name, is_valid = constraints.get((key.table, ("tenant_id", key.column)), (None, False))
        if name is None:
            self._run(key.statement())
        if not is_valid:
            self._run(f'ALTER TABLE "{key.table}" VALIDATE CONSTRAINT "{key.name}"')
        if simple:
            self._run(f'ALTER TABLE "{key.table}" DROP CONSTRAINT "{simple[0]}"')

    # What the application's role may do

    def _mark_discreet(self) -> None:
        """Only a superuser may; without it a search under policies reads its tenant's rows."""
        found = self._rows(catalogue.DISCREETNESS, list(DISCREET))
        undone = [name for name, is_discreet in found if not is_discreet]
        if undone and self._rows(catalogue.IS_SUPERUSER) == [(True,)]:
            self._run(*(f"ALTER FUNCTION pg_catalog.{name} LEAKPROOF" for name in undone))

    def _grant(self) -> None:
        role = settings.DATABASE_APPLICATION_ROLE
        if not role or self._rows(catalogue.ROLE_EXISTS, role) != [(True,)]:
            return
        granted = {table: set(held) for table, held in self._rows(catalogue.GRANTED, role)}
        for table, wanted in privileges().items():
            if table in self._columns and granted.get(table, set()) != set(wanted):
                self._run(
                    f'REVOKE ALL ON "{table}" FROM "{role}"',
                    f'GRANT {", ".join(wanted)} ON "{table}" TO "{role}"',
                )
        self._grant_schema(role)

    def _grant_schema(self, role: str) -> None:
        (found,) = self._rows(catalogue.SCHEMA, role, role, role)
        schema, may_use, may_create, lacks_sequences = found
        if not may_use:
            self._run(f'GRANT USAGE ON SCHEMA "{schema}" TO "{role}"')
        if lacks_sequences:
            self._run(f'GRANT USAGE ON ALL SEQUENCES IN SCHEMA "{schema}" TO "{role}"')
        if may_create:
            self._run(f'REVOKE CREATE ON SCHEMA "{schema}" FROM PUBLIC, "{role}"')
