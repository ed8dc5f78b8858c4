"""Whose an e-mail address is: that of who proved to read its mail.

allauth keeps what was proved (`EmailAddress`). The address of a user without that is a claim, which
gives way to whoever proves that the address is theirs.
"""

from __future__ import annotations

from dataclasses import dataclass

from allauth.account.models import EmailAddress
from allauth.mfa.models import Authenticator
from django.db import transaction

from audit_site.tenants.models import User
from audit_site.tenants.own_trail import record_of_person
from audit_site.tenants.sessions import end_sessions


@dataclass(frozen=True, slots=True)
class Holder:
    """The account that an address belongs to, or that claims it (`has_proved` = False).

    `can_sign_in`: whether anything opens the account, a password or a passkey.
    """

    user: User
    has_proved: bool
    can_sign_in: bool


def holder_of(address: str) -> Holder | None:
    """The account that has proved an address to be its own, else the one that signs in with it."""
    proved = EmailAddress.objects.filter(email__iexact=address, verified=True)
    row = proved.select_related("user").first()
    user = row.user if row else User.objects.filter(email__iexact=address).first()
    if user is None:
        return None
    opens = user.has_usable_password() or Authenticator.objects.filter(user=user).exists()
    return Holder(user, has_proved=row is not None, can_sign_in=opens)


@transaction.atomic
def prove(user: User) -> None:
    """Note that the person reads the mail of the address that they sign in with."""
    own = EmailAddress.objects.filter(user=user)
    own.exclude(email__iexact=user.email).update(primary=False)
    if not own.filter(email__iexact=user.email).update(verified=True, primary=True):
        EmailAddress.objects.create(user=user, email=user.email, verified=True, primary=True)


@transaction.atomic
def give_way(claimant: User) -> None:
    """Take an address that an account never proved away from it; its sessions end."""
    own = EmailAddress.objects.filter(user=claimant)
    own.filter(email__iexact=claimant.email, verified=False).delete()
    proved = own.filter(verified=True).first()
    before = {"email": claimant.email}
    claimant.email = proved.email if proved else f"{claimant.pk}@not-proved.invalid"
    claimant.save(update_fields=["email"])
    end_sessions(claimant)
    after = {"email": claimant.email}
    record_of_person(claimant, "address.lost", actor=None, before=before, after=after)
