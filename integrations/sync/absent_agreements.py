"""Agreements and lines that a sync no longer sees: ended, or moved to another company meanwhile."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from typing import Any, Final
from uuid import UUID

from django.db.models import Exists, OuterRef, QuerySet
from django.utils import timezone

from agreements import stored_mrr
from agreements.models import Agreement, AgreementLine
from audit_site.db.batches import batched
from integrations.kinds import AGREEMENTS, LINES, KindName
from integrations.models import CompanyLink
from integrations.psa.contract import PsaAdapter
from integrations.psa.errors import PsaError
from integrations.sync.absence_guard import TOO_MANY_GONE, AbsenceGuard
from integrations.sync.moved_companies import end_moved
from integrations.sync.run_writer import RunWriter
from integrations.sync.withheld import MissingRecords

CHUNK: Final = 1000
#: By kind, the path from its rows to their company.
COMPANY_OF: Final[dict[KindName, str]] = {
    AGREEMENTS.name: "company",
    LINES.name: "agreement__company",
}

Links = QuerySet[CompanyLink]
#: Reads the agreements of these PSA companies, too.
ReadMore = Callable[[Collection[str]], None]


class AbsentAgreements:
    """Settles what the readings of agreements of one run did not show."""

    def __init__(self, writer: RunWriter, adapter: PsaAdapter) -> None:
        self.writer = writer
        self.adapter = adapter
        self.guard = AbsenceGuard(writer, adapter)
        self.missing = {kind: MissingRecords(writer, adapter, kind) for kind in COMPANY_OF}
        self.integration = writer.integration

    def settle(self, companies: Collection[str] | None, read_more: ReadMore) -> None:
        """After the agreements of these PSA companies (None = of all linked ones) were read.

        `read_more` is called for companies to which missing agreements have moved.
        """
        links = CompanyLink.objects.of(self.integration).in_force()
        if companies is not None:
            links = links.filter(external_id__in=companies)
        self._end_former(links)
        part = None if companies is None else links
        owners = self._owners(self._present(AGREEMENTS.name, part))
        if owners:
            read_more(owners)
        if companies is not None and (more := owners - set(companies)):
            self.settle([*companies, *more], read_more)  # what those lack, too
            return
        for kind in COMPANY_OF:
            self._settle_kind(kind, self._present(kind, part), few=companies is not None)

    def _present(self, kind: KindName, links: Links | None) -> QuerySet[Any]:
        """Rows of a kind that are not gone, of the companies of these links (None = of all)."""
        rows: QuerySet[Any] = Agreement.objects.of(self.integration).present()
        if kind == LINES.name:
            rows = AgreementLine.objects.filter(
                tenant=self.integration.tenant_id,
                agreement__integration=self.integration,
                agreement__gone_at=None,
                gone_at=None,
            )
        if links is None:
            return rows
        return rows.filter(**{f"{COMPANY_OF[kind]}__in": links.values("company")})

    def _settle_kind(self, kind: KindName, rows: QuerySet[Any], *, few: bool) -> None:
        absent = list(self._still_absent(kind, rows))
        missing = self.missing[kind].without_withheld(rows, absent, few=few)
        if missing:
            if self.guard.is_believable(kind, len(missing), rows.count(), few=few):
                self._mark_gone(kind, rows, self._lost(kind, rows, missing))
        elif not few:
            self.guard.close(kind)

    def _lost(self, kind: KindName, rows: QuerySet[Any], missing: list[UUID]) -> list[UUID]:
        """Those of what is missing that is gone. An agreement that is there has left the companies
        whose lists were read; a line has nowhere to go, so that its list lost it.
        """
        is_said = len(missing) <= self.writer.run.accept_gone.get(kind, 0)
        if kind == AGREEMENTS.name or is_said:
            return missing
        return self.missing[kind].without_found(rows, missing)

    # Agreements that moved

    def _owners(self, agreements: QuerySet[Agreement]) -> set[str]:
        """PSA companies to which agreements belong that were not shown: they may have moved."""
        missing = list(self._still_absent(AGREEMENTS.name, agreements))
        rows = agreements.filter(pk__in=missing).order_by("external_id")
        ids = list(rows.values_list("external_id", flat=True))
        return self.missing[AGREEMENTS.name].owners(ids) - {""}

    # What a former PSA had shown

    def _end_former(self, links: Links) -> None:
        """A company counts with what its PSA of now shows: that of a former one ends here.

        Unless the PSA of now shows no agreements at all, of anybody.
        """
        read = links.filter(read_at__isnull=False).values("company")
        now = Agreement.objects.for_tenant(self.integration.tenant).present().from_psas()
        shown = Exists(now.filter(integration=self.integration, company=OuterRef("company")))
        rows = now.filter(company__in=read).exclude(integration=self.integration)
        former = dict(rows.annotate(is_followed=shown).values_list("pk", "is_followed"))
        followed = [pk for pk, is_followed in former.items() if is_followed]
        kept = len(former) - len(followed)
        if kept and self.guard.sees_nothing(AGREEMENTS.name):
            with self.writer.page("absences"):
                self.writer.checkpoint.note_refusal(self._nothing_follows(kept))
        else:
            followed = list(former)
        for some in batched(followed, CHUNK):
            with self.writer.page("absences"):
                end_moved(self.writer, rows.filter(pk__in=some))
        self._mark_gone(AGREEMENTS.name, rows, followed)

    def _nothing_follows(self, count: int) -> PsaError:
        name = self.adapter.info.name
        return PsaError(
            TOO_MANY_GONE,
            f"{name} shows no agreements at all. What another PSA had shown before of audITees "
            f"that are linked to {name} now ({count} agreements) goes on counting.",
            f"Check that the API user may see agreements in {name}, then press Sync Now. If there "
            "are none, leave the old ones out by a decision in their MRR.",
        )

    # Rows

    def _still_absent(self, kind: KindName, rows: QuerySet[Any]) -> Iterator[UUID]:
        """Rows that a reading did not show, and that no newer reading has shown since."""
        for began, pks in self.writer.seen.absent(kind):
            read = CompanyLink.objects.in_force().filter(
                company=OuterRef(COMPANY_OF[kind]), read_at__lte=began
            )
            yield from rows.filter(Exists(read), pk__in=pks).values_list("pk", flat=True)

    def _mark_gone(self, kind: KindName, rows: QuerySet[Any], pks: Sequence[UUID]) -> None:
        for some in batched(pks, CHUNK):
            with self.writer.page("absences"):
                gone = rows.filter(pk__in=some)
                self.writer.journal.add_gone(kind, gone)
                touched = set(gone.values_list(COMPANY_OF[kind], flat=True))
                gone.update(gone_at=timezone.now())
                stored_mrr.refresh(self.integration.tenant, touched)
