"""The list of devices on “You”: one is ended, or all are."""

from __future__ import annotations

from allauth.account.internal.flows.logout import logout
from django.contrib import messages
from django.http import Http404, HttpResponse
from django.shortcuts import redirect

from audit_site.account.web.person_page import PersonRequest, person_page
from audit_site.tenants.own_sessions import sign_out_elsewhere, sign_out_of
from audit_site.tenants.sessions import current_id


@person_page("POST")
def end_one(request: PersonRequest, session_id: str) -> HttpResponse:
    """Sign the person out of one device."""
    if session_id == current_id(request):
        return _leave(request)
    if not sign_out_of(request.user, session_id):
        raise Http404
    messages.success(request, "That device is signed out.")
    return redirect("account:you")


@person_page("POST")
def end_others(request: PersonRequest) -> HttpResponse:
    """Sign the person out everywhere but here."""
    ended = sign_out_elsewhere(request.user, but=current_id(request))
    said = f"{ended} other device{'s are' if ended != 1 else ' is'} signed out."
    messages.success(request, said if ended else "You are signed in nowhere else.")
    return redirect("account:you")


@person_page("POST")
def end_all(request: PersonRequest) -> HttpResponse:
    """Sign the person out everywhere, here too."""
    sign_out_elsewhere(request.user, but=current_id(request))
    return _leave(request)


def _leave(request: PersonRequest) -> HttpResponse:
    logout(request)
    return redirect("account_login")
