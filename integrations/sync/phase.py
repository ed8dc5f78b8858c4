"""A phase of a run, and a run as a list of them.

A phase continues where the checkpoint says, and is skipped when it is done. It reads first and then
writes in pages of the writer, each one transaction.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from contextlib import AbstractContextManager, nullcontext
from typing import ClassVar

from django.db.models import QuerySet

from companies.models import Company
from integrations.issues.inbox import KIND_INTEGRATION, IssueReport, close_issues
from integrations.kinds import Kind
from integrations.models import CompanyLink
from integrations.psa.contract import PsaAdapter
from integrations.psa.errors import PsaError, PsaRefused
from integrations.runs import run_log
from integrations.sync.run_writer import RunWriter


class Phase(ABC):
    """One part of a run.

    `name`: as stored in `phase` of a run and in its checkpoint; one that reads a kind of records
    has the kind's name (`runs.speed` goes by that). `title`: what a page shows while it lasts.
    `counted`: what its progress counts; None = it has none to show. `keeps_answers`: what it reads
    is of use as a whole only, so that what a wait interrupts is kept.
    """

    name: ClassVar[str]
    title: ClassVar[str]
    counted: ClassVar[Kind | None] = None
    keeps_answers: ClassVar[bool] = False

    def __init__(self, writer: RunWriter, adapter: PsaAdapter) -> None:
        self.writer = writer
        self.adapter = adapter
        self.sync_run = writer.run
        self.integration = writer.integration
        self.checkpoint = writer.checkpoint
        self.journal = writer.journal
        self.seen = writer.seen

    @abstractmethod
    def run(self) -> None:
        """Carry it out, or what is left of it. It may end itself, with its last page."""

    def links(self) -> QuerySet[CompanyLink]:
        """Links in force of companies that are not archived, in a lasting order."""
        links = CompanyLink.objects.of(self.integration).in_force()
        return links.filter(company__status=Company.Status.ACTIVE).order_by("id")

    def report_short(self, records: str, short: tuple[int, int] | None) -> None:
        """Inside a page: a list of records ended before its own count (None = it did not).

        What did not come is not gone; the run ends as `partial` and says how much came.
        """
        if short:
            came, announced = short
            name = self.integration.psa_info.name
            error = PsaError(
                "list_ended_early",
                f"{name} gave {came} of {announced} {records}: the list ended before its own "
                "count. What did not come stays as it was.",
                "Press Sync Now. If it happens again, send this to us.",
            )
            self.checkpoint.note_refusal(error)

    # The right to read

    def report_right(self, error: PsaRefused) -> None:
        """Inside a page: what this phase reads is refused; say which right is missing."""
        right = error.right or self._right
        self.checkpoint.note_refusal(error)
        self.journal.raise_issue(
            IssueReport(KIND_INTEGRATION, error.code, error.message, error.fix, right)
        )

    def close_right(self, right: str = "") -> None:
        """Inside a page: what this phase reads (or what this right is for) was not refused."""
        right = right or self._right
        if self.journal.has_issue(KIND_INTEGRATION, right):
            close_issues(
                self.integration,
                kind=KIND_INTEGRATION,
                codes={"permission_denied"},
                external_ids={right},
            )

    @property
    def _right(self) -> str:
        return f"read_{self.name}"


class PhasedSync:
    """A run as a list of phases, in their order. Adding one to the list is all that it takes."""

    phases: ClassVar[tuple[type[Phase], ...]]

    def __init__(self, writer: RunWriter, adapter: PsaAdapter) -> None:
        self.writer = writer
        self.adapter = adapter

    def run(self) -> None:
        """Carry out what is not done yet. Raises what adapters and the writer raise."""
        for phase in self.phases:
            if not self.writer.checkpoint.is_done(phase.name):
                self._carry_out(phase(self.writer, self.adapter))

    def _carry_out(self, phase: Phase) -> None:
        run_log.phase(phase.name)
        self.writer.on_moment("phase", phase.name)
        try:
            with self._reading(phase):
                phase.run()
        except PsaRefused as error:
            if error.code != "permission_denied":
                raise
            with self.writer.page(phase.name, is_last=True):  # and the run continues with the rest
                phase.report_right(error)
        if not self.writer.checkpoint.is_done(phase.name):
            with self.writer.page(phase.name, is_last=True):
                pass

    def _reading(self, phase: Phase) -> AbstractContextManager[None]:
        return self.writer.reading(phase.name) if phase.keeps_answers else nullcontext()
