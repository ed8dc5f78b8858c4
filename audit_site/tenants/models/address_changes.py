"""E-mail addresses that people want to have, and have not proved yet."""

from __future__ import annotations

from django.db import models
from django.utils.timezone import now

from audit_site.ids import new_id
from audit_site.tenants.models.people import User


class AddressChange(models.Model):
    """The address that a person asked for last. It counts for nothing until its link is opened."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    user = models.OneToOneField(User, on_delete=models.CASCADE, related_name="address_change")
    email = models.EmailField(max_length=254)
    asked_at = models.DateTimeField(default=now)

    def __str__(self) -> str:
        return f"new address of {self.user}"
