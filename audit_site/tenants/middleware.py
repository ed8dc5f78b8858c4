"""Attaches the signed-in person's membership to the request of a page."""

from __future__ import annotations

from collections.abc import Callable

from django.http import HttpRequest, HttpResponse

from audit_site.tenants.models import Membership

SESSION_KEY = "tenant"


class MembershipMiddleware:
    """Sets `request.membership` (None for nobody, and for users who are in no tenant).

    Whoever is in several tenants works in the one chosen last, else in the first.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        request.membership = find_membership(request)  # type: ignore[attr-defined]
        return self.get_response(request)


def find_membership(request: HttpRequest) -> Membership | None:
    if not request.user.is_authenticated:
        return None
    memberships = list(
        Membership.objects.filter(user=request.user).select_related("tenant", "user").order_by("id")
    )
    chosen = request.session.get(SESSION_KEY)
    for membership in memberships:
        membership.has_others = len(memberships) > 1  # type: ignore[attr-defined]
        if str(membership.tenant_id) == chosen:
            return membership
    return memberships[0] if memberships else None
