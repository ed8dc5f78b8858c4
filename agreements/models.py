"""Agreements and their lines, as the PSA has them.

The rules that turn them into MRR are in agreements.mrr.
"""

from __future__ import annotations

from fractions import Fraction
from typing import Final, Self
from uuid import UUID

from django.db import models
from django.utils import timezone

from agreements import mrr
from agreements.fields import ExactDecimalField
from audit_site.db.presence import PresenceMixin
from audit_site.tenants.models import Mailed, TenantOwned, TenantQuerySet, User
from companies.models import Company
from integrations.models import IntegrationOwnedQuerySet

#: The source of agreements that people typed in here.
MANUAL: Final = "manual"
NO_IDS: Final = models.Value([], models.JSONField())


class AgreementQuerySet(PresenceMixin, IntegrationOwnedQuerySet["Agreement"]):
    """Agreements, of which some may be gone."""

    def typed(self) -> Self:
        """Those that people typed in here."""
        return self.filter(source=MANUAL)

    def from_psas(self) -> Self:
        """Those that were read from a PSA."""
        return self.exclude(source=MANUAL)


class AgreementLineQuerySet(PresenceMixin, TenantQuerySet["AgreementLine"]):
    """Agreement lines, of which some may be gone."""


class Agreement(TenantOwned):
    """A contract of a company, read from an integration or typed in here, recurring or not.

    `end_date` and `cancelled_date` are last days in force. `cancelled`, `recurring` and `active`
    are None where the PSA doesn't say. `cycle` is a name, `{"every": N, "unit": ...}`, or
    `{"unknown": word}`; `cycle_label` the PSA's own word for it. `currency` is a code, or the PSA's
    word where that is none. `amount` is the flat amount per cycle, before tax. `former_type` is
    what the type was before the day `type_changed_on`, when we saw another one first.
    `inactive_from` is the first day out since it is not active, where we saw it active before.
    `renews_external_ids` are the PSA's ids of what it replaces, as the PSA says.
    `lines_fingerprint` is of all its lines together, "" where some may not be as they came last.

    A typed one has no integration, its own id as `external_id`, and its details in
    `TypedAgreement`. `set_aside`: its company is linked to a PSA, so that it waits for a person to
    count it. `counts_from`: the day on which its company moved to this account; what counts before
    is of the former one.
    """

    worked_together = True

    company = models.ForeignKey(Company, on_delete=models.CASCADE, related_name="agreements")
    integration = models.ForeignKey(
        "integrations.Integration",
        on_delete=models.PROTECT,
        related_name="+",
        null=True,
        blank=True,
    )
    source = models.CharField(max_length=40)
    external_id = models.CharField(max_length=100)
    name = models.CharField(max_length=255, blank=True)
    type = models.CharField(max_length=255, blank=True)
    former_type = models.CharField(max_length=255, blank=True)
    type_changed_on = models.DateField(null=True, blank=True)
    status = models.CharField(max_length=100, blank=True)
    currency = models.CharField(max_length=100, blank=True)
    start_date = models.DateField(null=True, blank=True)
    end_date = models.DateField(null=True, blank=True)
    no_end = models.BooleanField(default=False)
    cancelled = models.BooleanField(null=True)
    cancelled_date = models.DateField(null=True, blank=True)
    recurring = models.BooleanField(null=True)
    active = models.BooleanField(null=True)
    inactive_from = models.DateField(null=True, blank=True)
    cycle = models.JSONField(null=True, blank=True)
    cycle_label = models.CharField(max_length=100, blank=True)
    amount = ExactDecimalField(null=True, blank=True)
    parent_external_id = models.CharField(max_length=100, blank=True)
    renews_external_ids = models.JSONField(default=list, blank=True, db_default=NO_IDS)
    incomplete = models.BooleanField(default=False)
    set_aside = models.BooleanField(default=False, db_default=False)
    counts_from = models.DateField(null=True, blank=True)
    fingerprint = models.CharField(max_length=32)
    lines_fingerprint = models.CharField(max_length=32, blank=True)
    changed_at = models.DateTimeField(null=True, blank=True)
    synced_at = models.DateTimeField()
    gone_at = models.DateTimeField(null=True, blank=True)

    objects = AgreementQuerySet.as_manager()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["tenant", "integration", "external_id"],
                name="one_agreement_per_external_id",
            ),
            models.CheckConstraint(
                condition=models.Q(integration=None, source=MANUAL)
                | (~models.Q(integration=None) & ~models.Q(source=MANUAL)),
                name="typed_ones_have_no_integration",
            ),
        ]
        indexes = [
            models.Index(fields=["tenant", "company"], name="agreements_by_company"),
            models.Index(
                fields=["tenant", "parent_external_id"],
                condition=~models.Q(parent_external_id=""),
                name="agreements_with_parents",
            ),
        ]

    def __str__(self) -> str:
        return self.name or self.external_id

    @property
    def is_typed(self) -> bool:
        return self.source == MANUAL


