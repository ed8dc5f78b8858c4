"""What ties an audITee to a company of a PSA."""

from __future__ import annotations

from typing import Any, ClassVar, Final, Self
from uuid import UUID

from django.db import models
from django.utils import timezone

from audit_site.tenants.models import TenantOwned, User
from companies.models import Company
from integrations.models.integration import Integration, IntegrationOwnedQuerySet
from integrations.models.work import LeasedWork

#: What a link in force is, for conditions that say more.
IN_FORCE: Final = models.Q(unlinked_at=None)
#: What a link is that can be undone: what was before it is known.
UNDOABLE: Final = models.Q(before__isnull=False, undone_at=None)


class CompanyLinkQuerySet(IntegrationOwnedQuerySet["CompanyLink"]):
    def in_force(self) -> Self:
        """Those that nobody has ended; also those that rest while their integration is off."""
        return self.filter(IN_FORCE)

    def undoable_first(self) -> Any:
        """The newest first, each with `can_undo`: whether what was before it is known."""
        can_undo = models.Case(models.When(UNDOABLE, then=True), default=False)
        return self.annotate(can_undo=can_undo).order_by("-linked_at", "-id")

    def standing(self) -> Self:
        """All but those that were undone, as if they had never been."""
        return self.filter(undone_at=None)

    def returnable(self) -> Self:
        """Those that were undone together with their batch, and can be made again as things stand:
        the PSA company is free, and the active audITee is, or is where it was before it moved.
        """
        of_ours, of_theirs = links_of_sides("integration", "external_id")
        was_there = of_ours.filter(pk=models.OuterRef("moved_from"))
        is_free = ~models.Exists(of_ours) | models.Exists(was_there)
        return self.filter(
            is_free,
            ~models.Exists(of_theirs),
            ~models.Q(integration__status=Integration.Status.DISCONNECTED),
            undone_with_batch=True,
            company__status=Company.Status.ACTIVE,
        )

    def closing(self, company: Any, integration: Any, external_id: Any) -> Self:
        """Those that refuse their audITee a link to this company of an account (`closes`). All
        three are values, or expressions of an outer query.
        """
        elsewhere = ~models.Q(integration=models.F("moved_from__integration"))
        is_former = models.Q(moved_from__external_id=external_id)
        rows = self.standing().filter(company=company, moved_from__integration=integration)
        return rows.filter(elsewhere | (is_former & ~models.Q(external_id=external_id)))

    def with_before(self) -> Self:
        """Together with what their audITees were before."""
        return self.defer(None)


def links_of_sides(
    integration: str, external_id: str
) -> tuple[CompanyLinkQuerySet, CompanyLinkQuerySet]:
    """The links in force of the audITee of an outer row, and those of the PSA company that these
    columns of it name.
    """
    links = CompanyLink.objects.filter(tenant=models.OuterRef("tenant")).in_force()
    account, id_ = models.OuterRef(integration), models.OuterRef(external_id)
    of_theirs = links.filter(integration=account, external_id=id_)
    return links.filter(company=models.OuterRef("company")), of_theirs


_Manager = models.Manager.from_queryset(CompanyLinkQuerySet)


class CompanyLinkManager(_Manager["CompanyLink"]):
    """`before` grows with an audITee: it is read when it is asked for, and in no list."""

    def get_queryset(self) -> CompanyLinkQuerySet:
        return super().get_queryset().defer("before")  # type: ignore[return-value]


