"""Who a request comes from: sends strangers to the sign-in page, and attaches memberships."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any, Final

from django.contrib.auth.middleware import LoginRequiredMiddleware
from django.contrib.auth.views import redirect_to_login
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.utils import timezone

from audit_site.db import walls
from audit_site.tenants.models import Membership
from audit_site.tenants.selectors import memberships_of

SESSION_KEY = "tenant"
#: `last_seen_at` is not written more often than this.
SEEN_NOTED_EVERY: Final = timedelta(minutes=5)
SAFE: Final = frozenset({"GET", "HEAD", "OPTIONS"})

#: Stands in the address that one comes back to when what was sent before is lost.
LOST = "signed-out"


class SignInMiddleware(LoginRequiredMiddleware):
    """Sends who is not signed in to the sign-in page, and back.

    What a form sent meanwhile is lost: the page that one comes back to says so.
    """

    def handle_no_permission(self, request: HttpRequest, view_func: Any) -> HttpResponseRedirect:
        if request.method != "POST":
            return super().handle_no_permission(request, view_func)
        back = f"{request.path}?{LOST}=1"
        return redirect_to_login(back, self.get_login_url(view_func))


class MembershipMiddleware:
    """Sets `request.membership` (None for nobody, and for users who are in no tenant).

    A person in several tenants works in the one chosen last, else in the first. What the request
    asks the database, it asks as this person within this tenant.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        with walls.door():
            membership = find_membership(request)
            request.membership = membership  # type: ignore[attr-defined]
            if membership is not None:
                enter_as(membership)
                note_seen(membership)
            return self.get_response(request)


def enter_as(membership: Membership) -> None:
    """From here to its end, a request asks the database under this membership."""
    walls.enter(walls.Asker(tenant=membership.tenant_id, person=membership.user_id))


def note_seen(membership: Membership) -> None:
    now = timezone.now()
    seen = membership.last_seen_at
    if seen is None or now - seen > SEEN_NOTED_EVERY:
        rows = Membership.objects.filter(pk=membership.pk, tenant=membership.tenant_id)
        rows.update(last_seen_at=now)


def find_membership(request: HttpRequest) -> Membership | None:
    if not request.user.is_authenticated:
        return None
    memberships = memberships_of(request.user)
    chosen = request.session.get(SESSION_KEY)
    for membership in memberships:
        if str(membership.tenant_id) == chosen:
            return membership
    if not chosen or not memberships:
        return memberships[0] if memberships else None
    if request.method not in SAFE:  # a form of a tenant that they are in no more
        return None
    request.session[SESSION_KEY] = str(memberships[0].tenant_id)
    return memberships[0]
