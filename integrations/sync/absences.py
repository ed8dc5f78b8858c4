"""What a sync no longer sees: deleted, merged, or hidden from us. Nothing is gone by mistake.

A record is gone (softly) only when a reading that came to its end did not show it. Before that is
believed, a company is asked for by its id; and when most records of a kind are missing at once, it
looks like lost rights: nothing is touched, and a person is asked.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from django.db.models import Exists, OuterRef, QuerySet
from django.utils import timezone

from agreements import stored_mrr
from agreements.models import Agreement, AgreementLine
from audit_site.db.batches import batched
from integrations.importing import mirror
from integrations.issues.inbox import KIND_INTEGRATION, IssueReport, close_issues
from integrations.kinds import Right
from integrations.models import CompanyLink, PsaCompanyRecord, PsaContactRecord, SyncRun
from integrations.psa.contract import PsaAdapter, PsaCompany
from integrations.psa.errors import PsaError, PsaRefused
from integrations.sync.run_writer import RunWriter

#: More records than this missing at once, and more than the share: a person should look first.
GUARD_COUNT: Final = 20
GUARD_SHARE: Final = 0.5
#: Missing companies that are asked for by their id; of more than these, only linked ones.
MOST_QUESTIONS, MOST_LINKED = 50, 200
CHUNK: Final = 1000


def looks_wrong(missing: int, known: int) -> bool:
    return missing == known or (missing > GUARD_COUNT and missing > known * GUARD_SHARE)


class Absences:
    """Settles what a run did not see. Its methods do nothing where nothing is missing."""

    def __init__(self, run: SyncRun, writer: RunWriter, adapter: PsaAdapter) -> None:
        self.run = run
        self.integration = run.integration
        self.writer = writer
        self.adapter = adapter
        self.scope = {"tenant": run.tenant_id, "integration": run.integration}

    # Companies and contacts

    def settle_companies(self, *, whole: bool) -> None:
        """After the list was read: `whole`, or only what changed (then only merges show)."""
        rows = PsaCompanyRecord.objects.of(self.integration).present()
        moves: dict[str, str] = self.writer.checkpoint.get("moves", {})
        self._tell_merged_later(moves)
        if whole:
            missing, known = self._unseen("companies", rows)
            if not self._is_believable("companies", len(missing), known):
                return
        else:
            moved = rows.filter(external_id__in=list(moves)[:MOST_QUESTIONS])
            seen = self.writer.seen("companies")
            missing = [i for i in moved.values_list("external_id", flat=True) if i not in seen]
        if not missing:
            return
        gone, still_there = self._ask_again(missing, moves)
        if still_there:
            with self.writer.page("absences"):
                stored_again = mirror.store_companies(self.integration, still_there, timezone.now())
                self.writer.add("companies", stored_again)
                self.writer.saw("companies", [company.external_id for company in still_there])
        for ids in batched(gone, CHUNK):
            with self.writer.page("absences"):
                self._mark_companies(ids, moves)

    def _unseen(self, kind: str, rows: QuerySet[Any]) -> tuple[list[str], int]:
        """Ids that no page of this run showed, and of how many; the known ones pass through."""
        seen = self.writer.seen(kind)
        missing, known = [], 0
        for external_id in rows.values_list("external_id", flat=True).iterator(chunk_size=CHUNK):
            known += 1
            if external_id not in seen:
                missing.append(external_id)
        return missing, known

    def _ask_again(
        self, missing: Sequence[str], moves: Collection[str]
    ) -> tuple[list[str], list[PsaCompany]]:
        """Ask for missing companies by their ids: which are gone, and which are there all the same.

        A list can lose a row while it is paged, and a right can be narrowed; the record itself
        knows better. Of very many, those that matter are asked for.
        """
        asked = missing
        if len(missing) > MOST_QUESTIONS:
            links = CompanyLink.objects.of(self.integration).in_force()
            linked = set(links.filter(external_id__in=asked).values_list("external_id", flat=True))
            asked = [id_ for id_ in asked if id_ in linked or id_ in moves][:MOST_LINKED]
        still_there: list[PsaCompany] = []
        kept: set[str] = set()
        for external_id in asked:
            try:
                company = self.adapter.company(external_id)
            except PsaRefused as error:
                if error.code != "permission_denied":
                    raise
                kept.add(external_id)  # nothing is known of it
                continue
            if company is not None:
                kept.add(external_id)
            if isinstance(company, PsaCompany):
                still_there.append(company)
        return [id_ for id_ in missing if id_ not in kept], still_there

    def _mark_companies(self, external_ids: Sequence[str], moves: dict[str, str]) -> None:
        """Gone; and where its people have moved to another company, merged into that one."""
        rows = PsaCompanyRecord.objects.of(self.integration).present()
        rows = rows.filter(external_id__in=external_ids)
        self.writer.add_gone("companies", rows)
        now = timezone.now()
        merged = []
        for row in rows.filter(external_id__in=[id_ for id_ in external_ids if id_ in moves]):
            row.is_merged, row.merged_into, row.gone_at = True, moves[row.external_id], now
            merged.append(row)
        rows.update(gone_at=now)
        PsaCompanyRecord.objects.bulk_update(merged, ["is_merged", "merged_into", "gone_at"])
        self.writer.saw("touched", list(external_ids))

    def _tell_merged_later(self, moves: dict[str, str]) -> None:
        """A company that a re-sync found gone, and whose people show only now where it went."""
        rows = PsaCompanyRecord.objects.of(self.integration).gone()
        rows = rows.filter(is_merged=False, external_id__in=moves)
        late = list(rows) if moves else []
        if not late:
            return
        with self.writer.page("absences"):
            for row in late:
                row.is_merged, row.merged_into = True, moves[row.external_id]
            PsaCompanyRecord.objects.bulk_update(late, ["is_merged", "merged_into"])
            self.writer.saw("touched", [row.external_id for row in late])

    def settle_contacts(self) -> None:
        """After all contacts were read."""
        rows = PsaContactRecord.objects.of(self.integration).present()
        missing, known = self._unseen("contacts", rows)
        if not self._is_believable("contacts", len(missing), known):
            return
        for ids in batched(missing, CHUNK):
            with self.writer.page("absences"):
                self.mark_contacts(rows.filter(external_id__in=ids))

    def mark_contacts(self, rows: QuerySet[PsaContactRecord]) -> None:
        """Inside a page: these contacts are gone, and their companies have others now."""
        self.writer.add_gone("contacts", rows)
        companies = set(rows.values_list("company_external_id", flat=True)) - {""}
        self.writer.saw("touched", sorted(companies))
        rows.update(gone_at=timezone.now())

    def are_contacts_gone(self, missing: int, known: int) -> bool:
        """After the contacts of some companies were read: whether what is missing is gone."""
        return not missing or self._is_believable("contacts", missing, known, few=True)

    # Agreements and lines of what was read

    def settle_agreements(
        self, companies: Collection[str] | None, read: Callable[[Collection[str]], None]
    ) -> None:
        """After the agreements of these PSA companies (None = of all linked ones) were read.

        `read` reads those of some more: where agreements have gone that did not come.
        """
        links = CompanyLink.objects.of(self.integration).in_force()
        if companies is not None:
            links = links.filter(external_id__in=companies)
        self._leave_behind(links)
        agreements = Agreement.objects.of(self.integration).present()
        lines = AgreementLine.objects.filter(
            tenant=self.run.tenant_id,
            agreement__integration=self.integration,
            agreement__gone_at=None,
            gone_at=None,
        )
        if companies is not None:
            agreements = agreements.filter(company__in=links.values("company"))
            lines = lines.filter(agreement__company__in=links.values("company"))
        if owners := self._owners(agreements):
            read(owners)
            if companies is not None and (more := owners - set(companies)):
                self.settle_agreements([*companies, *more], read)  # what those lack, too
                return
        for kind, rows, company in (
            ("agreements", agreements, "company"),
            ("lines", lines, "agreement__company"),
        ):
            missing = list(self._still_absent(kind, rows, company))
            if not missing:
                if companies is None:
                    self._close_guard(kind)
                continue
            if not self._is_believable(kind, len(missing), rows.count(), few=companies is not None):
                continue
            self._mark_gone(kind, rows, missing, company)

    def _owners(self, agreements: QuerySet[Agreement]) -> set[str]:
        """PSA companies that agreements hang on which did not come: they may have moved meanwhile.

        Of very many nobody is asked: that is no move.
        """
        missing = list(self._still_absent("agreements", agreements, "company"))
        if len(missing) > MOST_QUESTIONS:
            return set()
        rows = agreements.filter(pk__in=missing).order_by("external_id")
        found = map(self._owner, rows.values_list("external_id", flat=True) if missing else ())
        return {owner for owner in found if owner is not None}

    def _owner(self, external_id: str) -> str | None:
        try:
            found = self.adapter.find("agreements", external_id)
        except PsaRefused as error:
            if error.code != "permission_denied":
                raise
            return None
        return (found.company_id or None) if found else None

    def _leave_behind(self, links: QuerySet[CompanyLink]) -> None:
        """A company counts with what its PSA of now shows: that of a former one ends here.

        Unless the PSA of now shows no agreements at all, of anybody.
        """
        read = links.filter(read_at__isnull=False).values("company")
        now = Agreement.objects.for_tenant(self.run.tenant).present()
        shown = Exists(now.filter(integration=self.integration, company=OuterRef("company")))
        rows = now.filter(company__in=read).exclude(integration=self.integration)
        former = dict(rows.annotate(is_followed=shown).values_list("pk", "is_followed"))
        bare = [pk for pk, is_followed in former.items() if not is_followed]
        if bare and self._sees_nothing("agreements"):
            with self.writer.page("absences"):
                self.writer.note_trouble(self._nothing_follows(len(bare)))
            former = {pk: True for pk, is_followed in former.items() if is_followed}
        self._mark_gone("agreements", rows, list(former), "company")

    def _nothing_follows(self, count: int) -> PsaError:
        name = self.adapter.info.name
        return PsaError(
            "too_many_gone",
            f"{name} shows no agreements at all. What another PSA had shown before of audITees "
            f"that are linked to {name} now ({count} agreements) goes on counting.",
            f"Check that the API user may see agreements in {name}, then press Sync Now. If there "
            "are none, leave the old ones out by a decision in their MRR.",
        )

    def _mark_gone(self, kind: str, rows: Any, pks: Sequence[UUID], company: str) -> None:
        for some in batched(pks, CHUNK):
            with self.writer.page("absences"):
                gone = rows.filter(pk__in=some)
                self.writer.add_gone(kind, gone)
                touched = set(gone.values_list(company, flat=True))
                gone.update(gone_at=timezone.now())
                stored_mrr.refresh(self.run.tenant, touched)

    def _still_absent(self, kind: str, rows: Any, company: str) -> Iterator[UUID]:
        """Rows that a reading did not show, and that no newer reading has shown since."""
        for began, *ids in self.writer.pages(f"absent {kind}"):
            read = CompanyLink.objects.in_force().filter(
                company=OuterRef(company), read_at__lte=datetime.fromisoformat(began)
            )
            yield from rows.filter(Exists(read), pk__in=ids).values_list("pk", flat=True)

    # Is it to be believed?

    def _is_believable(self, kind: str, missing: int, known: int, *, few: bool = False) -> bool:
        """Whether what is missing may be taken for gone. If not, the run says so and asks a person.

        `few`: only some companies were read, of which all agreements may well have ended: then it
        is believed unless the PSA shows nothing of the kind at all.
        """
        confirmed = missing <= self.run.accept_gone.get(kind, 0)
        if not missing or confirmed or not looks_wrong(missing, known):
            if not few:
                self._close_guard(kind)
            return True
        if few and not self._sees_nothing(kind):
            return True
        error = self._too_many_gone(kind, missing, known)
        with self.writer.page("absences"):
            self.writer.note_trouble(error)
            if not few:  # a question about some companies would stand for all
                trouble = IssueReport(
                    KIND_INTEGRATION,
                    error.code,
                    error.message,
                    error.fix,
                    external_id=kind,
                    count=missing,
                )
                self.writer.raise_trouble(trouble)
        return False

    def _sees_nothing(self, kind: str) -> bool:
        """Whether the PSA shows us none of the kind, of anybody."""
        try:
            right: Right = "read_contacts" if kind == "contacts" else "read_agreements"
            return self.adapter.probe(right).sees_nothing
        except PsaRefused:
            return True

    def _close_guard(self, kind: str) -> None:
        if self.writer.has_issue(KIND_INTEGRATION, kind):
            codes = {"too_many_gone"}
            with self.writer.page("absences"):
                close_issues(
                    self.integration, kind=KIND_INTEGRATION, codes=codes, external_ids={kind}
                )

    def _too_many_gone(self, kind: str, missing: int, known: int) -> PsaError:
        name = self.adapter.info.name
        return PsaError(
            "too_many_gone",
            f"{name} no longer shows {missing} of {known} {kind}. They were kept as they were, for "
            "this looks like lost rights rather than deletions.",
            f"Check that the API user may see all {kind} in {name}, then press Sync Now. If they "
            "are really gone, an administrator answers “Yes, they are gone…” to the issue about "
            "them.",
        )
