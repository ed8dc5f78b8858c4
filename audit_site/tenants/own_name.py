"""What others call a person."""

from __future__ import annotations

from django.db import transaction

from audit_site.tenants.models import User


@transaction.atomic
def rename(*, user: User, name: str) -> None:
    """Call a person so from now on."""
    user.name = name.strip()
    user.save(update_fields=["name"])
