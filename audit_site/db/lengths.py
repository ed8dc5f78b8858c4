"""How long a text may be: as long as its column holds, which the model says."""

from __future__ import annotations

from typing import Any

from django.db import models


def length_of(model: type[models.Model], field: str) -> int:
    """How many characters a column holds. ValueError for one without a limit."""
    column: Any = model._meta.get_field(field)
    if not column.max_length:
        raise ValueError(f"{model.__name__}.{field} has no limit")
    return int(column.max_length)


def fitted(model: type[models.Model], field: str, text: str) -> str:
    """A text, cut to what its column holds."""
    return text[: length_of(model, field)]
