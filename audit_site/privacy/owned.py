"""Which tables hold what belongs to tenants: asked of the app registry, so that none is missing."""

from __future__ import annotations

from collections.abc import Iterator
from graphlib import TopologicalSorter
from typing import Any, Final

from django.apps import apps
from django.db import models

from audit_site.tenants.models import TenantOwned

TEXT_FIELDS: Final = (models.CharField, models.TextField)


def owned_models() -> list[type[TenantOwned]]:
    """Every table with a tenant, those first that point to others: so they can be emptied."""
    found = {model for model in apps.get_models() if issubclass(model, TenantOwned)}
    order: TopologicalSorter[Any] = TopologicalSorter({model: set() for model in found})
    for model in found:
        for field in model._meta.concrete_fields:
            target = field.related_model
            if target in found and target is not model:
                order.add(target, model)
    return [*order.static_order()]


def text_fields(model: type[models.Model]) -> Iterator[models.Field[Any, Any]]:
    """The columns in which something can stand that a person or a PSA wrote."""
    for field in model._meta.concrete_fields:
        if isinstance(field, (*TEXT_FIELDS, models.JSONField)) and not field.choices:
            yield field
