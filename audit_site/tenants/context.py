"""What every template knows of the tenant."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest

from audit_site.tenants.models import Membership, Role


def tenant(request: HttpRequest) -> dict[str, Any]:
    """The tenant, and what the signed-in person may do in it."""
    membership: Membership | None = getattr(request, "membership", None)
    if membership is None:
        return {"tenant": None, "membership": None}
    return {
        "tenant": membership.tenant,
        "membership": membership,
        "is_admin": membership.has_role(Role.ADMIN),
        "is_member": membership.has_role(Role.MEMBER),
    }
