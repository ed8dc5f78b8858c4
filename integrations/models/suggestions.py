"""Which audITee and which PSA company are probably the same, and working that out."""

from __future__ import annotations

from typing import Self

from django.db import models
from django.db.models import Exists, F, OuterRef, Q
from django.utils import timezone

from audit_site.tenants.models import TenantOwned, TenantQuerySet, User
from companies.models import Company
from integrations.models.integration import Integration
from integrations.models.links import CompanyLink, links_of_sides
from integrations.models.psa_records import PsaCompanyRecord


class SuggestionKind(models.TextChoices):
    LINK = "link", "Link"
    MOVE = "move", "Move"


class LinkSuggestionQuerySet(TenantQuerySet["LinkSuggestion"]):
    def fitting(self) -> Self:
        """Those whose two sides can be linked as things stand: an active audITee without a link, or
        with one to the account that it is to leave, and a PSA company that nobody has; and that
        the audITee has not left before.
        """
        all_links = CompanyLink.objects.filter(tenant=OuterRef("tenant"))
        of_ours, of_theirs = links_of_sides("record__integration", "record__external_id")
        leaves = Exists(of_ours.filter(integration=OuterRef("source")))
        return self.filter(
            (Q(kind=SuggestionKind.LINK) & ~Exists(of_ours)) | (Q(source__isnull=False) & leaves),
            ~Exists(of_theirs),
            ~Exists(
                all_links.closing(
                    OuterRef("company"),
                    OuterRef("record__integration"),
                    OuterRef("record__external_id"),
                )
            ),
            ~Q(record__integration__status=Integration.Status.DISCONNECTED),
            company__status=Company.Status.ACTIVE,
            record__gone_at=None,
            record__ignored_at=None,
        )

    def offered(self) -> Self:
        """Those that a person may confirm."""
        return self.fitting().filter(dismissed_at=None)

    def best_first(self) -> Self:
        return self.order_by("-score", "id")


class LinkSuggestion(TenantOwned):
    """An audITee and a PSA company that are probably the same (docs/matching.md).

    `source`: the account that the audITee leaves, where it is to move to that of `record`.
    `reasons` as in `[{"code", "message"}]`. `mark` is a hash of what was compared: one that differs
    now has changed since. `is_sure`: enough points to be confirmed unread. A dismissed one stays,
    and the pair is not suggested again until somebody takes that back.
    """

    leaves_marks = True

    kind = models.CharField(max_length=10, choices=SuggestionKind, default=SuggestionKind.LINK)
    company = models.ForeignKey(Company, on_delete=models.CASCADE, related_name="+")
    record = models.ForeignKey(PsaCompanyRecord, on_delete=models.CASCADE, related_name="+")
    source = models.ForeignKey(
        Integration, null=True, blank=True, on_delete=models.CASCADE, related_name="+"
    )
    score = models.PositiveSmallIntegerField()
    reasons = models.JSONField(default=list)
    rivals = models.PositiveIntegerField(default=0)
    is_sure = models.BooleanField(default=False)
    mark = models.CharField(max_length=32)
    found_at = models.DateTimeField(default=timezone.now)
    dismissed_at = models.DateTimeField(null=True, blank=True)
    dismissed_by_name = models.CharField(max_length=255, blank=True, default="", db_default="")

    objects = LinkSuggestionQuerySet.as_manager()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["tenant", "kind", "company", "record"], name="one_suggestion_per_pair"
            )
        ]
        indexes = [
            models.Index(F("tenant"), F("score").desc(), F("id"), name="suggestions_best_first"),
            models.Index(fields=["tenant", "record"], name="suggestions_by_record"),
        ]

    def __str__(self) -> str:
        return f"{self.company_id} = {self.record_id} ({self.score})"


class LinkMatching(TenantOwned):
    """That suggestions are to be worked out: one row a tenant for links, and one for each move from
    an account (`source`) to another (`target`).

    `wanted_at`: since when something may be different; None = all is worked out. A worker takes it
    from `due_at` on and holds it until `lease_until`.
    """

    seen_by_system = ("match_links",)

    kind = models.CharField(max_length=10, choices=SuggestionKind, default=SuggestionKind.LINK)
    source = models.ForeignKey(
        Integration, null=True, blank=True, on_delete=models.CASCADE, related_name="+"
    )
    target = models.ForeignKey(
        Integration, null=True, blank=True, on_delete=models.CASCADE, related_name="+"
    )
    wanted_at = models.DateTimeField(null=True, blank=True)
    due_at = models.DateTimeField(null=True, blank=True)
    lease_until = models.DateTimeField(null=True, blank=True)
    done_at = models.DateTimeField(null=True, blank=True)
    found = models.PositiveIntegerField(default=0)

    objects = TenantQuerySet["LinkMatching"].as_manager()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["tenant"], condition=Q(kind="link"), name="one_matching_per_tenant"
            ),
            models.UniqueConstraint(
                fields=["tenant", "source", "target"],
                condition=Q(kind="move"),
                name="one_matching_per_move",
            ),
        ]
        indexes = [
            models.Index(
                fields=["due_at"], condition=Q(wanted_at__isnull=False), name="matchings_due"
            )
        ]

    def __str__(self) -> str:
        return f"{self.kind} suggestions ({self.state})"

    @property
    def state(self) -> str:
        """`running` and `queued` while something is to be worked out, then `done`."""
        if self.lease_until is not None and self.lease_until > timezone.now():
            return "running"
        return "queued" if self.wanted_at else "done"


class LinkBatch(TenantOwned):
    """Suggestions that a person confirmed together: its `links`, and what was rejected, as in
    `[{"name", "theirs", "code", "message"}]`.

    `undo_wanted_at`: somebody (`undo_by`) takes all of it back, which a worker does; `left` says of
    which links it could not, as in `[{"name", "code", "message"}]`. `back_at`: somebody (`back_by`)
    had what that undid linked again, and `not_back` says what could not be, as in `left`.
    """

    seen_by_system = ("match_links",)

    made_at = models.DateTimeField(default=timezone.now)
    made_by_name = models.CharField(max_length=255, blank=True)
    rejected = models.JSONField(default=list)
    undo_wanted_at = models.DateTimeField(null=True, blank=True)
    undo_by = models.ForeignKey(
        User, null=True, blank=True, on_delete=models.SET_NULL, related_name="+"
    )
    undo_done_at = models.DateTimeField(null=True, blank=True)
    left = models.JSONField(default=list)
    back_at = models.DateTimeField(null=True, blank=True)
    back_by = models.ForeignKey(
        User, null=True, blank=True, on_delete=models.SET_NULL, related_name="+"
    )
    not_back = models.JSONField(default=list, db_default=models.Value([], models.JSONField()))

    objects = TenantQuerySet["LinkBatch"].as_manager()

    def __str__(self) -> str:
        return f"links of {self.made_at:%Y-%m-%d %H:%M}"

    @property
    def undo_state(self) -> str:
        """`running`, `done`, or "" when nobody has undone all of it."""
        if self.is_being_undone:
            return "running"
        return "done" if self.undo_done_at else ""

    @property
    def is_being_undone(self) -> bool:
        return self.undo_wanted_at is not None and self.undo_done_at is None