class CompanyLink(TenantOwned):
    """Ties a company to a PSA company. Rests while its integration is disconnected.

    `problem_codes` are the import rules that the PSA company breaks now: it stays linked and is
    flagged. `read_at` is when the newest stored reading of its agreements began; `ended_unread`:
    that reading left out what is over, which follows.

    `before` is what the company was when it was linked (`integrations.links.kept`), None = nobody
    knows; `left` what it was when the link was ended and everything stayed. `given_name` is the
    last name that the link has given it. An undone link is ended, too. `batch`: what it was made
    together with; `undone_with_batch`: it was undone together with that. `moved_from`: the link
    that it took the place of, since the audITee moved, or was linked elsewhere once it was
    unlinked; then what it brings counts from `counts_from` on.
    """

    leaves_marks = True

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
    ended_unread = models.BooleanField(default=False, db_default=False)
    problem_codes = models.JSONField(default=list)
    before = models.JSONField(null=True, blank=True)
    left = models.JSONField(null=True, blank=True)
    given_name = models.CharField(max_length=255, blank=True, default="", db_default="")
    undone_at = models.DateTimeField(null=True, blank=True)
    batch = models.ForeignKey(
        "integrations.LinkBatch",
        null=True,
        blank=True,
        on_delete=models.SET_NULL,
        related_name="links",
    )
    undone_with_batch = models.BooleanField(default=False, db_default=False)
    moved_from = models.ForeignKey(
        "self", null=True, blank=True, on_delete=models.SET_NULL, related_name="+"
    )
    counts_from = models.DateField(null=True, blank=True)

    objects = CompanyLinkManager()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["tenant", "company"],
                condition=IN_FORCE,
                name="one_link_per_company",
            ),
            models.UniqueConstraint(
                fields=["tenant", "integration", "external_id"],
                condition=IN_FORCE,
                name="one_link_per_psa_company",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.company_id} = {self.external_id}"

    @property
    def record(self) -> tuple[UUID, str]:
        """The company of a PSA that it is to: its integration, and its id there."""
        return self.integration_id, self.external_id

    @property
    def is_in_force(self) -> bool:
        return self.unlinked_at is None

    @property
    def was_moved_on(self) -> bool:
        """Whether nobody ended it: the audITee moved, and the undo of that leads back to it."""
        return self.left is None and self.undone_at is None

    def closes(self, integration_id: UUID, external_id: str) -> bool:
        """Whether a link of its audITee to this company of an account would be a second stretch of
        what it was before this one: of the account, or within one account of the company.
        """
        former = self.moved_from
        if former is None or former.integration_id != integration_id:
            return False
        return self.closes_account or former.external_id == external_id != self.external_id

    @property
    def closes_account(self) -> bool:
        """Whether that is so for all companies of the account that it has left."""
        former = self.moved_from
        return former is not None and former.integration_id != self.integration_id

    @property
    def is_active(self) -> bool:
        """Whether syncs keep it current: in force, and its integration not disconnected."""
        return self.is_in_force and not self.integration.is_disconnected


class LinkPreview(LeasedWork):
    """What a link would change, worked out by a worker who asks the PSA; kept for a day.

    `found` is what it came to (`integrations.links.comparison`), None = not known yet, or the PSA
    could not be asked: then `code`, `message` and `fix` say why. While it waits (`resume_at`), they
    say for what.
    """

    seen_by_system: ClassVar[tuple[str, ...]] = ("sweep", "prune_history", "forget_previews")

    class State(models.TextChoices):
        QUEUED = "queued", "Queued"
        RUNNING = "running", "Running"
        DONE = "done", "Done"

    integration = models.ForeignKey(Integration, on_delete=models.CASCADE, related_name="+")
    company = models.ForeignKey(Company, on_delete=models.CASCADE, related_name="previews")
    external_id = models.CharField(max_length=100)
    asked_by = models.ForeignKey(
        User, null=True, blank=True, on_delete=models.SET_NULL, related_name="+"
    )
    state = models.CharField(max_length=10, choices=State, default=State.QUEUED)
    code = models.CharField(max_length=40, blank=True)
    message = models.TextField(blank=True)
    fix = models.TextField(blank=True)
    found = models.JSONField(null=True, blank=True)

    objects = IntegrationOwnedQuerySet["LinkPreview"].as_manager()

    class Meta:
        indexes = [
            models.Index(fields=["tenant", "company", "-id"], name="previews_of_company"),
            models.Index(
                fields=["queued_at"], condition=~models.Q(state="done"), name="previews_under_way"
            ),
        ]

    def __str__(self) -> str:
        return f"preview of {self.company_id} = {self.external_id} ({self.state})"

    @property
    def is_done(self) -> bool:
        return self.state == self.State.DONE
