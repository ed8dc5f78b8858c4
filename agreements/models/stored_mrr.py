"""What agreements come to, kept current by agreements.stored_mrr."""

from __future__ import annotations

from fractions import Fraction

from django.db import models
from django.utils import timezone

from agreements import mrr
from agreements.models.contracts import Agreement
from audit_site.tenants.models import TenantOwned, TenantQuerySet
from companies.models import Company


class CompanyBook(TenantOwned):
    """When a company's MRR was worked out, and the next day on which it can change by itself.

    `version` rises whenever anything that a figure shows has changed. `kept_from`, `kept_digest`
    and `kept_edition` are of its newest version (`BookVersion`), null, "" and 0 where none is kept;
    `marked_by` is the cause of what marked it as to be worked out later.
    """

    leaves_marks = True
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

    leaves_marks = True
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


class CompanyAverage(TenantOwned):
    """What an average month of a company brings in one currency, exact ("n/d"): of the twelve
    before `month`, its first day, and of the twelve from it on.

    `stretches` are the days of which anything counts, and their rates (`agreements.mrr.averages`):
    what the averages of later months are worked out from. There is a row where there are any.
    """

    worked_together = True

    company = models.ForeignKey(Company, on_delete=models.CASCADE, related_name="+")
    currency = models.CharField(max_length=10)
    month = models.DateField()
    trailing12 = models.TextField()
    forward12 = models.TextField()
    stretches = models.TextField()

    objects = TenantQuerySet["CompanyAverage"].as_manager()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["tenant", "company", "currency"], name="one_average_per_currency"
            )
        ]


class TenantBook(TenantOwned):
    """What all active companies of a tenant come to together, on any day on which no book changes.

    `totals` by currency, as in `[{"currency": "USD", "exact": "n/d", "trailing12": "n/d",
    "forward12": "n/d"}]`, the averages as of `month`; `companies` is how many count. `version`
    rises each time that it is worked out. It holds as long as there is no `FiguresChange`.
    """

    worked_together = True
    seen_by_system = ("pass_days",)

    version = models.PositiveBigIntegerField(default=0)
    month = models.DateField(null=True, blank=True)
    companies = models.PositiveIntegerField(default=0)
    totals = models.JSONField(default=list)

    objects = TenantQuerySet["TenantBook"].as_manager()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["tenant"], name="one_book_per_tenant")]


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
