"""The page that a link of an invitation opens: for strangers too, and nothing happens by a look."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from allauth.account.utils import perform_login
from django.contrib import messages
from django.contrib.auth import logout
from django.contrib.auth.decorators import login_not_required
from django.contrib.auth.views import redirect_to_login
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods

from audit_site.account.web.forms import NewAccountForm
from audit_site.db import walls
from audit_site.errors import DomainError, FieldErrors
from audit_site.pages.forms import add_refusal
from audit_site.tenants.invitations import (
    Way,
    accept,
    accept_as_new,
    find_invitation,
    hash_link,
    is_for,
    way_in,
    why_closed,
)
from audit_site.tenants.middleware import SESSION_KEY
from audit_site.tenants.models import Invitation, Membership

#: Where a session keeps which link was opened, through signing in and out: its hash.
OPENED: Final = "invitation"
Act = Callable[[HttpRequest, Invitation], HttpResponse]


@login_not_required
@never_cache
@require_http_methods(["GET", "POST"])
def invitation(request: HttpRequest, token: str = "") -> HttpResponse:
    """Say who invites to what, and do what the person then presses."""
    opened = hash_link(token) if token else request.session.get(OPENED, "")
    found = find_invitation(opened) if opened else None
    if found is None:
        return render(request, "account/invitation_unknown.html", status=404)
    with walls.within(found.tenant_id), timezone.override(found.tenant.zone):
        return _opened(request, found)


def _opened(request: HttpRequest, found: Invitation) -> HttpResponse:
    closed = why_closed(found)
    if closed is not None:
        return _closed(request, found, closed)
    act = ACTS.get(request.POST.get("do", "")) if request.method == "POST" else None
    if act is None:
        return _shown(request, found)
    try:
        return act(request, found)
    except DomainError as error:
        messages.error(request, error.sentence)
        return _shown(request, found, status=error.status)


def _closed(request: HttpRequest, found: Invitation, closed: DomainError) -> HttpResponse:
    context = {"invitation": found, "closed": closed}
    return render(request, "account/invitation_closed.html", context, status=closed.status)


def _shown(
    request: HttpRequest, found: Invitation, form: NewAccountForm | None = None, status: int = 200
) -> HttpResponse:
    way = way_in(found)
    context = {
        "invitation": found,
        "is_theirs": request.user.is_authenticated and is_for(found, request.user),
        "may_sign_in": way is not Way.NEW,
        "may_be_new": way is not Way.SIGN_IN,
        "form": form or NewAccountForm(initial={"name": found.name}),
    }
    return render(request, "account/invitation.html", context, status=status)


def _accept(request: HttpRequest, found: Invitation) -> HttpResponse:
    if not request.user.is_authenticated:
        messages.warning(request, "You had been signed out, so nothing was done.")
        return _shown(request, found)
    return _begin(request, accept(invitation=found, user=request.user))


def _make_account(request: HttpRequest, found: Invitation) -> HttpResponse:
    if request.user.is_authenticated:
        return _shown(request, found)
    form = NewAccountForm(request.POST)
    if form.is_valid():
        try:
            membership = accept_as_new(invitation=found, **form.cleaned_data)
        except FieldErrors as error:
            add_refusal(form, error)
        else:
            answer: HttpResponse = perform_login(
                request, membership.user, email=found.email, redirect_url="/"
            )
            _begin(request, membership)
            return answer
    return _shown(request, found, form, status=422)


def _begin(request: HttpRequest, membership: Membership) -> HttpResponse:
    """Work in the new tenant from now on."""
    request.session.pop(OPENED, None)
    request.session[SESSION_KEY] = str(membership.tenant_id)
    role = membership.get_role_display().lower()
    messages.success(request, f"Welcome to {membership.tenant.name}. Your role: {role}.")
    return redirect("home")


def _sign_in(request: HttpRequest, found: Invitation) -> HttpResponse:
    request.session[OPENED] = found.token_hash
    return redirect_to_login(reverse("account:opened-invitation"))


def _sign_out(request: HttpRequest, found: Invitation) -> HttpResponse:
    logout(request)
    request.session[OPENED] = found.token_hash
    return redirect("account:opened-invitation")


ACTS: Final[dict[str, Act]] = {
    "accept": _accept,
    "make-account": _make_account,
    "sign-in": _sign_in,
    "sign-out": _sign_out,
}
