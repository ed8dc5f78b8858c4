"""Connections to PSAs, what they show (the import list), links, tests and sync runs."""

from __future__ import annotations

from datetime import time
from typing import TypeVar

from django.db import models
from django.db.models.functions import Upper
from django.utils import timezone

from audit_site.tenants.models import TenantOwned, TenantQuerySet, User
from companies.models import Company

ModelT = TypeVar("ModelT", bound=models.Model)


class LeasedWork(TenantOwned):
    """Work for a worker. This row is the truth; the message that starts it is only a hint.

    A worker claims it by raising `fence` and holds it until `lease_until`; whoever comes with an
    older fence may write no more. `resume_at` = not before then (a PSA asked us to wait).
    """

    queued_at = models.DateTimeField(default=timezone.now)
    dispatched_at = models.DateTimeField(null=True, blank=True)
    started_at = models.DateTimeField(null=True, blank=True)
    finished_at = models.DateTimeField(null=True, blank=True)
    lease_until = models.DateTimeField(null=True, blank=True)
    resume_at = models.DateTimeField(null=True, blank=True)
    fence = models.PositiveIntegerField(default=0)
    attempts = models.PositiveIntegerField(default=0)

    class Meta:
        abstract = True


class Integration(TenantOwned):
    """One tenant's configured connection to one PSA account.

    `credentials` and `candidate` map field names to values; secret ones are ciphertext of
    integrations.crypto. A candidate is tested first and takes over only when it passes.
    `memory` is the adapter's own (a resolved host); no secrets in it.

    `marks` say up to which moment of the PSA's clock each kind was read (`{"companies": "…Z"}`).
    `failures` counts the runs in a row that found the PSA unavailable; until `paused_until` nothing
    but Sync Now asks it again.
    """

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
    candidate = models.JSONField(null=True, blank=True)
    memory = models.JSONField(default=dict)
    created_at = models.DateTimeField(default=timezone.now, editable=False)
    updated_at = models.DateTimeField(auto_now=True)
    connected_at = models.DateTimeField(null=True, blank=True)
    disconnected_at = models.DateTimeField(null=True, blank=True)
    companies_read_at = models.DateTimeField(null=True, blank=True)
    schedule = models.CharField(max_length=10, choices=Schedule, default=Schedule.NIGHTLY)
    nightly_at = models.TimeField(default=time(2, 0))  # by the tenant's clock
    next_sync_at = models.DateTimeField(null=True, blank=True)
    marks = models.JSONField(default=dict)
    full_pass_at = models.DateTimeField(null=True, blank=True)
    failures = models.PositiveSmallIntegerField(default=0)
    paused_until = models.DateTimeField(null=True, blank=True)

    objects = TenantQuerySet["Integration"].as_manager()

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
    def latest_test(self) -> ConnectionTest | None:
        """The newest test of the credentials in use."""
        return self._newest("newest_tests", self.tests.filter(is_candidate=False))

    @property
    def candidate_test(self) -> ConnectionTest | None:
        """The test of the new credentials that wait for it or were refused."""
        if self.candidate is None:
            return None
        return self._newest("newest_candidate_tests", self.tests.filter(is_candidate=True))

    @property
    def latest_run(self) -> SyncRun | None:
        """The newest run over everything."""
        return self._newest("newest_runs", self.runs.filter(scope=SyncRun.Scope.ALL))

    def _newest(self, name: str, rows: models.QuerySet[ModelT]) -> ModelT | None:
        """The newest row: from the selectors' prefetch of this name, or asked for now."""
        if name not in self.__dict__:
            self.__dict__[name] = list(rows.order_by("-id")[:1])
        found: list[ModelT] = self.__dict__[name]
        return found[0] if found else None


class ConnectionTest(LeasedWork):
    """One execution of the checks. `checks` = `[{"name", "ok", "code", "message", "fix"}]`."""

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

    objects = TenantQuerySet["ConnectionTest"].as_manager()

    class Meta:
        indexes = [
            models.Index(fields=["tenant", "integration", "-id"], name="tests_of_integration"),
            models.Index(
                fields=["queued_at"], condition=~models.Q(state="done"), name="tests_under_way"
            ),
        ]

    def __str__(self) -> str:
        return f"test of {self.integration_id} ({self.state})"


#: What a run counts, and for which kinds of records.
KINDS = ("companies", "contacts", "agreements", "lines")
FIGURES = ("seen", "created", "updated", "unchanged", "gone", "rejected")


def no_counts() -> dict[str, dict[str, int]]:
    return {kind: dict.fromkeys(FIGURES, 0) for kind in KINDS}


