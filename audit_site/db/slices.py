"""Deleting many rows without holding anybody up: a slice a transaction."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from django.db import models, transaction

from audit_site.db import walls

#: So many rows at the most are deleted by one statement.
SLICE: Final = 500


def delete_in_slices(rows: models.QuerySet[Any], size: int = SLICE) -> int:
    """Delete rows, and before them what hangs on them; how many of them it were.

    A statement deletes `size` rows at the most and is a transaction of its own, so that a process
    that is killed leaves nothing half done. What another transaction has locked is left to the
    next time.
    """
    deleted = 0
    for ids in slices_of(rows, size):
        for hanging in _hanging(rows.model, ids):
            delete_in_slices(hanging, size)
        with transaction.atomic():
            free = rows.model._base_manager.filter(pk__in=ids)
            free = free.select_for_update(skip_locked=True, of=("self",)).order_by()
            chosen = list(free.values_list("pk", flat=True))
            rows.model._base_manager.filter(pk__in=chosen).delete()
        deleted += len(chosen)
    return deleted


def delete_everywhere(rows: models.QuerySet[Any], reason: str) -> None:
    """Delete such rows of all tenants, those of each within it; `reason` as for `as_system`."""
    for tenant_id in walls.owners_of(rows, reason):
        with walls.within(tenant_id):
            delete_in_slices(rows.filter(tenant=tenant_id))


def slices_of(rows: models.QuerySet[Any], size: int) -> Iterator[list[Any]]:
    """The ids of rows in their order, so many at a time."""
    ordered = rows.order_by("pk").values_list("pk", flat=True)
    ids = list(ordered[:size])
    while ids:
        yield ids
        ids = list(ordered.filter(pk__gt=ids[-1])[:size])


def _hanging(model: type[models.Model], ids: list[Any]) -> Iterator[models.QuerySet[Any]]:
    """The rows that a cascade would delete together with these, a table at a time."""
    for relation in model._meta.get_fields(include_hidden=True):
        if not isinstance(relation, models.ForeignObjectRel):
            continue
        if getattr(relation, "on_delete", None) is models.CASCADE:
            found = relation.related_model._base_manager
            yield found.filter(**{f"{relation.field.name}__in": ids})
