"""Who looked at a figure and when, and what they report about one."""

from __future__ import annotations

from django.db import models
from django.utils import timezone

from audit_site.tenants.models import Mailed, TenantOwned, TenantQuerySet, User
from companies.models import Company


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
