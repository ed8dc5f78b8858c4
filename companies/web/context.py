"""What every template knows of the licence."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest
from django.utils.functional import SimpleLazyObject

from audit_site.tenants.models import Membership
from companies.services import licence


def licence_meter(request: HttpRequest) -> dict[str, Any]:
    """How much of the tenant's licence is used; asked for only where it is shown."""
    membership: Membership | None = getattr(request, "membership", None)
    if membership is None:
        return {}
    return {"licence": SimpleLazyObject(lambda: licence(membership.tenant))}
