"""A person's own e-mail address, which changes only when the new one is proved.

Who asks has shown who they are a moment ago (the pages see to that). A link goes to the new address
and a notice to the old one. The link does its work for that very person alone, signed in, so that
nobody proves an address to an account that somebody else has.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from allauth.account.models import EmailAddress
from django.core import signing
from django.db import IntegrityError, transaction
from django.utils import timezone

from audit_site.db.slices import delete_in_slices
from audit_site.errors import DomainError
from audit_site.tenants.addresses import clean_address
from audit_site.tenants.fields import invalid
from audit_site.tenants.models import AddressChange, User
from audit_site.tenants.own_trail import record_of_person
from audit_site.tenants.proof import holder_of

SALT: Final = "audit_site.own_address"
VALID: Final = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Asked:
    """An address that was asked for: its link, or None where it belongs to somebody else."""

    change: AddressChange
    key: str | None


@transaction.atomic
def ask_for_address(*, user: User, email: str) -> Asked:
    """Note which address a person wants; one that was asked for before is forgotten.

    Whether it belongs to somebody else is not told to who asks: they get the same answer, and its
    owner a mail.
    """
    email = clean_address(email)
    if email == user.email.lower():
        raise invalid("email", "This is your address already.")
    AddressChange.objects.filter(user=user).delete()
    change = AddressChange.objects.create(user=user, email=email)
    before, after = {"email": user.email}, {"email": email}
    record_of_person(user, "address.asked", actor=user, before=before, after=after)
    return Asked(change, None if holder_of(email) else link_key(change))


def link_key(change: AddressChange) -> str:
    """What the link holds: it names the address, so that it proves no other."""
    return signing.dumps([str(change.pk), change.email], salt=SALT)


def pending_address(user: User) -> AddressChange | None:
    """The address that a person asked for and may still prove."""
    recent = AddressChange.objects.filter(user=user, asked_at__gt=timezone.now() - VALID)
    return recent.first()


def ends_at(change: AddressChange) -> datetime:
    return change.asked_at + VALID


@transaction.atomic
def cancel_address(*, user: User) -> None:
    """Forget the address that a person asked for; its link is worth nothing from now on."""
    for change in AddressChange.objects.filter(user=user):
        asked = {"email": change.email}
        record_of_person(user, "address.cancelled", actor=user, before=asked)
        change.delete()


def find_by_link(user: User, key: str) -> AddressChange:
    """The change that a link stands for, if it is this person's."""
    try:
        pk, email = signing.loads(key, salt=SALT, max_age=VALID)
    except (signing.BadSignature, ValueError):
        raise _worthless() from None
    change = AddressChange.objects.filter(pk=pk, email=email).first()
    if change is None:
        raise _worthless()
    if change.user_id != user.pk:
        raise DomainError(
            "another_person",
            "This link is of another account than the one that you are signed in to.",
            "Sign out, and sign in as the person who asked for the new address.",
            status=404,
        )
    return change


def prove_address(*, user: User, key: str) -> str:
    """Make the address of a link the person's own; return the one that they had."""
    try:
        return _prove(user, key)
    except IntegrityError:  # somebody else proved it at the same moment
        raise _worthless() from None


@transaction.atomic
def _prove(user: User, key: str) -> str:
    held = User.objects.select_for_update().get(pk=user.pk)
    change = find_by_link(held, key)
    if holder_of(change.email) is not None:
        raise _worthless()
    old, new = held.email, change.email
    EmailAddress.objects.filter(user=held).delete()
    EmailAddress.objects.create(user=held, email=new, verified=True, primary=True)
    held.email = user.email = new
    held.save(update_fields=["email"])
    change.delete()
    before, after = {"email": old}, {"email": new}
    record_of_person(held, "address.changed", actor=held, before=before, after=after)
    return old


def _worthless() -> DomainError:
    return DomainError(
        "link_expired",
        "This link is not valid any more: it was used, cancelled, or is more than a day old.",
        "Ask for the new address once more.",
        status=410,
    )


def forget_address_changes() -> None:
    """Delete what nobody can prove any more."""
    delete_in_slices(AddressChange.objects.filter(asked_at__lt=timezone.now() - VALID))
