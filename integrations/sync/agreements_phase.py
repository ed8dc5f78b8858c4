"""Reading the agreements of linked companies with their lines, and working out their MRR."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Collection
from functools import partial
from typing import ClassVar, Final, NamedTuple
from uuid import UUID

from django.db.models import Exists, OuterRef, QuerySet
from django.utils import timezone

from agreements import stored_mrr
from agreements.models import CompanyBook
from audit_site.db.batches import batched
from audit_site.db.bulk import AnyOf
from integrations.kinds import AGREEMENTS, COMPANIES, LINES
from integrations.models import CompanyLink
from integrations.psa.contract import PsaAdapter, Wanted
from integrations.psa.errors import PsaRefused
from integrations.runs import turns
from integrations.sync.absent_agreements import AbsentAgreements
from integrations.sync.agreement_batch import AgreementBatch
from integrations.sync.gathering import Gathering
from integrations.sync.linked_agreements import AgreementStore
from integrations.sync.moved_companies import end_followed
from integrations.sync.phase import Phase
from integrations.sync.read_ahead import read_ahead
from integrations.sync.run_writer import RunWriter
from integrations.sync.todays_first import TODAYS, is_over, pays

#: What follows from lines that are refused.
MRR_IS_INCOMPLETE: Final = (
    "MRR is incomplete: agreements whose lines can't be read count with those that were read "
    "before, or not at all."
)


class Unread(NamedTuple):
    """A link whose agreements are to be read. `is_first`: nothing of them was read yet."""

    pk: UUID
    external_id: str
    is_first: bool
    has_moved: bool


def unread_of(links: QuerySet[CompanyLink]) -> list[Unread]:
    rows = links.values_list("id", "external_id", "read_at", "moved_from")
    return [Unread(pk, id_, read_at is None, bool(moved)) for pk, id_, read_at, moved in rows]


class AgreementsPhase(Phase):
    """Reads agreements company by company, in batches; settles at its end what is gone."""

    name = AGREEMENTS.name
    title = "Reading agreements and lines"
    counted = COMPANIES
    keeps_answers = True
    #: From so many on, changed companies' MRR is worked out at once, and not at the end.
    many_books: ClassVar[int] = 100
    #: Of so many unread companies on, what counts today is read first.
    fewest: ClassVar[int] = 100

    def __init__(self, writer: RunWriter, adapter: PsaAdapter) -> None:
        super().__init__(writer, adapter)
        self._stale: set[UUID] = set()

    @property
    @abstractmethod
    def companies(self) -> Collection[str] | None:
        """PSA ids of the companies whose agreements are read; None = of all linked ones."""

    def run(self) -> None:
        self._read_todays()
        if self.checkpoint.reads_todays:
            turns.let_first_readings_by(self.sync_run)
        self._read_batches()
        self.writer.on_moment("agreements read", "all" if self.companies is None else "some")
        AbsentAgreements(self.writer, self.adapter).settle(self.companies, self._read_more)
        with self.writer.page(self.name, is_last=True):
            stored_mrr.refresh_marked(self.integration.tenant)
            self.conclude()

    def conclude(self) -> None:
        """Inside the last page: what a reading of all agreements says beside what it stored."""

    # Reading

    def _read_todays(self) -> None:
        """What counts today, of companies of which nothing is read yet, where there are many."""
        if self.checkpoint.after_link is not None:
            return  # the second round has begun
        rest = [link for link in self._unread() if link.is_first and not link.has_moved]
        done = self.checkpoint.passed if self.checkpoint.reads_todays else 0
        if not pays(self.integration.psa_info, done + len(rest), self.fewest):
            return
        today = self.integration.tenant.today(timezone.now())
        self._read_round(rest, done, lambda record: not is_over(record, today), is_todays=True)

    def _read_batches(self) -> None:
        """All agreements, but for those that the first round has read."""
        read = self.seen.ids(TODAYS)
        wanted = (lambda record: record.external_id not in read) if read else None
        done = 0 if self.checkpoint.reads_todays else self.checkpoint.passed
        self._read_round(self._unread(), done, wanted)

    def _read_round(
        self, links: list[Unread], done: int, wanted: Wanted | None, *, is_todays: bool = False
    ) -> None:
        total = done + len(links)
        read = partial(self._read_batch, wanted=wanted, is_todays=is_todays)
        batches = read_ahead(map(read, batched(links, self._batch_size)))
        for batch in Gathering(AgreementBatch.joined).of(batches):
            if batch is None:
                self.writer.keep_now_and_then(self.name)
                continue
            done += len(batch.external_ids)
            with self.writer.page(self.name, done=done, total=total):
                self._store(batch)
                self.checkpoint.passed, self.checkpoint.reads_todays = done, is_todays
                if not is_todays:
                    self.checkpoint.after_link = batch.last_link
                self.writer.answers.forget(batch.part)

    @property
    def _batch_size(self) -> int:
        return self.integration.psa_info.company_batch

    def _unread(self) -> list[Unread]:
        """The links whose agreements are not stored yet."""
        links, after = self.links(), self.checkpoint.after_link
        if self.companies is not None:
            links = links.filter(external_id__in=self.companies)
        if after is not None:
            links = links.filter(id__gt=after)
        return unread_of(links)

    def _read_batch(
        self, links: list[Unread], wanted: Wanted | None = None, *, is_todays: bool = False
    ) -> AgreementBatch:
        """Ask the PSA; in the thread that reads ahead."""
        external_ids = [link.external_id for link in links]
        kept = self.writer.answers.kept
        batch = AgreementBatch(
            external_ids,
            str(links[-1].pk),
            timezone.now(),
            kept.next_part(),
            is_first=any(link.is_first for link in links),
            is_todays=is_todays,
        )
        for page in self.adapter.agreements(company_ids=external_ids, wanted=wanted):
            batch.add(page)
        if is_todays:
            batch.leave_rejected()
        batch.began = kept.part_began()
        return batch

    def _read_more(self, external_ids: Collection[str]) -> None:
        """Read the agreements of companies to which some have moved."""
        links = self.links().filter(AnyOf("external_id", external_ids))
        for some in batched(unread_of(links), self._batch_size):
            batch = self._read_batch(some)
            with self.writer.page(self.name):
                self._store(batch)

    # Storing, inside a page

    def _store(self, batch: AgreementBatch) -> None:
        """Store what was read, for those of its companies that are still linked."""
        links = self.links().filter(AnyOf("external_id", batch.external_ids))
        found, bookless = _by_book(links)
        self.report_short("agreements or lines", batch.short)
        store = AgreementStore(self.integration, self.journal, self.seen, batch)
        touched = store.store(found, bookless)
        touched -= end_followed(self.writer, found, batch)
        if batch.refused:
            self._report_lines(batch.refused, batch)
        self._work_out(touched, has_new=bool(bookless))

    def _report_lines(self, error: PsaRefused, batch: AgreementBatch) -> None:
        """Lines are refused; say which right is missing, once a run."""
        if not self.checkpoint.lines_refused:
            self.checkpoint.lines_refused = True
            shown = any(one.lines and not one.withheld for one in batch.agreements.values())
            others = f" Those of other {self.integration.psa_info.agreement_word}s can be read."
            message = f"{error.message}{others if shown else ''} {MRR_IS_INCOMPLETE}"
            right = error.right or LINES.right
            self.report_right(PsaRefused(error.code, message, error.fix, right=right))

    def _work_out(self, companies: set[UUID], *, has_new: bool) -> None:
        """Work out the MRR of these companies: at once, or marked and together at the end.

        At once where many are waiting for it, or where one has none yet (`has_new`).
        """
        tenant = self.integration.tenant
        self._stale |= companies
        if has_new or len(self._stale) >= self.many_books:
            stored_mrr.refresh(tenant, self._stale)
            self._stale = set()
        elif companies:
            stored_mrr.mark_stale(tenant, companies)


class AllAgreementsPhase(AgreementsPhase):
    """Agreements of all linked companies."""

    companies = None

    def conclude(self) -> None:
        self.close_right()
        if not self.checkpoint.lines_refused:
            self.close_right(LINES.right)
        self.journal.close_unseen(AGREEMENTS.name)
        self.journal.close_unseen(LINES.name)


class SomeAgreementsPhase(AgreementsPhase):
    """Agreements of those of a run's companies that are linked."""

    @property
    def companies(self) -> Collection[str]:
        companies: list[str] = self.sync_run.companies
        return companies


def _by_book(links: QuerySet[CompanyLink]) -> tuple[list[CompanyLink], set[UUID]]:
    """The links, and those of their companies whose MRR was never worked out."""
    has_book = Exists(CompanyBook.objects.filter(company=OuterRef("company")))
    found = list(links.annotate(has_book=has_book))
    return [*found], {link.company_id for link in found if not link.has_book}
