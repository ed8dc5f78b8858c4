"""What every template knows of the person who looks at it."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.http import HttpRequest

from audit_site.tenants.models import Membership, Role


def tenant(request: HttpRequest) -> dict[str, Any]:
    """The tenant, what the signed-in person may do in it, and the menu entry that is lit."""
    membership: Membership | None = getattr(request, "membership", None)
    if membership is None:
        return {
            "tenant": None,
            "idle_hours": settings.SESSION_IDLE_HOURS,
            "most_days": settings.SESSION_MAX_DAYS,
            "membership": None,
            "help_email": settings.HELP_EMAIL,
            "two_factor_for": getattr(request, "two_factor_for", None),
        }
    return {
        "tenant": membership.tenant,
        "membership": membership,
        "memberships": Membership.objects.filter(user=membership.user).select_related("tenant"),
        "help_email": settings.HELP_EMAIL,
        "is_admin": membership.has_role(Role.ADMIN),
        "is_member": membership.has_role(Role.MEMBER),
        "section": getattr(request, "section", ""),
    }
