"""What every template knows of the tenant."""

from __future__ import annotations

from functools import cache
from typing import Any

from django.conf import settings
from django.http import HttpRequest
from django.utils.functional import SimpleLazyObject

from audit_site.tenants.models import Membership, Role
from companies.services import licence
from integrations.selectors import count_open_issues
from integrations.services.notices import banners


def tenant(request: HttpRequest) -> dict[str, Any]:
    """The tenant, and what the signed-in person may do in it."""
    membership: Membership | None = getattr(request, "membership", None)
    if membership is None:
        return {"tenant": None, "membership": None}
    return {
        "tenant": membership.tenant,
        "membership": membership,
        "memberships": Membership.objects.filter(user=membership.user).select_related("tenant"),
        "licence": SimpleLazyObject(lambda: licence(membership.tenant)),
        "banners": SimpleLazyObject(lambda: banners(membership.tenant)),
        "issue_count": cache(lambda: count_open_issues(membership.tenant)),
        "help_email": settings.HELP_EMAIL,
        "is_admin": membership.has_role(Role.ADMIN),
        "is_member": membership.has_role(Role.MEMBER),
    }