class AgreementLine(TenantOwned):
    """A priced row of an agreement. `units` is its unit history, null where the PSA keeps none:
    `[{"start_date", "end_date", "units", "unit_price", "amount"}]`, dates ISO, numbers as text.
    `has_recurred`: the PSA has moved its end date on, so that it was billed again.
    """

    worked_together = True

    agreement = models.ForeignKey(Agreement, on_delete=models.CASCADE, related_name="lines")
    external_id = models.CharField(max_length=100)
    position = models.PositiveIntegerField(default=0)
    kind = models.CharField(max_length=20)
    description = models.CharField(max_length=255, blank=True)
    product = models.CharField(max_length=255, blank=True)
    quantity = ExactDecimalField(null=True, blank=True)
    unit_price = ExactDecimalField(null=True, blank=True)
    less_included = ExactDecimalField(null=True, blank=True)
    bill = models.CharField(max_length=40, default="billable")
    start_date = models.DateField(null=True, blank=True)
    end_date = models.DateField(null=True, blank=True)
    cycle = models.JSONField(null=True, blank=True)
    one_time = models.BooleanField(null=True)
    has_recurred = models.BooleanField(default=False, db_default=False)
    units = models.JSONField(null=True, blank=True)
    fingerprint = models.CharField(max_length=32)
    gone_at = models.DateTimeField(null=True, blank=True)

    objects = AgreementLineQuerySet.as_manager()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["tenant", "agreement", "external_id"], name="one_line_per_external_id"
            )
        ]

    def __str__(self) -> str:
        return self.description or self.product or self.external_id

    @property
    def psa_name(self) -> str:
        """How to find the line in the PSA: `addition 4002100`, `service 8810`."""
        return f"{self.kind} {self.external_id.removeprefix(f'{self.kind}-')}"


# What people typed


class TypedAgreement(TenantOwned):
    """What is known besides of an agreement that was typed in here: why, by whom and when.

    `set_aside_link` is the link that it was set aside for, and `set_aside_at` since when.
    `counted_before`: until then a decision counted it, which an undo of that link makes again.
    """

    agreement = models.OneToOneField(Agreement, on_delete=models.CASCADE, related_name="typed")
    note = models.TextField(blank=True)
    typed_by = models.ForeignKey(
        User, on_delete=models.SET_NULL, null=True, blank=True, related_name="+"
    )
    typed_by_name = models.CharField(max_length=254, blank=True)
    typed_at = models.DateTimeField(default=timezone.now)
    changed_by_name = models.CharField(max_length=254, blank=True)
    changed_at = models.DateTimeField(null=True, blank=True)
    set_aside_at = models.DateTimeField(null=True, blank=True)
    set_aside_link = models.ForeignKey(
        "integrations.CompanyLink",
        on_delete=models.SET_NULL,
        null=True,
        blank=True,
        related_name="+",
    )
    counted_before = models.BooleanField(default=False, db_default=False)

    objects = TenantQuerySet["TypedAgreement"].as_manager()

    def __str__(self) -> str:
        return str(self.agreement)


class TypedChange(TenantOwned):
    """One act on a typed agreement, kept for ever: the values before and after, by whom and when.

    It outlives the agreement, whose id then stands in `agreement_pk` alone.
    """

    class Act(models.TextChoices):
        ADDED = "added", "Added"
        CHANGED = "changed", "Changed"
        REMOVED = "removed", "Removed"
        SET_ASIDE = "set_aside", "Set aside"
        PUT_BACK = "put_back", "Put back"

    company = models.ForeignKey(Company, on_delete=models.CASCADE, related_name="typed_changes")
    agreement_pk = models.UUIDField()
    name = models.CharField(max_length=255)
    act = models.CharField(max_length=10, choices=Act)
    before = models.JSONField(default=dict)
    after = models.JSONField(default=dict)
    actor = models.ForeignKey(
        User, on_delete=models.SET_NULL, null=True, blank=True, related_name="+"
    )
    actor_name = models.CharField(max_length=254, blank=True)
    at = models.DateTimeField(default=timezone.now)

    objects = TenantQuerySet["TypedChange"].as_manager()

    class Meta:
        indexes = [models.Index(fields=["tenant", "company", "at"], name="typed_by_company")]

    def __str__(self) -> str:
        return f"{self.name}: {self.act}"


# What people decided


