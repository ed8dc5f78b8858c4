"""Foreign keys with the tenant in them, so that no row can point into another tenant.

Django's own keys compare the id alone. Here each key from one table with a tenant to another is
replaced by one over (tenant, id), which PostgreSQL checks whoever asks.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

from audit_site.db.walls.policies import owned_models

LONGEST_NAME: Final = 63


@dataclass(frozen=True, slots=True)
class SameTenantKey:
    """A column of a table with a tenant that points to another such table."""

    table: str
    column: str
    target: str
    target_column: str = "id"

    @property
    def name(self) -> str:
        return _fitted(f"{self.table}_{self.column}_same_tenant")

    @property
    def target_index(self) -> str:
        """The unique index that the key needs: PostgreSQL refers to no other."""
        return _fitted(f"{self.target}_tenant_id_{self.target_column}")

    def statement(self) -> str:
        """Without a look at the rows that are there, which would lock them all meanwhile."""
        return (
            f'ALTER TABLE "{self.table}" ADD CONSTRAINT "{self.name}" '
            f'FOREIGN KEY (tenant_id, "{self.column}") '
            f'REFERENCES "{self.target}" (tenant_id, "{self.target_column}") '
            "DEFERRABLE INITIALLY DEFERRED NOT VALID"
        )


def _fitted(name: str) -> str:
    """A name as long as PostgreSQL takes it, and still unique."""
    if len(name) <= LONGEST_NAME:
        return name
    digest = hashlib.sha256(name.encode()).hexdigest()[:8]
    return f"{name[: LONGEST_NAME - 9]}_{digest}"


def same_tenant_keys() -> Iterator[SameTenantKey]:
    """All keys that there should be."""
    owned = owned_models()
    for model in owned:
        fields: list[Any] = list(model._meta.concrete_fields)
        for field in fields:
            target = field.related_model
            if target in owned:
                pointed_to = field.target_field.column
                yield SameTenantKey(
                    model._meta.db_table, field.column, target._meta.db_table, pointed_to
                )
