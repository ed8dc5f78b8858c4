"""What a request leaves behind of its sign-in: use noted, waits told, devices remembered."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from allauth.account.signals import password_changed, password_reset, password_set
from django.contrib.auth.signals import user_logged_in
from django.dispatch import receiver
from django.http import HttpRequest, HttpResponse

from audit_site.tenants import sessions
from audit_site.tenants.known_devices import remember_device
from audit_site.tenants.models import User
from audit_site.tenants.two_factor import note_at_sign_in


class SignInStateMiddleware:
    """Keeps the state around sign-in.

    A session in use is noted to be so; a try that has to wait is answered by 429 with
    `Retry-After`; a browser in which an account was proved is remembered.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        if request.session.session_key and not _asks_by_itself(request):
            sessions.note_use(request)
        response = self.get_response(request)
        seconds = getattr(request, "retry_after", 0)
        if seconds and not response.has_header("Location"):  # else the page that follows says it
            response.status_code = 429
            response["Retry-After"] = str(seconds)
        if account := getattr(request, "proved_account", ""):
            remember_device(request, response, account)
        return response


def _asks_by_itself(request: HttpRequest) -> bool:
    """Whether a page asks without a person: one left open must not keep a session alive."""
    return request.method == "GET" and "HX-Request" in request.headers


@receiver(user_logged_in)
def note_sign_in(request: HttpRequest, user: User, **_: Any) -> None:
    """Begin the session's own count of time, and see what it may show."""
    sessions.begin(request)
    note_at_sign_in(request, user)


@receiver([password_changed, password_set])
def end_other_sessions(request: HttpRequest, user: User, **_: Any) -> None:
    """A new password signs out wherever else the old one was used."""
    sessions.end_sessions(user, but=sessions.current_id(request))


@receiver(password_reset)
def end_all_sessions(request: HttpRequest, user: User, **_: Any) -> None:
    """Who had to reset a password may not know who else is signed in."""
    sessions.end_sessions(user)
    request.proved_account = user.email  # type: ignore[attr-defined]  # the link came by mail
