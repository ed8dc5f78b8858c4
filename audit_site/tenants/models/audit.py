"""The audit trail: one row per act, and the chain that shows whether each is still there."""

from __future__ import annotations

from typing import ClassVar

from django.db import models
from django.utils.timezone import now

from audit_site.tenants.models.tenants import TenantOwned, TenantQuerySet


class AuditEvent(TenantOwned):
    """Who did what, kept for ever and never changed: the database refuses that (migration 0006).

    Names are as they were: no row of the trail refers to a person, a token or an object that could
    change or go. `before` and `after` hold no secret and no personal data of contacts; None = there
    is nothing to say. `person_id` is who stands behind the actor: the owner of a token too.
    `content_hash` is made of all the other columns (`audit_site.tenants.audit_chain`).
    """

    class Actor(models.TextChoices):
        USER = "user", "Person"
        TOKEN = "token", "API token"
        SYSTEM = "system", "audIT itself"
        OPERATOR = "operator", "Operator"

    class Door(models.TextChoices):
        PAGE = "page", "Page"
        API = "api", "API"
        COMMAND = "command", "Command"
        WORKER = "worker", "Worker"

    #: What the role of the application is granted, where it is not the tables' owner.
    application_may: ClassVar = ("SELECT", "INSERT")

    at = models.DateTimeField(default=now)
    actor_type = models.CharField(max_length=10, choices=Actor)
    actor_id = models.CharField(max_length=100, blank=True)
    actor_name = models.CharField(max_length=255, blank=True)
    person_id = models.CharField(max_length=100, blank=True)
    ip = models.CharField(max_length=45, blank=True)
    user_agent = models.CharField(max_length=200, blank=True)
    #: Empty where an event is older than the note of it.
    door = models.CharField(max_length=10, choices=Door, blank=True)
    request_id = models.CharField(max_length=64, blank=True)
    action = models.CharField(max_length=60)
    object_type = models.CharField(max_length=40)
    object_id = models.CharField(max_length=100)
    object_name = models.CharField(max_length=255, blank=True)
    before = models.JSONField(null=True, blank=True)
    after = models.JSONField(null=True, blank=True)
    content_hash = models.CharField(max_length=64)

    objects = TenantQuerySet["AuditEvent"].as_manager()

    class Meta:
        indexes = [models.Index(fields=["tenant", "-at", "-id"], name="audit_by_time")]

    def __str__(self) -> str:
        return f"{self.action} {self.object_type} {self.object_id}"


class AuditLink(TenantOwned):
    """A link of a tenant's chain; its id is that of its event, which it outlives.

    Only a trigger of the database writes links. `number` counts from 1 without a gap; `hash` is
    that of the link before, this number and the event's content.
    """

    application_may: ClassVar = ("SELECT",)

    number = models.PositiveBigIntegerField()
    at = models.DateTimeField()
    content_hash = models.CharField(max_length=64)
    hash = models.CharField(max_length=64)

    objects = TenantQuerySet["AuditLink"].as_manager()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["tenant", "number"], name="one_link_per_number")
        ]

    def __str__(self) -> str:
        return f"{self.number} of {self.tenant_id}"