class SyncRun(LeasedWork):
    """One execution of a sync.

    A run reads everything, or only `companies` (PSA ids: an import, or the re-sync of one
    `company`). `reading` = all records, or only those that changed since the integration's marks.
    `accept_gone`: of which kinds a person has said that so many are really gone, as in
    `{"contacts": 25}`. `checkpoint` says where it goes on after a crash. `counts` is
    `{"companies": {"seen", "created", "updated", "unchanged", "gone", "rejected"}, …}`.
    """

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
    then = models.CharField(max_length=10, choices=Trigger, blank=True, default="", db_default="")
    error_code = models.CharField(max_length=40, blank=True)
    error_message = models.TextField(blank=True)
    error_fix = models.TextField(blank=True)

    objects = TenantQuerySet["SyncRun"].as_manager()

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


class PsaCompanyRecord(TenantOwned):
    """A company of the PSA, as last read: one row of the import list.

    The counts are of its contacts that are not gone: all, active, and active with an e-mail or a
    phone. `rule_codes` are the import rules it breaks (integrations.services.import_rules).
    On PostgreSQL migration 0003 adds a trigram index for the search within `search_text`.
    """

    integration = models.ForeignKey(
        Integration, on_delete=models.CASCADE, related_name="psa_companies"
    )
    external_id = models.CharField(max_length=100)
    name = models.CharField(max_length=255)
    search_text = models.CharField(max_length=400)
    status = models.CharField(max_length=100, blank=True)
    type = models.CharField(max_length=255, blank=True)
    is_active = models.BooleanField(default=True)
    is_deleted = models.BooleanField(default=False)
    is_merged = models.BooleanField(default=False)
    merged_into = models.CharField(max_length=100, blank=True)
    is_own = models.BooleanField(default=False)
    default_contact_id = models.CharField(max_length=100, blank=True)
    url = models.CharField(max_length=500, blank=True)
    changed_at = models.DateTimeField(null=True, blank=True)
    contact_count = models.PositiveIntegerField(default=0)
    active_contact_count = models.PositiveIntegerField(default=0)
    reachable_contact_count = models.PositiveIntegerField(default=0)
    primary_contact_id = models.CharField(max_length=100, blank=True)
    importable = models.BooleanField(default=False)
    rule_codes = models.JSONField(default=list)
    fingerprint = models.CharField(max_length=32)
    first_seen_at = models.DateTimeField(default=timezone.now)
    seen_at = models.DateTimeField()
    gone_at = models.DateTimeField(null=True, blank=True)

    objects = TenantQuerySet["PsaCompanyRecord"].as_manager()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["tenant", "integration", "external_id"],
                name="one_psa_company_per_external_id",
            )
        ]
        indexes = [
            models.Index(
                fields=["tenant", "integration", "importable", "search_text", "external_id"],
                name="psa_companies_importable",
            ),
            models.Index(
                fields=["tenant", "integration", "search_text", "external_id"],
                name="psa_companies_by_name",
            ),
            models.Index(
                models.F("tenant"),
                models.F("integration"),
                Upper("status"),
                models.F("search_text"),
                models.F("status"),
                name="psa_companies_by_status",
            ),
            models.Index(
                fields=["tenant", "integration", "first_seen_at"], name="psa_companies_by_age"
            ),
        ]

    def __str__(self) -> str:
        return self.name


class ImportListVisit(TenantOwned):
    """When a person last looked at an import list: what came since is new to them.

    `looked_at` is the `first_seen_at` of the newest company that was there to be seen, not the time
    on the clock: what a sync was still writing at that moment is new the next time.
    """

    integration = models.ForeignKey(Integration, on_delete=models.CASCADE, related_name="+")
    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="+")
    looked_at = models.DateTimeField()

    objects = TenantQuerySet["ImportListVisit"].as_manager()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["tenant", "integration", "user"], name="one_visit_per_import_list"
            )
        ]

    def __str__(self) -> str:
        return f"{self.user_id} looked at {self.integration_id}"


class PsaContactRecord(TenantOwned):
    """A contact of the PSA, as last read.

    Only those of linked companies become contacts of ours.
    """

    integration = models.ForeignKey(
        Integration, on_delete=models.CASCADE, related_name="psa_contacts"
    )
    external_id = models.CharField(max_length=100)
    company_external_id = models.CharField(max_length=100, blank=True)
    first_name = models.CharField(max_length=255, blank=True)
    last_name = models.CharField(max_length=255, blank=True)
    email = models.CharField(max_length=254, blank=True)
    phone = models.CharField(max_length=100, blank=True)
    is_active = models.BooleanField(default=True)
    is_default = models.BooleanField(default=False)
    changed_at = models.DateTimeField(null=True, blank=True)
    fingerprint = models.CharField(max_length=32)
    gone_at = models.DateTimeField(null=True, blank=True)

    objects = TenantQuerySet["PsaContactRecord"].as_manager()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["tenant", "integration", "external_id"],
                name="one_psa_contact_per_external_id",
            )
        ]
        indexes = [
            models.Index(
                fields=["tenant", "integration", "company_external_id"],
                name="psa_contacts_by_company",
            )
        ]

    def __str__(self) -> str:
        return f"{self.first_name} {self.last_name}".strip() or self.email


