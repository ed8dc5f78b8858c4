"""“You”: name, address, password, two-factor sign-in and devices of who is signed in."""

from __future__ import annotations

from typing import Any

from allauth.account.adapter import get_adapter
from allauth.mfa.models import Authenticator
from django.conf import settings
from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse

from audit_site.account.web.own_forms import AddressForm, NameForm
from audit_site.account.web.person_page import PersonRequest, person_page
from audit_site.errors import DomainError, FieldErrors
from audit_site.tenants import own_address
from audit_site.tenants.devices import device_name
from audit_site.tenants.mails import MailNotSent
from audit_site.tenants.models import BrowserSession, User
from audit_site.tenants.own_name import rename
from audit_site.tenants.selectors import memberships_of
from audit_site.tenants.sessions import current_id, sessions_of
from audit_site.tenants.tries import TooManyTries, admit

#: A person with more devices ends them all at once.
MOST_SHOWN = 50
NOT_TAKEN = (
    "Our mail server could not send to this address. Check how it is written, or try again later."
)


@person_page("GET")
def you(request: PersonRequest) -> HttpResponse:
    """Show all that is the person's own."""
    return _you(request, NameForm(initial={"name": request.user.name}))


def _you(request: PersonRequest, form: NameForm, status: int = 200) -> HttpResponse:
    user = request.user
    change = own_address.pending_address(user)
    context = {
        "name_form": form,
        "change": change,
        "change_ends_at": own_address.ends_at(change) if change else None,
        "factors": factors_of(user),
        "has_password": user.has_usable_password(),
        "sessions": devices(request),
        "own_memberships": sorted(memberships_of(user), key=lambda one: one.tenant.name),
    }
    return render(request, "account/you.html", context, status=status)


def factors_of(user: User) -> dict[str, Any]:
    """What a person signs in with beside the password."""
    found = list(Authenticator.objects.filter(user=user).order_by("pk"))
    codes = [one for one in found if one.type == Authenticator.Type.RECOVERY_CODES]
    return {
        "app": any(one.type == Authenticator.Type.TOTP for one in found),
        "passkeys": sum(one.type == Authenticator.Type.WEBAUTHN for one in found),
        "codes_left": len(codes[0].wrap().get_unused_codes()) if codes else None,
        "is_on": len(found) > len(codes),
    }


def devices(request: PersonRequest) -> list[dict[str, Any]]:
    """Where the person is signed in, this browser first."""
    current = current_id(request)
    rows = sessions_of(request.user)[:MOST_SHOWN]
    shown = [_device(row, current) for row in rows]
    return sorted(shown, key=lambda one: not one["is_current"])


def _device(row: BrowserSession, current: str) -> dict[str, Any]:
    return {
        "row": row,
        "device": device_name(row.user_agent),
        "is_current": row.session_key == current,
    }


@person_page("POST")
def change_name(request: PersonRequest) -> HttpResponse:
    """Take the name that the person typed."""
    form = NameForm(request.POST)
    if not form.is_valid():
        return _you(request, form, status=422)
    rename(user=request.user, name=form.cleaned_data["name"])
    messages.success(request, "Your name is changed.")
    return redirect("account:you")


@person_page("GET", "POST", is_sensitive=True)
def change_address(request: PersonRequest) -> HttpResponse:
    """Ask for a new address."""
    form = AddressForm(request.POST or None)
    if form.is_valid():
        try:
            return _ask(request, form.cleaned_data["email"])
        except FieldErrors as error:
            form.refuse(error.errors)
        except TooManyTries as wait:
            form.add_error(None, wait.sentence)
            request.retry_after = wait.seconds  # type: ignore[attr-defined]
        except MailNotSent:
            form.add_error("email", NOT_TAKEN)
    status = 422 if form.is_bound else 200
    return render(request, "account/change_address.html", {"form": form}, status=status)


def _ask(request: PersonRequest, email: str) -> HttpResponse:
    """Note the address and send both mails. Raises MailNotSent when the link can't be sent: nothing
    changes without it, so that there is nothing to tell the old address.
    """
    admit(request, request.user.email, "address")  # each one sends two mails
    asked = own_address.ask_for_address(user=request.user, email=email)
    new = asked.change.email
    _send_link(request, new, asked.key)
    notice = {"user": request.user, "new_email": new}
    get_adapter(request).send_mail("account/email/address_asked", request.user.email, notice)
    messages.success(request, f"We have sent a link to {new}. Open it to make the change.")
    return redirect("account:you")


def _send_link(request: PersonRequest, email: str, key: str | None) -> None:
    if key is None:
        _send_or_raise(request, "address_taken", email, {})
        return
    link = settings.PUBLIC_URL + reverse("account:prove-address", args=[key])
    _send_or_raise(request, "address_proof", email, {"link": link})


def _send_or_raise(request: HttpRequest, name: str, email: str, context: dict[str, Any]) -> None:
    context = {**context, "user": request.user}
    get_adapter(request).send_or_raise(f"account/email/{name}", email, context)


@person_page("POST", is_sensitive=True)
def send_link_again(request: PersonRequest) -> HttpResponse:
    """Send the link to the new address once more."""
    change = own_address.pending_address(request.user)
    if change is None:
        return redirect("account:change-address")
    try:
        return _ask(request, change.email)
    except TooManyTries as wait:
        raise DomainError("too_many_requests", wait.sentence, status=429) from None
    except MailNotSent:
        messages.error(request, NOT_TAKEN)
        return redirect("account:you")


@person_page("POST")
def cancel_address(request: PersonRequest) -> HttpResponse:
    """Keep the address as it is."""
    own_address.cancel_address(user=request.user)
    messages.success(request, f"Your address stays {request.user.email}.")
    return redirect("account:you")


@person_page("GET", "POST")
def prove_address(request: PersonRequest, key: str) -> HttpResponse:
    """Where the link to the new address leads: a button, since programs open links too."""
    try:
        change = own_address.find_by_link(request.user, key)
        if request.method == "GET":
            return render(request, "account/prove_address.html", {"change": change})
        old = own_address.prove_address(user=request.user, key=key)
    except DomainError as error:
        context = {"error": error}
        return render(request, "account/prove_address.html", context, status=error.status)
    get_adapter(request).send_notification_mail(
        "account/email/email_changed",
        request.user,
        {"from_email": old, "to_email": request.user.email},
        email=old,
    )
    messages.success(request, f"Your address is {request.user.email} now. Sign in with it.")
    return redirect("account:you")
