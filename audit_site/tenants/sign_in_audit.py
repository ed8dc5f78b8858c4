"""Sign-ins, refused ones, passwords, addresses and second factors, into the audit trail.

They are a person's and not a tenant's: each tenant that the person belongs to gets an event. What
the sign-in library does is heard of by its signals. Nothing that was typed is written down; of an
address that nobody here has, only the log says that it was tried, and not which.
"""

from __future__ import annotations

import logging
from typing import Any, Final

from allauth.account import signals as account
from allauth.mfa import signals as mfa
from allauth.mfa.models import Authenticator
from django.contrib.auth import signals as auth
from django.dispatch import Signal

from audit_site.tenants.models import User
from audit_site.tenants.own_trail import record_of_person

log = logging.getLogger(__name__)

#: What a person did, by the signal that says so.
DONE: Final[dict[Signal, str]] = {
    account.user_logged_in: "person.signed_in",
    auth.user_logged_out: "person.signed_out",
    account.password_set: "person.password_changed",
    account.password_changed: "person.password_changed",
    account.password_reset: "person.password_reset",
    account.email_added: "person.email_added",
    account.email_changed: "person.email_changed",
    account.email_removed: "person.email_removed",
    mfa.authenticator_added: "person.second_factor_added",
    mfa.authenticator_removed: "person.second_factor_removed",
    mfa.authenticator_reset: "person.second_factor_renewed",
}


def connect() -> None:
    """Listen to the sign-in library. Called once, when Django starts."""
    for signal in DONE:
        signal.connect(_heard)
    account.email_confirmed.connect(_heard_proof)
    auth.user_login_failed.connect(_heard_refusal)
    mfa.authentication_failed.connect(_heard_wrong_factor)


def _heard(*, signal: Signal, user: User | None = None, **told: Any) -> None:
    if user is not None and not _goes_along(signal, told):
        before, after = _what(told)
        record_of_person(user, DONE[signal], actor=user, before=before, after=after)


def _goes_along(signal: Signal, told: dict[str, Any]) -> bool:
    """Whether it tells of recovery codes that come with the first factor, or go with the last."""
    authenticator = told.get("authenticator")
    is_codes = getattr(authenticator, "type", None) == Authenticator.Type.RECOVERY_CODES
    return is_codes and signal in {mfa.authenticator_added, mfa.authenticator_removed}


def _what(told: dict[str, Any]) -> tuple[dict[str, Any] | None, dict[str, Any] | None]:
    """What a signal tells beside the person that may be written down: addresses, kinds of factors.

    Addresses of people who sign in are no contacts' and stand in the list of people anyway.
    """
    if (authenticator := told.get("authenticator")) is not None:
        return None, {"factor": authenticator.get_type_display()}
    if (new := told.get("to_email_address")) is not None:
        old = told.get("from_email_address")
        return {"email": old.email if old else None}, {"email": new.email}
    if (address := told.get("email_address")) is not None:
        return None, {"email": address.email}
    return None, None


def _heard_proof(*, email_address: Any, **_: Any) -> None:
    user, after = email_address.user, {"email": email_address.email}
    record_of_person(user, "person.email_confirmed", actor=user, after=after)


def _heard_refusal(*, credentials: dict[str, Any], **_: Any) -> None:
    address = str(credentials.get("email") or credentials.get("username") or "")
    user = User.objects.filter(email__iexact=address).first() if address else None
    if user is None:
        log.info("sign_in_refused person=unknown")
        return
    record_of_person(user, "person.sign_in_refused", actor=None)


def _heard_wrong_factor(*, user: User, **_: Any) -> None:
    record_of_person(user, "person.second_factor_refused", actor=None)