class CompanyLink(TenantOwned):
    """Ties a company to a PSA company. Rests while its integration is disconnected.

    `problem_codes` are the import rules that the PSA company breaks now: it stays linked and is
    flagged. `read_at` is when the newest stored reading of its agreements began.
    """

    integration = models.ForeignKey(Integration, on_delete=models.PROTECT, related_name="links")
    company = models.ForeignKey(Company, on_delete=models.CASCADE, related_name="links")
    external_id = models.CharField(max_length=100)
    linked_at = models.DateTimeField(default=timezone.now)
    linked_by = models.ForeignKey(
        User, null=True, blank=True, on_delete=models.SET_NULL, related_name="+"
    )
    unlinked_at = models.DateTimeField(null=True, blank=True)
    last_synced_at = models.DateTimeField(null=True, blank=True)
    read_at = models.DateTimeField(null=True, blank=True)
    problem_codes = models.JSONField(default=list)

    objects = TenantQuerySet["CompanyLink"].as_manager()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["tenant", "company"],
                condition=models.Q(unlinked_at=None),
                name="one_link_per_company",
            ),
            models.UniqueConstraint(
                fields=["tenant", "integration", "external_id"],
                condition=models.Q(unlinked_at=None),
                name="one_link_per_psa_company",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.company_id} = {self.external_id}"

    @property
    def is_active(self) -> bool:
        return (
            self.unlinked_at is None and self.integration.status != Integration.Status.DISCONNECTED
        )


class Issue(TenantOwned):
    """Something about an integration that a person should know of, once for each cause.

    Of a record (`kind`, `external_id`) or of the integration itself (kind `integration`, where
    `external_id` is what of it: a kind of records, a right, "" = all of it).
    `company_external_id` is the PSA company that reading again would be about, "" = all of them. It
    closes itself when its cause is gone; a dismissed one stays quiet until then.
    """

    #: The code of the one issue that is a question: are so many records really gone?
    TOO_MANY_GONE = "too_many_gone"

    integration = models.ForeignKey(Integration, on_delete=models.CASCADE, related_name="issues")
    kind = models.CharField(max_length=20)
    external_id = models.CharField(max_length=100, blank=True)
    company_external_id = models.CharField(max_length=100, blank=True)
    code = models.CharField(max_length=40)
    name = models.CharField(max_length=255, blank=True)
    message = models.TextField()
    fix = models.TextField(blank=True)
    run = models.ForeignKey(
        SyncRun, null=True, blank=True, on_delete=models.SET_NULL, related_name="+"
    )
    count = models.PositiveIntegerField(null=True, blank=True)
    times = models.PositiveIntegerField(default=1)
    first_seen_at = models.DateTimeField(default=timezone.now)
    last_seen_at = models.DateTimeField(default=timezone.now)
    told_at = models.DateTimeField(null=True, blank=True)
    dismissed_at = models.DateTimeField(null=True, blank=True)
    dismissed_by = models.ForeignKey(
        User, null=True, blank=True, on_delete=models.SET_NULL, related_name="+"
    )
    closed_at = models.DateTimeField(null=True, blank=True)

    objects = TenantQuerySet["Issue"].as_manager()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["tenant", "integration", "kind", "external_id", "code"],
                condition=models.Q(closed_at=None),
                name="one_open_issue_per_cause",
            )
        ]
        indexes = [
            models.Index(
                fields=["tenant", "integration", "closed_at", "-id"], name="issues_of_integration"
            )
        ]

    def __str__(self) -> str:
        return f"{self.code}: {self.name or self.external_id or self.kind}"

    @property
    def is_open(self) -> bool:
        return self.closed_at is None and self.dismissed_at is None

    @property
    def state(self) -> str:
        """`open`, `dismissed` or `closed`, as integrations.services.issues.by_state tells them."""
        if self.closed_at is not None:
            return "closed"
        return "open" if self.dismissed_at is None else "dismissed"

    @property
    def is_of_record(self) -> bool:
        """Whether it is about one record; `external_id` names a kind or a right otherwise."""
        return self.kind != "integration" and bool(self.external_id)

    @property
    def asks_if_gone(self) -> bool:
        """Whether a person must say if what the PSA stopped showing is really gone."""
        return self.code == self.TOO_MANY_GONE and self.closed_at is None
