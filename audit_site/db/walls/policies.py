"""What PostgreSQL lets each asker see, worked out from the models: a new table has its wall.

A policy compares a column with a setting that is told with the transaction (`asker`). Where a query
says its tenant itself, as all of ours do, PostgreSQL compares the two once, and then plans as if
there were no policy. Tables that the system may look into have an OR instead, so those with the
most rows are none of them.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

from django.apps import apps
from django.db import models

#: What the application may do with a table, unless its model says less.
DATA: Final = ("SELECT", "INSERT", "UPDATE", "DELETE")
TENANT_TABLE: Final = "tenants.Tenant"
MEMBERSHIP: Final = "tenants.Membership"
#: Policies of ours begin so; others are left alone.
PREFIX: Final = "wall_"


@dataclass(frozen=True, slots=True)
class Policy:
    """One way to rows of a table. `condition` is over the table's columns and the settings."""

    table: str
    name: str
    command: str
    condition: str
    role: str = "PUBLIC"

    @property
    def digest(self) -> str:
        """Kept with the policy, to see whether it is still this one."""
        parts = "\n".join((self.command, self.condition, self.role))
        return hashlib.sha256(parts.encode()).hexdigest()

    def statement(self) -> str:
        return (
            f'CREATE POLICY {self.name} ON "{self.table}" FOR {self.command} TO {self.role} '
            f"USING ({self.condition})"
        )


def setting(name: str) -> str:
    """A setting as text; NULL when nobody has told it in this session."""
    return f"current_setting('audit.{name}', true)"


def id_setting(name: str) -> str:
    """A setting as an id; NULL, which equals nothing, when it is not told."""
    return f"nullif({setting(name)}, '')::uuid"


def ids_setting(name: str) -> str:
    """A setting as a list of ids; NULL, in which nothing is, when it is not told."""
    return f"nullif({setting(name)}, '')::uuid[]"


def owned_models() -> list[type[models.Model]]:
    """The models whose rows belong to one tenant, with those that migrations make by themselves."""
    tenant = apps.get_model(TENANT_TABLE)
    return [model for model in all_models() if _related(model).get("tenant") is tenant]


def all_models() -> list[type[models.Model]]:
    """All models with tables of their own."""
    return [m for m in apps.get_models(include_auto_created=True) if _is_stored(m)]


def _is_stored(model: type[models.Model]) -> bool:
    return model._meta.managed and not model._meta.proxy


def _related(model: type[models.Model]) -> dict[str, Any]:
    """The models that its fields point to."""
    return {field.name: field.related_model for field in model._meta.concrete_fields}


def policies(owner: str) -> Iterator[Policy]:
    """All policies that there should be; `owner` is the role whose tables they are."""
    for model in owned_models():
        yield from _policies_of(model)
    yield from _policies_of_tenants()
    for model in (*owned_models(), apps.get_model(TENANT_TABLE)):
        is_everything = f"{setting('everything')} = 'on'"
        yield Policy(model._meta.db_table, f"{PREFIX}owner", "ALL", is_everything, f'"{owner}"')


def _policies_of(model: type[models.Model]) -> Iterator[Policy]:
    """Of a table with a tenant; its model says who else may read (`TenantOwned`)."""
    table = model._meta.db_table
    yield Policy(table, f"{PREFIX}tenant", "ALL", f"tenant_id = {id_setting('tenant')}")
    if getattr(model, "worked_together", False):
        of_several = f"tenant_id = ANY ({ids_setting('tenants')})"
        yield Policy(table, f"{PREFIX}together", "ALL", of_several)
    if reasons := getattr(model, "seen_by_system", ()):
        listed = ", ".join(f"'{reason}'" for reason in reasons)
        yield Policy(table, f"{PREFIX}system", "SELECT", f"{setting('system')} IN ({listed})")
    if field := getattr(model, "seen_by_person", ""):
        column = _column(model, field)
        yield Policy(table, f"{PREFIX}person", "SELECT", f"{column} = {id_setting('person')}")
    if field := getattr(model, "seen_by_holder", ""):
        column = _column(model, field)
        yield Policy(table, f"{PREFIX}holder", "SELECT", f"{column} = {setting('secret')}")


def _policies_of_tenants() -> Iterator[Policy]:
    """Of the tenants themselves: each is its own, and its people may read it."""
    table = apps.get_model(TENANT_TABLE)._meta.db_table
    memberships = apps.get_model(MEMBERSHIP)._meta.db_table
    of_person = f"m.user_id = {id_setting('person')}"
    # nothing but names of our own tables
    theirs = f'id IN (SELECT m.tenant_id FROM "{memberships}" m WHERE {of_person})'  # noqa: S608  # nosec B608
    yield Policy(table, f"{PREFIX}tenant", "ALL", f"id = {id_setting('tenant')}")
    of_several = f"id = ANY ({ids_setting('tenants')})"
    yield Policy(table, f"{PREFIX}together", "SELECT", of_several)
    yield Policy(table, f"{PREFIX}system", "SELECT", f"{setting('system')} <> ''")
    yield Policy(table, f"{PREFIX}person", "SELECT", theirs)


def _column(model: type[models.Model], field: str) -> str:
    return str(model._meta.get_field(field).column)  # type: ignore[union-attr]


def privileges() -> dict[str, tuple[str, ...]]:
    """What the application's role may do with each table."""
    of_models = {
        model._meta.db_table: getattr(model, "application_may", DATA) for model in all_models()
    }
    return {**of_models, "django_migrations": ("SELECT",)}
