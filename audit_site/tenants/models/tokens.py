"""The bearer tokens of REST."""

from __future__ import annotations

from django.db import models
from django.utils import timezone

from audit_site.tenants.models.people import User
from audit_site.tenants.models.tenants import TenantOwned, TenantQuerySet


class Scope(models.TextChoices):
    READ = "read", "Read"
    WRITE = "write", "Write"
    ADMIN = "admin", "Admin"


class ApiToken(TenantOwned):
    """A bearer token of one user in one tenant; only the SHA-256 of its 256 random bits is kept.

    `prefix` is what people know it by. It never may do more than its owner's role at the time.
    """

    seen_by_holder = "token_hash"

    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="+")
    name = models.CharField(max_length=100, blank=True)
    token_hash = models.CharField(max_length=64, unique=True)
    prefix = models.CharField(max_length=12)
    scopes = models.JSONField(default=list)
    created_at = models.DateTimeField(default=timezone.now, editable=False)
    expires_at = models.DateTimeField(null=True, blank=True)
    last_used_at = models.DateTimeField(null=True, blank=True)
    last_used_ip = models.GenericIPAddressField(null=True, blank=True)
    revoked_at = models.DateTimeField(null=True, blank=True)

    objects = TenantQuerySet["ApiToken"].as_manager()

    def __str__(self) -> str:
        return self.name or f"{self.prefix}…"

    @property
    def is_expired(self) -> bool:
        return self.expires_at is not None and self.expires_at <= timezone.now()
