"""What people choose in the import list, and what came of it."""

from __future__ import annotations

from typing import ClassVar

from django.db import models
from django.utils import timezone

from audit_site.tenants.models import TenantOwned, TenantQuerySet, User
from companies.models import Company
from integrations.models.integration import Integration
from integrations.models.work import LeasedWork


class ImportSelection(TenantOwned):
    """What one person has chosen in the import list and done nothing with yet.

    `rule` = all that match these filters (`integrations.importing.table.Filters`) but `excepted`;
    null = there is none. `ticked` are rows chosen one by one. Both are ids of PsaCompanyRecord.
    """

    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="+")
    rule = models.JSONField(null=True, blank=True)
    excepted = models.JSONField(default=list)
    ticked = models.JSONField(default=list)
    changed_at = models.DateTimeField(auto_now=True)

    objects = TenantQuerySet["ImportSelection"].as_manager()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["tenant", "user"], name="one_selection_per_person")
        ]

    def __str__(self) -> str:
        return f"what {self.user_id} chose"


class ImportBatch(LeasedWork):
    """A choice that is reviewed, then carried out by a worker in slices.

    While it is in `review` its rows can be unticked and no worker touches it. `total`: how many
    rows were chosen when it was started. `undo_by`: who last had it taken back, and `back_by` who
    last had what that archived brought back; a worker then does that.
    """

    seen_by_system = ("sweep", "prune_history")

    class State(models.TextChoices):
        REVIEW = "review", "To review"
        QUEUED = "queued", "Queued"
        RUNNING = "running", "Running"
        DONE = "done", "Done"

    ACTIVE_STATES = (State.QUEUED, State.RUNNING)
    DISPATCH_FIELDS: ClassVar[tuple[str, ...]] = ("total",)
    CLAIMED_WITH: ClassVar[tuple[str, ...]] = ("tenant", "started_by", "undo_by", "back_by")
    #: A person watches so many; more of them wait their turn like any sync.
    MOST_AWAITED: ClassVar[int] = 500

    created_at = models.DateTimeField(default=timezone.now)
    started_by = models.ForeignKey(
        User, null=True, blank=True, on_delete=models.SET_NULL, related_name="+"
    )
    state = models.CharField(max_length=10, choices=State, default=State.REVIEW)
    total = models.PositiveIntegerField(default=0)
    undo_by = models.ForeignKey(
        User, null=True, blank=True, on_delete=models.SET_NULL, related_name="+"
    )
    back_by = models.ForeignKey(
        User, null=True, blank=True, on_delete=models.SET_NULL, related_name="+"
    )

    objects = TenantQuerySet["ImportBatch"].as_manager()

    class Meta:
        verbose_name_plural = "import batches"
        indexes = [
            models.Index(fields=["tenant", "-id"], name="import_batches_newest"),
            models.Index(
                fields=["queued_at"],
                condition=models.Q(state__in=["queued", "running"]),
                name="import_batches_under_way",
            ),
        ]

    def __str__(self) -> str:
        return f"import of {self.total:,} compan{'y' if self.total == 1 else 'ies'}"

    @property
    def is_active(self) -> bool:
        return self.state in self.ACTIVE_STATES

    @property
    def is_awaited(self) -> bool:
        return self.total <= self.MOST_AWAITED


class ImportBatchRow(TenantOwned):
    """One PSA company of a batch: what it is to become, and what became of it.

    `company` is the audITee that it is linked to, or that was made of it (`made`). Only rows that
    are `chosen` are carried out; the others were unticked in the review. `primary_contact` (the
    PSA's id) and `type` are what a person chose for a new audITee, "" = as the rules have it.
    """

    class Becomes(models.TextChoices):
        NEW = "new", "New audITee"
        LINK = "link", "Link"

    class State(models.TextChoices):
        WAITING = "waiting", "Waiting"
        DONE = "done", "Done"
        FAILED = "failed", "Not done"
        UNDOING = "undoing", "To be undone"
        UNDONE = "undone", "Undone"

    batch = models.ForeignKey(ImportBatch, on_delete=models.CASCADE, related_name="rows")
    position = models.PositiveIntegerField()
    integration = models.ForeignKey(Integration, on_delete=models.CASCADE, related_name="+")
    external_id = models.CharField(max_length=100)
    name = models.CharField(max_length=255)
    becomes = models.CharField(max_length=4, choices=Becomes, default=Becomes.NEW)
    company = models.ForeignKey(
        Company, null=True, blank=True, on_delete=models.SET_NULL, related_name="+"
    )
    made = models.BooleanField(default=False)
    chosen = models.BooleanField(default=True)
    primary_contact = models.CharField(max_length=100, blank=True)
    type = models.CharField(max_length=10, choices=Company.Type, blank=True)
    state = models.CharField(max_length=10, choices=State, default=State.WAITING)
    code = models.CharField(max_length=40, blank=True)
    message = models.TextField(blank=True)
    done_at = models.DateTimeField(null=True, blank=True)

    objects = TenantQuerySet["ImportBatchRow"].as_manager()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["tenant", "batch", "integration", "external_id"],
                name="one_row_per_psa_company_of_a_batch",
            )
        ]
        indexes = [
            models.Index(fields=["tenant", "batch", "position"], name="import_batch_rows"),
            models.Index(
                fields=["tenant", "batch", "state", "position"], name="import_batch_rows_by_state"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.name} ({self.state})"
