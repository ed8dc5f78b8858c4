"""Who is signed in on which device."""

from __future__ import annotations

from typing import Any

from django.contrib.sessions.base_session import AbstractBaseSession
from django.db import models

from audit_site.tenants.models.people import User

#: Browsers say more of themselves than anybody needs.
AGENT_LENGTH = 200


class BrowserSession(AbstractBaseSession):
    """One browser's session. `session_key` is the hash of the key that the browser holds.

    What it holds is encrypted with a key that only the browser's cookie gives
    (`audit_site.tenants.sessions`). The columns say what its person sees in the list of devices.
    """

    user = models.ForeignKey(User, null=True, on_delete=models.CASCADE, related_name="+")
    ip = models.GenericIPAddressField(null=True)
    user_agent = models.CharField(max_length=AGENT_LENGTH)
    signed_in_at = models.DateTimeField(null=True)
    last_seen_at = models.DateTimeField(null=True)

    class Meta:
        indexes = [models.Index(fields=["user", "-last_seen_at"], name="sessions_of_a_person")]

    def __str__(self) -> str:
        return f"session of {self.user}"

    @classmethod
    def get_session_store_class(cls) -> Any:
        from audit_site.tenants.sessions import SessionStore  # noqa: PLC0415  it imports this

        return SessionStore
