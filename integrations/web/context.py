"""What every template knows of the tenant's connections."""

from __future__ import annotations

from functools import cache
from typing import Any

from django.http import HttpRequest
from django.utils.functional import SimpleLazyObject

from audit_site.tenants.models import Membership
from integrations.issues.banners import banners
from integrations.issues.selectors import count_open_issues


def connections(request: HttpRequest) -> dict[str, Any]:
    """Outages to show on every page, and how many issues are open; asked for only where shown."""
    membership: Membership | None = getattr(request, "membership", None)
    if membership is None:
        return {}
    return {
        "banners": SimpleLazyObject(lambda: banners(membership.tenant)),
        "issue_count": cache(lambda: count_open_issues(membership.tenant)),
    }