class AgreementChoices(TenantOwned):
    """What people decided about an agreement. A table of its own, which no sync ever writes.

    `renews`: the PSA's ids of what it replaces, of its own company and account; null = nobody
    decided that, and what the PSA says holds. `right`: of which warnings somebody said that it is
    right as it is, null = of none. `cycle`: what its billing cycle is, null = what the PSA says.
    """

    worked_together = True

    agreement = models.OneToOneField(Agreement, on_delete=models.CASCADE, related_name="choices")
    exclude = models.BooleanField(default=False)
    force_include = models.BooleanField(default=False)
    assume_renewal = models.BooleanField(default=False)
    renews = models.JSONField(null=True, blank=True)
    right = models.JSONField(null=True, blank=True)
    cycle = models.JSONField(null=True, blank=True)

    objects = TenantQuerySet["AgreementChoices"].as_manager()


class LineChoices(TenantOwned):
    """What people decided about a line.

    `force_include`: it recurs, whatever its dates say. `right` and `cycle` as of an agreement.
    """

    worked_together = True

    line = models.OneToOneField(AgreementLine, on_delete=models.CASCADE, related_name="choices")
    exclude = models.BooleanField(default=False)
    force_include = models.BooleanField(default=False)
    right = models.JSONField(null=True, blank=True)
    cycle = models.JSONField(null=True, blank=True)

    objects = TenantQuerySet["LineChoices"].as_manager()


class ChoiceRecord(TenantOwned):
    """One decision, kept for ever: what it was before and is after, why, by whom and when.

    It outlives what it is about: an agreement, or a line of one, whose ids and names then stand in
    it alone. `agreement` and `line` are null then.
    """

    agreement = models.ForeignKey(
        Agreement, on_delete=models.SET_NULL, null=True, blank=True, related_name="+"
    )
    line = models.ForeignKey(
        AgreementLine, on_delete=models.SET_NULL, null=True, blank=True, related_name="+"
    )
    agreement_pk = models.UUIDField()
    line_pk = models.UUIDField(null=True, blank=True)
    source = models.CharField(max_length=40)
    external_id = models.CharField(max_length=100)
    name = models.CharField(max_length=255)
    line_name = models.CharField(max_length=255, blank=True)
    before = models.JSONField(default=dict)
    after = models.JSONField(default=dict)
    note = models.TextField(blank=True)
    actor = models.ForeignKey(
        User, on_delete=models.SET_NULL, null=True, blank=True, related_name="+"
    )
    actor_name = models.CharField(max_length=254, blank=True)
    at = models.DateTimeField(default=timezone.now)

    objects = TenantQuerySet["ChoiceRecord"].as_manager()

    class Meta:
        indexes = [
            models.Index(fields=["tenant", "agreement_pk", "at"], name="choices_of_agreement")
        ]

    @property
    def subject_pk(self) -> UUID:
        """The id of the line or the agreement that it is about."""
        return self.line_pk or self.agreement_pk


# What it comes to, kept current by agreements.stored_mrr


class CompanyBook(TenantOwned):
    """When a company's MRR was worked out, and the next day on which it can change by itself.

    `version` rises whenever anything that a figure shows has changed. `kept_from`, `kept_digest`
    and `kept_edition` are of its newest version (`BookVersion`), null, "" and 0 where none is kept;
    `marked_by` is the cause of what marked it as to be worked out later.
    """

    worked_together = True
    seen_by_system = ("pass_days", "verify_mrr")

    company = models.OneToOneField(Company, on_delete=models.CASCADE, related_name="book")
    version = models.PositiveBigIntegerField(default=0)
    computed_on = models.DateField(null=True, blank=True)
    next_change = models.DateField(null=True, blank=True)
    updated_at = models.DateTimeField(default=timezone.now)
    kept_from = models.DateTimeField(null=True, blank=True)
    kept_digest = models.CharField(max_length=32, blank=True, default="", db_default="")
    kept_edition = models.PositiveSmallIntegerField(default=0, db_default=0)
    marked_by = models.JSONField(null=True, blank=True)

    objects = TenantQuerySet["CompanyBook"].as_manager()

    class Meta:
        indexes = [
            models.Index(fields=["tenant", "next_change"], name="books_by_next_change"),
            models.Index(fields=["kept_edition", "tenant"], name="books_by_kept_edition"),
        ]


class CompanyMrr(TenantOwned):
    """A company's MRR in one currency: exact ("n/d"), and in the currency's minor units."""

    worked_together = True

    company = models.ForeignKey(Company, on_delete=models.CASCADE, related_name="stored_mrr")
    currency = models.CharField(max_length=10)
    exact = models.TextField()
    minor = models.BigIntegerField()

    objects = TenantQuerySet["CompanyMrr"].as_manager()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["tenant", "company", "currency"], name="one_mrr_per_currency"
            )
        ]
        indexes = [models.Index(fields=["tenant", "currency", "minor"], name="companies_by_mrr")]


