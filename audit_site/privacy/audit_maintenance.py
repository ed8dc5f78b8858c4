"""The one way around what keeps the audit trail append-only, for erasing a whole tenant."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from django.db import transaction


@contextmanager
def audit_maintenance() -> Iterator[None]:
    """Inside, rows of the audit trail may be deleted. One transaction."""
    with transaction.atomic():
        yield
