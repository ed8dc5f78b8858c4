"""What others call a person."""

from __future__ import annotations

from django.db import transaction

from audit_site.tenants.models import User
from audit_site.tenants.own_trail import record_of_person


@transaction.atomic
def rename(*, user: User, name: str) -> None:
    """Call a person so from now on."""
    before, user.name = user.name, name.strip()
    if before == user.name:
        return
    user.save(update_fields=["name"])
    record_of_person(
        user, "person.renamed", actor=user, before={"name": before}, after={"name": user.name}
    )