class AgreementMrr(TenantOwned):
    """An agreement's MRR. `last_day` is the last day of its window, null = open; `next_change` the
    next day on which something of it can change by itself, 9999-12-31 = never, null = not known.
    `doubts` are the codes of warnings that wait for a person, with commas between.
    """

    worked_together = True

    agreement = models.OneToOneField(Agreement, on_delete=models.CASCADE, related_name="stored_mrr")
    company = models.ForeignKey(Company, on_delete=models.CASCADE, related_name="+")
    currency = models.CharField(max_length=100)
    exact = models.TextField()
    minor = models.BigIntegerField()
    included = models.BooleanField()
    reason = models.CharField(max_length=40, blank=True)
    last_day = models.DateField(null=True, blank=True)
    next_change = models.DateField(null=True, blank=True)
    doubts = models.CharField(max_length=100, blank=True, default="", db_default="")

    objects = TenantQuerySet["AgreementMrr"].as_manager()

    class Meta:
        indexes = [
            models.Index(fields=["tenant", "company"], name="agreement_mrr_by_company"),
            models.Index(fields=["tenant", "included", "last_day"], name="agreements_that_end"),
            models.Index(
                fields=["tenant"], condition=~models.Q(doubts=""), name="agreements_in_doubt"
            ),
        ]

    @property
    def amount(self) -> str:
        return mrr.money_text(self.currency, Fraction(self.exact))


# What it was, kept by agreements.known


class BookVersion(TenantOwned):
    """A company's book as it was known from a moment on, until that of its next version.

    `kind`, `run`, `user` and `name` say what changed it (`agreements.causes`). Runs are deleted in
    time: `run` is their id alone.
    """

    worked_together = True

    company = models.ForeignKey(Company, on_delete=models.CASCADE, related_name="+", db_index=False)
    known_from = models.DateTimeField()
    edition = models.PositiveSmallIntegerField()
    kind = models.CharField(max_length=10)
    run = models.UUIDField(null=True, blank=True)
    user = models.ForeignKey(
        User, on_delete=models.SET_NULL, null=True, blank=True, related_name="+"
    )
    name = models.CharField(max_length=255, blank=True)

    objects = TenantQuerySet["BookVersion"].as_manager()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["company", "known_from"], name="one_version_of_a_book_at_a_time"
            )
        ]


class BookPiece(TenantOwned):
    """A part of a company's book, as it was known from `known_from` until before `known_to` (null =
    now): lines of an agreement, by its id, or with null what all of them are read with.

    `value` is what `agreements.known.values` wrote; where there is a `base`, as its difference from
    the piece with that id.
    """

    worked_together = True

    company = models.ForeignKey(Company, on_delete=models.CASCADE, related_name="+", db_index=False)
    agreement = models.UUIDField(null=True, blank=True)
    part = models.PositiveSmallIntegerField(default=0)
    known_from = models.DateTimeField()
    known_to = models.DateTimeField(null=True, blank=True)
    base = models.UUIDField(null=True, blank=True)
    value = models.BinaryField()

    objects = TenantQuerySet["BookPiece"].as_manager()

    class Meta:
        indexes = [models.Index(fields=["company", "known_from"], name="pieces_of_a_book")]


class FigureShown(TenantOwned):
    """When a person last looked at a company's figure or took it away, when that visit began, and
    what the visit is compared with.

    `version` is the version of the book that the visit's first figure showed, and `version_before`
    that of the figure of `visit_before`, each by its `known_from`; null = that was not noted.
    `told`: in this visit a page has said what is new.
    """

    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="+")
    company = models.ForeignKey(Company, on_delete=models.CASCADE, related_name="+", db_index=False)
    at = models.DateTimeField()
    visit_from = models.DateTimeField(null=True, blank=True)
    version = models.DateTimeField(null=True, blank=True)
    visit_before = models.DateTimeField(null=True, blank=True)
    version_before = models.DateTimeField(null=True, blank=True)
    told = models.BooleanField(default=True, db_default=True)

    objects = TenantQuerySet["FigureShown"].as_manager()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["company", "user"], name="one_last_look_per_person")
        ]


class FigureReport(Mailed):
    """What a person who doubts a figure sends to our help address, as they were shown it.

    `content` is the report as JSON text, `note` what they said.
    """

    seen_by_system = ("send_reports",)

    company = models.ForeignKey(Company, on_delete=models.CASCADE, related_name="+")
    as_of = models.DateField()
    content = models.TextField()
    note = models.TextField(blank=True)
    sent_by = models.ForeignKey(User, null=True, on_delete=models.SET_NULL, related_name="+")
    created_at = models.DateTimeField(default=timezone.now)

    objects = TenantQuerySet["FigureReport"].as_manager()

    class Meta:
        indexes = [models.Index(fields=["sent_at", "id"], name="reports_that_wait")]

    def __str__(self) -> str:
        return self.file_name

    @property
    def file_name(self) -> str:
        return f"mrr-report-{self.company_id}-{self.as_of.isoformat()}.json"
