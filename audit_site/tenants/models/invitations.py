"""Who was asked to join a tenant."""

from __future__ import annotations

from datetime import timedelta
from typing import Final, Self

from django.db import models
from django.utils.timezone import now

from audit_site.tenants.models.mailed import Mailed
from audit_site.tenants.models.people import Role, User
from audit_site.tenants.models.tenants import TenantQuerySet

VALID_FOR: Final = timedelta(days=7)


class InvitationQuerySet(TenantQuerySet["Invitation"]):
    def open(self) -> Self:
        """Those that were neither accepted nor withdrawn; they may have run out."""
        return self.filter(accepted_at=None, revoked_at=None)

    def waiting_for_mail(self) -> Self:
        """Those whose e-mail was not sent; one that ran out meanwhile has to be sent again."""
        return self.open().filter(sent_at=None, mail_refused="", expires_at__gt=now())


class Invitation(Mailed):
    """A person is asked to join; its link is good once, for its address alone.

    The link's 256 random bits are in the e-mail only: `token_hash` is their SHA-256, and None until
    the e-mail is on its way. Each e-mail has a link of its own, and ends the one before.
    """

    seen_by_holder = "token_hash"
    seen_by_system = ("send_invitations",)

    email = models.EmailField(max_length=254)
    name = models.CharField(max_length=150, blank=True)
    role = models.CharField(max_length=10, choices=Role)
    token_hash = models.CharField(max_length=64, unique=True, null=True, blank=True)
    #: None = the operator, by a command.
    invited_by = models.ForeignKey(
        User, null=True, blank=True, on_delete=models.SET_NULL, related_name="+"
    )
    created_at = models.DateTimeField(default=now, editable=False)
    expires_at = models.DateTimeField()
    accepted_at = models.DateTimeField(null=True, blank=True)
    revoked_at = models.DateTimeField(null=True, blank=True)

    objects = InvitationQuerySet.as_manager()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["tenant", "email"],
                condition=models.Q(accepted_at=None, revoked_at=None),
                name="one_open_invitation_per_address",
            )
        ]
        indexes = [
            models.Index(
                fields=["id"],
                condition=models.Q(sent_at=None, accepted_at=None, revoked_at=None),
                name="invitation_waits_for_mail",
            )
        ]

    def __str__(self) -> str:
        return self.name or self.email
