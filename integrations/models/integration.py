"""A tenant's connection to a PSA account, and the tests of its keys."""

from __future__ import annotations

from datetime import datetime, time
from typing import Self, TypeVar

from django.db import models
from django.utils import timezone

from audit_site.errors import DomainError
from audit_site.tenants.models import TenantOwned, TenantQuerySet, User
from integrations.models.work import LeasedWork
from integrations.psa import registry
from integrations.psa.contract import PsaInfo

ModelT = TypeVar("ModelT", bound=models.Model)


class IntegrationQuerySet(TenantQuerySet["Integration"]):
    def connected(self) -> Self:
        """Those whose keys were accepted when they were last tried."""
        return self.filter(status=Integration.Status.CONNECTED)

    def not_disconnected(self) -> Self:
        """Those that a person has not disconnected, whether they work or not."""
        return self.exclude(status=Integration.Status.DISCONNECTED)

    def not_paused(self, now: datetime) -> Self:
        """Those that no person has paused, or whose pause has come to its end."""
        return self.filter(models.Q(on_pause_since=None) | models.Q(on_pause_until__lte=now))

    def with_people(self) -> Self:
        """Together with the tenant and the people that health speaks of: no query for each."""
        return self.select_related("tenant", "on_pause_by", "disconnected_by")


class IntegrationOwnedQuerySet(TenantQuerySet[ModelT]):
    """Rows with a tenant and an `integration`."""

    def of(self, integration: Integration) -> Self:
        """Those of one integration, and so of its tenant."""
        return self.filter(tenant=integration.tenant_id, integration=integration)


class Integration(TenantOwned):
    """One tenant's configured connection to one PSA account.

    `credentials` map field names to values; secret ones are ciphertext of integrations.crypto.
    `candidate` holds new ones, `{"credentials", "account_key", "secrets_saved", "address_change",
    "state", "test"}`: tested first, they take over only when they pass. Of refused ones, and of a
    disconnected account, only what is no secret stays. `secrets_saved` says of each secret when it
    was typed and by whom, as in `{"password": {"at": "…Z", "by": user id or null}}`.
    `memory` is the adapter's own (a resolved host); no secrets in it. `address_change` is what
    admins still have to be told of (integrations.connecting.address_changes).

    `watermarks` say up to which moment of the PSA's clock each kind was read, as in
    `{"companies": "…Z"}`. `failures` counts the runs in a row that found the PSA unavailable; until
    `paused_until` nothing but Sync Now asks it again. `on_pause_…` is something else: a person's
    pause, without an end where `on_pause_until` is None (integrations.runs.pausing).
    """

    leaves_marks = True
    seen_by_system = ("dispatch_due", "remind_of_address_changes", "rotate_credentials")

    class Status(models.TextChoices):
        UNTESTED = "untested", "Not tested"
        TESTING = "testing", "Testing"
        CONNECTED = "connected", "Connected"
        FAILING = "failing", "Failing"
        DISCONNECTED = "disconnected", "Disconnected"

    class Schedule(models.TextChoices):
        OFF = "off", "Off"
        HOURLY = "hourly", "Every hour"
        NIGHTLY = "nightly", "Every night"

    psa = models.CharField(max_length=40)  # a key of the registry: a new PSA needs no migration
    name = models.CharField(max_length=255)
    status = models.CharField(max_length=20, choices=Status, default=Status.UNTESTED)
    account_key = models.CharField(max_length=255)
    credentials = models.JSONField(default=dict)
    secrets_saved = models.JSONField(default=dict, db_default={})
    candidate = models.JSONField(null=True, blank=True)
    memory = models.JSONField(default=dict)
    created_at = models.DateTimeField(default=timezone.now, editable=False)
    updated_at = models.DateTimeField(auto_now=True)
    connected_at = models.DateTimeField(null=True, blank=True)
    disconnected_at = models.DateTimeField(null=True, blank=True)
    disconnected_by = models.ForeignKey(
        User, null=True, blank=True, on_delete=models.SET_NULL, related_name="+"
    )
    companies_read_at = models.DateTimeField(null=True, blank=True)
    schedule = models.CharField(max_length=10, choices=Schedule, default=Schedule.NIGHTLY)
    nightly_at = models.TimeField(default=time(2, 0))  # by the tenant's clock
    next_sync_at = models.DateTimeField(null=True, blank=True)
    watermarks = models.JSONField(default=dict, db_column="marks")
    full_pass_at = models.DateTimeField(null=True, blank=True)
    failures = models.PositiveSmallIntegerField(default=0)
    paused_until = models.DateTimeField(null=True, blank=True)
    on_pause_since = models.DateTimeField(null=True, blank=True)
    on_pause_until = models.DateTimeField(null=True, blank=True)
    on_pause_by = models.ForeignKey(
        User, null=True, blank=True, on_delete=models.SET_NULL, related_name="+"
    )
    address_change = models.JSONField(null=True, blank=True)

    objects = IntegrationQuerySet.as_manager()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["tenant", "psa", "account_key"], name="one_integration_per_account"
            )
        ]
        indexes = [
            models.Index(
                fields=["next_sync_at"],
                condition=models.Q(status="connected"),
                name="integrations_due",
            )
        ]

    def __str__(self) -> str:
        return self.name

    @property
    def psa_info(self) -> PsaInfo:
        """What the registry knows of its PSA."""
        return registry.get_adapter(self.psa).info

    @property
    def is_connected(self) -> bool:
        return self.status == self.Status.CONNECTED

    @property
    def is_disconnected(self) -> bool:
        return self.status == self.Status.DISCONNECTED

    @property
    def is_paused(self) -> bool:
        """Whether a person has paused it, and the pause has not come to its end."""
        until = self.on_pause_until
        return self.on_pause_since is not None and (until is None or until > timezone.now())

    def refuse_paused(self) -> None:
        """Raise the DomainError of what a person may not start while it is paused."""
        if self.is_paused:
            raise DomainError(
                "paused", f"{self.name} is paused.", "Resume it first, then it is read again."
            )

    def refuse_disconnected(self) -> None:
        """Raise the DomainError of everything that needs a connection, when there is none."""
        if self.is_disconnected:
            raise DomainError(
                "not_connected",
                f"{self.name} is disconnected.",
                "Connect it again under Integrations.",
            )


class ConnectionTest(LeasedWork):
    """One execution of the checks. `checks` = `[{"name", "ok", "seen", "code", "message", "fix"}]`.

    While it waits (`resume_at`), `code`, `message` and `fix` say for what.
    """

    class State(models.TextChoices):
        QUEUED = "queued", "Queued"
        RUNNING = "running", "Running"
        DONE = "done", "Done"

    integration = models.ForeignKey(Integration, on_delete=models.CASCADE, related_name="tests")
    is_candidate = models.BooleanField(default=False)
    state = models.CharField(max_length=10, choices=State, default=State.QUEUED)
    ok = models.BooleanField(null=True)
    code = models.CharField(max_length=40, blank=True)
    message = models.TextField(blank=True)
    fix = models.TextField(blank=True)
    checks = models.JSONField(default=list)

    objects = IntegrationOwnedQuerySet["ConnectionTest"].as_manager()

    class Meta:
        indexes = [
            models.Index(fields=["tenant", "integration", "-id"], name="tests_of_integration"),
            models.Index(fields=["tenant", "-id"], name="tests_newest"),
            models.Index(
                fields=["queued_at"], condition=~models.Q(state="done"), name="tests_under_way"
            ),
        ]

    def __str__(self) -> str:
        return f"test of {self.integration_id} ({self.state})"
