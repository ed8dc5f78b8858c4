"""Sync runs, what they have seen, and what they did to each record."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Final

from django.db import models
from django.utils import timezone

from audit_site.tenants.models import TenantOwned, TenantQuerySet, User
from companies.models import Company
from integrations import kinds
from integrations.models.integration import Integration, IntegrationOwnedQuerySet
from integrations.models.work import LeasedWork

#: What a run counts, and for which kinds of records.
KINDS: tuple[str, ...] = tuple(kind.name for kind in kinds.KINDS)
FIGURES = ("seen", "created", "updated", "unchanged", "gone", "rejected")


#: `resume_at` of a run that waits for the end of a pause that has none: never by itself.
NO_END: Final = datetime(9999, 1, 1, tzinfo=UTC)


def no_counts() -> dict[str, dict[str, int]]:
    return {kind: dict.fromkeys(FIGURES, 0) for kind in KINDS}


class SyncRun(LeasedWork):
    """One execution of a sync.

    A run reads everything, or only `companies` (PSA ids: an import, or the re-sync of one
    `company`). `reading` = all records, or only those that changed since the integration's
    watermarks.
    `accept_gone`: of which kinds a person has said that so many are really gone, as in
    `{"contacts": 25}`. `checkpoint` says where it continues after a crash
    (`integrations.sync.checkpoint` knows its form). `counts` is
    `{"companies": {"seen", "created", "updated", "unchanged", "gone", "rejected"}, …}`.
    """

    seen_by_system = ("sweep", "prune_history", "dispatch_due")

    class State(models.TextChoices):
        QUEUED = "queued", "Queued"
        RUNNING = "running", "Running"
        SUCCEEDED = "succeeded", "Succeeded"
        PARTIAL = "partial", "Partial"
        FAILED = "failed", "Failed"
        CANCELLED = "cancelled", "Cancelled"

    class Trigger(models.TextChoices):
        MANUAL = "manual", "Sync Now"
        CONNECT = "connect", "Connected"
        SCHEDULE = "schedule", "Schedule"
        IMPORT = "import", "Import"
        CALLBACK = "callback", "Callback"

    class Scope(models.TextChoices):
        ALL = "all", "Everything"
        COMPANIES = "companies", "Some companies"

    class Reading(models.TextChoices):
        FULL = "full", "Everything"
        CHANGES = "changes", "What changed"

    ACTIVE_STATES = (State.QUEUED, State.RUNNING)
    DISPATCH_FIELDS = ("scope", "trigger", "companies")

    integration = models.ForeignKey(Integration, on_delete=models.CASCADE, related_name="runs")
    scope = models.CharField(max_length=10, choices=Scope, default=Scope.ALL)
    company = models.ForeignKey(
        Company, null=True, blank=True, on_delete=models.SET_NULL, related_name="+"
    )
    companies = models.JSONField(default=list)
    trigger = models.CharField(max_length=10, choices=Trigger, default=Trigger.MANUAL)
    started_by = models.ForeignKey(
        User, null=True, blank=True, on_delete=models.SET_NULL, related_name="+"
    )
    state = models.CharField(max_length=10, choices=State, default=State.QUEUED)
    reading = models.CharField(max_length=10, choices=Reading, default=Reading.FULL)
    accept_gone = models.JSONField(default=dict)
    phase = models.CharField(max_length=20, blank=True)
    phase_started_at = models.DateTimeField(null=True, blank=True)
    requests = models.PositiveIntegerField(default=0)
    progress_done = models.PositiveIntegerField(default=0)
    progress_total = models.PositiveIntegerField(null=True, blank=True)
    counts = models.JSONField(default=no_counts)
    checkpoint = models.JSONField(default=dict)
    waiting_for = models.CharField(max_length=255, blank=True)
    cancel_requested = models.BooleanField(default=False)
    #: Trigger of the run that begins when this one ends: it was asked for what it can't do.
    followed_by = models.CharField(
        max_length=10, choices=Trigger, blank=True, default="", db_default="", db_column="then"
    )
    error_code = models.CharField(max_length=40, blank=True)
    error_message = models.TextField(blank=True)
    error_fix = models.TextField(blank=True)

    objects = IntegrationOwnedQuerySet["SyncRun"].as_manager()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["tenant", "integration"],
                condition=models.Q(scope="all", state__in=["queued", "running"]),
                name="one_active_run_per_integration",
            ),
            models.UniqueConstraint(
                fields=["tenant", "company"],
                condition=models.Q(state__in=["queued", "running"]),
                name="one_active_run_per_company",
            ),
        ]
        indexes = [
            models.Index(fields=["tenant", "integration", "-id"], name="runs_of_integration"),
            models.Index(
                fields=["queued_at"],
                condition=models.Q(state__in=["queued", "running"]),
                name="runs_under_way",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.get_trigger_display()} ({self.state})"

    @property
    def is_active(self) -> bool:
        return self.state in self.ACTIVE_STATES

    @property
    def is_held(self) -> bool:
        """Whether it begins when a person's pause is over: no worker has read anything for it."""
        return self.state == self.State.QUEUED and self.resume_at is not None

    @property
    def resumes_at(self) -> datetime | None:
        """When it goes on; None when nothing says so."""
        return None if self.resume_at == NO_END else self.resume_at

    @property
    def is_awaited(self) -> bool:
        """A person looks at the one company that it reads."""
        by_person = self.trigger in {self.Trigger.MANUAL, self.Trigger.IMPORT}
        return by_person and self.scope == self.Scope.COMPANIES and len(self.companies) == 1

    @property
    def origin(self) -> str:
        """What started it, and by whom where it was a person: `Sync Now by Grace Hopper`."""
        by = f" by {self.started_by}" if self.started_by else ""
        return f"{self.get_trigger_display()}{by}"

    @property
    def duration(self) -> str:
        """How long it took, for a person; "" while it has not ended."""
        if self.started_at is None or self.finished_at is None:
            return ""
        seconds = (self.finished_at - self.started_at).total_seconds()
        if seconds < 60:
            return f"{seconds:.1f} s"
        return f"{int(seconds // 60)} min {int(seconds % 60)} s"

    @property
    def summary(self) -> list[int]:
        """Seen, created, updated and rejected records of all kinds together."""
        figures = ("seen", "created", "updated", "rejected")
        return [sum(count.get(figure, 0) for count in self.counts.values()) for figure in figures]


