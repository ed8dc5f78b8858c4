"""Two-factor sign-in that a tenant asks for: at the next sign-in, and nothing of it before."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from allauth.mfa.models import Authenticator
from django.db import transaction
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse

from audit_site.tenants.models import Membership, User
from audit_site.tenants.selectors import memberships_of
from audit_site.tenants.sessions import SIGNED_IN, moment

#: In a session: the ids of tenants that asked for it when somebody without it signed in.
NEEDED: Final = "two_factor_needed"
#: What is still there for who has to set it up: their own account, and the way out.
STILL_OPEN: Final = ("/accounts/", "/account/you/", "/account/invitation/", "/tenant/", "/static/")


def has_two_factor(user: User) -> bool:
    """Whether signing in takes more than a password; recovery codes alone are no factor."""
    factors = Authenticator.objects.filter(user=user)
    return bool(factors.exclude(type=Authenticator.Type.RECOVERY_CODES).exists())


def tenants_that_ask(user: User) -> list[str]:
    """The ids of this person's tenants that ask for two-factor sign-in."""
    return [str(m.tenant_id) for m in memberships_of(user) if m.tenant.require_two_factor]


def note_at_sign_in(request: HttpRequest, user: User) -> None:
    """Note in a session that begins which tenants are closed until two-factor is set up."""
    asking = tenants_that_ask(user)
    if asking and not has_two_factor(user):
        request.session[NEEDED] = asking


def is_needed(request: HttpRequest, membership: Membership) -> bool:
    """Whether somebody has to set up two-factor sign-in before they see this tenant.

    A session that began before the tenant asked for it goes on; a membership that is newer than the
    session is as good as a sign-in.
    """
    if not membership.tenant.require_two_factor:
        return False
    began = request.session.get(SIGNED_IN)
    is_new = began is None or membership.created_at >= moment(began)
    was_asked = str(membership.tenant_id) in request.session.get(NEEDED, ())
    return (is_new or was_asked) and not has_two_factor(membership.user)


def is_last_of_a_tenant_that_asks(authenticator: Authenticator) -> bool:
    """Whether without this factor a person has none, and a tenant of theirs asks for one."""
    rest = Authenticator.objects.filter(user=authenticator.user).exclude(pk=authenticator.pk)
    if rest.exclude(type=Authenticator.Type.RECOVERY_CODES).exists():
        return False
    return bool(tenants_that_ask(authenticator.user))


@transaction.atomic
def take_away(authenticator: Authenticator) -> bool:
    """Delete a factor, unless it is the last of who needs one; False = it stays.

    Of two factors that are taken away at once, the second is looked at when the first is gone.
    """
    User.objects.select_for_update(no_key=True).get(pk=authenticator.user_id)
    if is_last_of_a_tenant_that_asks(authenticator):
        return False
    Authenticator.objects.filter(pk=authenticator.pk).delete()
    return True


class TwoFactorMiddleware:
    """Leads who needs two-factor sign-in to where it is set up, and shows nothing of the tenant.

    REST asks `is_needed` itself, when it knows who asks.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        membership: Membership | None = request.membership  # type: ignore[attr-defined]
        leaves = request.path == reverse("switch-tenant")  # for another tenant of theirs
        if membership is not None and not leaves and is_needed(request, membership):
            request.two_factor_for = membership.tenant  # type: ignore[attr-defined]
            request.membership = None  # type: ignore[attr-defined]
        return self.get_response(request)

    def process_view(self, request: HttpRequest, *_: Any) -> HttpResponse | None:
        waits = getattr(request, "two_factor_for", None) is not None
        if waits and not request.path.startswith((*STILL_OPEN, "/api/")):
            return HttpResponseRedirect(reverse("mfa_index"))
        return None