class SyncRunPage(TenantOwned):
    """The ids on one page that a run has stored, kept until it ends.

    What a complete pass has not seen is gone; unchanged rows need no "seen" stamp that way.
    """

    run = models.ForeignKey(SyncRun, on_delete=models.CASCADE, related_name="pages")
    kind = models.CharField(max_length=20)
    external_ids = models.JSONField()

    objects = TenantQuerySet["SyncRunPage"].as_manager()

    class Meta:
        indexes = [models.Index(fields=["tenant", "run", "kind"], name="pages_of_run")]

    def __str__(self) -> str:
        return f"{self.kind} page of {self.run_id}"


class SyncEvent(TenantOwned):
    """What a run did to one record, with the values before and after."""

    class Change(models.TextChoices):
        CREATED = "created", "New"
        UPDATED = "updated", "Changed"
        GONE = "gone", "Gone"
        RETURNED = "returned", "Back again"
        REJECTED = "rejected", "Rejected"

    run = models.ForeignKey(SyncRun, on_delete=models.CASCADE, related_name="events")
    at = models.DateTimeField(default=timezone.now)
    kind = models.CharField(max_length=20)
    external_id = models.CharField(max_length=100, blank=True)
    name = models.CharField(max_length=255, blank=True)
    change = models.CharField(max_length=10, choices=Change)
    reason_code = models.CharField(max_length=40, blank=True)
    reason_message = models.TextField(blank=True)
    before = models.JSONField(null=True, blank=True)
    after = models.JSONField(null=True, blank=True)

    objects = TenantQuerySet["SyncEvent"].as_manager()

    class Meta:
        indexes = [models.Index(fields=["tenant", "run", "id"], name="events_of_run")]

    def __str__(self) -> str:
        return f"{self.kind} {self.external_id} {self.change}"
