"""A sync run, from claim to end: reads the PSA page by page and stores what differs.

A page is read first and then written in one transaction together with the run's checkpoint, so that
a run that dies anywhere goes on behind the last page it stored. Nothing is marked gone but
at the end of a pass that was read completely.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import datetime, timedelta
from itertools import islice
from typing import Any, TypeVar
from uuid import UUID

from django.db.models import QuerySet
from django.utils import timezone

from audit_site.tenants.models import TenantOwned
from companies.models import Company
from integrations.models import (
    CompanyLink,
    Integration,
    PsaCompanyRecord,
    PsaContactRecord,
    SyncRun,
)
from integrations.psa.contract import PsaAdapter, RejectedRecord
from integrations.psa.errors import (
    PsaError,
    PsaRateLimited,
    PsaRefused,
)
from integrations.services import import_list, leases, linked_records
from integrations.services.prefetch import prefetch
from integrations.services.psa_access import info_of, open_adapter
from integrations.services.run_writer import RunCancelled, RunWriter

#: A run that was asked to wait this often without reading a page in between gives up.
MOST_PARKS = 16
#: How long a run waits when the PSA says "too many requests" and not for how long.
SHORTEST_PARK_SECONDS, LONGEST_PARK_SECONDS = 30, 300
#: More records than this missing at once, and more than the share: a person should look first.
GONE_GUARD_COUNT = 20
GONE_GUARD_SHARE = 0.5
CHUNK = 1000
#: Codes after which the stored keys are known not to work.
KEYS_REFUSED = frozenset(
    {"invalid_credentials", "account_locked", "mfa_required", "client_id_refused"}
)

ItemT = TypeVar("ItemT")
RowT = TypeVar("RowT", bound=TenantOwned)


def run_sync(*, tenant_id: str, run_id: str) -> None:
    """Carry a run out, or go on with it where the last worker stopped. Worker only."""
    run = leases.claim(SyncRun, tenant_id=tenant_id, work_id=run_id)
    if run is None:
        return
    writer = RunWriter(run)
    try:
        with leases.Heartbeat(run), open_adapter(run.integration, on_wait=writer.wait) as adapter:
            SyncPass(run, writer, adapter).run()
    except leases.LeaseLost:
        return
    except RunCancelled:
        writer.end(SyncRun.State.CANCELLED)
    except PsaRateLimited as error:
        _wait_or_fail(writer, error)
    except PsaError as error:
        _fail(writer, error)
    except Exception:
        _fail(writer, _internal_error())
        raise
    else:
        _succeed(writer)


def _succeed(writer: RunWriter) -> None:
    rejected = sum(count["rejected"] for count in writer.counts.values())
    troubled = rejected or "trouble" in writer.checkpoint
    if not writer.end(SyncRun.State.PARTIAL if troubled else SyncRun.State.SUCCEEDED):
        return
    integration = writer.run.integration
    if writer.checkpoint.get("trouble", {}).get("code") not in KEYS_REFUSED:
        Integration.objects.filter(
            pk=integration.pk, status__in=[Integration.Status.FAILING, Integration.Status.UNTESTED]
        ).update(status=Integration.Status.CONNECTED)


def _wait_or_fail(writer: RunWriter, error: PsaRateLimited) -> None:
    parks = writer.checkpoint.get("parks", 0)
    if parks >= MOST_PARKS:
        _fail(writer, error)
        return
    seconds = error.retry_after
    if seconds is None:  # the PSA doesn't say: longer each time
        seconds = min(SHORTEST_PARK_SECONDS * 2**parks, LONGEST_PARK_SECONDS)
    name = info_of(writer.run.integration).name
    writer.park(timezone.now() + timedelta(seconds=seconds), f"Waiting for {name}")


def _fail(writer: RunWriter, error: PsaError) -> None:
    if writer.end(SyncRun.State.FAILED, error) and error.code in KEYS_REFUSED:
        Integration.objects.filter(
            pk=writer.run.integration_id, status=Integration.Status.CONNECTED
        ).update(status=Integration.Status.FAILING)


def _internal_error() -> PsaError:
    return PsaError(
        "internal_error",
        "Something went wrong on our side. What was stored before stays as it is.",
        "Press Sync Now to go on. If it happens again, report it with the number of this run.",
    )


class SyncPass:
    """The phases of one run.

    Each goes on where the checkpoint says, and is skipped when it is done.
    """

    def __init__(self, run: SyncRun, writer: RunWriter, adapter: PsaAdapter) -> None:
        self.run_row = run
        self.integration = run.integration
        self.writer = writer
        self.adapter = adapter
        self.info = info_of(run.integration)

    def run(self) -> None:
        phases = self._phases()
        for name, phase in phases:
            if name in self.writer.checkpoint.get("done", []):
                continue
            try:
                phase()
            except PsaRefused as error:
                if error.code != "permission_denied":
                    raise
                self.writer.note_trouble(error)
            with self.writer.page(name):
                self.writer.checkpoint.setdefault("done", []).append(name)
                for place in ("cursor", "passed", "after_link"):
                    self.writer.checkpoint.pop(place, None)

    def _phases(self) -> list[tuple[str, Callable[[], None]]]:
        if self.run_row.scope == SyncRun.Scope.ALL:
            first = [("companies", self.read_companies), ("contacts", self.read_contacts)]
        else:
            first = [("companies", self.reread_companies), ("contacts", self.reread_contacts)]
        return [*first, ("rules", self.check_rules), ("agreements", self.read_agreements)]

    # Everything the PSA shows

    def read_companies(self) -> None:
        def write(
            records: Sequence[Any], rejected: Sequence[RejectedRecord], now: datetime
        ) -> None:
            self.writer.add(
                "companies",
                import_list.store_companies(self.integration, records, now),
                rejected,
            )

        pages = self.adapter.companies(cursor=self.writer.checkpoint.get("cursor"))
        self._read_pages("companies", pages, write)
        if self._mark_gone("companies", PsaCompanyRecord.objects.all()):
            Integration.objects.filter(pk=self.integration.pk).update(
                companies_read_at=timezone.now()
            )

    def read_contacts(self) -> None:
        def write(
            records: Sequence[Any], rejected: Sequence[RejectedRecord], now: datetime
        ) -> None:
            self.writer.add(
                "contacts", import_list.store_contacts(self.integration, records, now), rejected
            )

        pages = self.adapter.contacts(cursor=self.writer.checkpoint.get("cursor"))
        self._read_pages("contacts", pages, write)
        self._mark_gone("contacts", PsaContactRecord.objects.all())

    def _read_pages(
        self,
        kind: str,
        pages: Iterator[Any],
        write: Callable[[Sequence[Any], Sequence[RejectedRecord], datetime], None],
    ) -> None:
        if self.writer.checkpoint.get("cursor", "") is None:
            return  # the last page is stored; what died came after it
        passed = self.writer.checkpoint.get("passed", 0)
        for page in prefetch(pages):
            passed += len(page.records) + len(page.rejected)
            with self.writer.page(kind, done=passed, total=page.total):
                write(page.records, page.rejected, timezone.now())
                named = [record.external_id for record in page.records]
                named += [record.external_id for record in page.rejected if record.external_id]
                self.writer.saw(
                    kind, named, unnamed=any(not record.external_id for record in page.rejected)
                )
                self.writer.checkpoint["cursor"] = page.cursor
                self.writer.checkpoint["passed"] = passed
                self.writer.checkpoint["parks"] = 0

    def _mark_gone(self, kind: str, model_rows: QuerySet[Any]) -> bool:
        """Mark what the complete pass did not see; False when the pass proves nothing."""
        if not self.writer.proves_absence(kind):
            return False
        rows = model_rows.filter(
            tenant=self.run_row.tenant_id, integration=self.integration, gone_at=None
        )
        known = dict(rows.values_list("external_id", "pk"))
        seen = self.writer.seen(kind)
        missing = [pk for external_id, pk in known.items() if external_id not in seen]
        if missing and self._looks_wrong(len(missing), len(known)):
            self.writer.note_trouble(self._too_many_gone(kind, len(missing), len(known)))
            return False
        for chunk in chunks(missing, CHUNK):
            with self.writer.page(kind):
                self.writer.add_gone(kind, rows.filter(pk__in=chunk))
                rows.filter(pk__in=chunk).update(gone_at=timezone.now())
        return True

    @staticmethod
    def _looks_wrong(missing: int, known: int) -> bool:
        return missing == known or (
            missing > GONE_GUARD_COUNT and missing > known * GONE_GUARD_SHARE
        )

    def _too_many_gone(self, kind: str, missing: int, known: int) -> PsaError:
        return PsaError(
            "too_many_gone",
            f"{self.info.name} no longer shows {missing} of {known} {kind}. They were kept as they "
            "were, for this looks like lost rights rather than deletions.",
            f"Check that the API user may see all {kind} in {self.info.name}, then press Sync Now.",
        )

    def check_rules(self) -> None:
        """Recount, check the import rules, and bring linked companies up to date."""
        for external_ids in chunks(self._companies_to_check(), CHUNK):
            with self.writer.page("rules"):
                import_list.apply_rules(self.integration, external_ids)
                links = self._links().filter(external_id__in=external_ids)
                linked_records.apply_companies(self.integration, list(links), timezone.now())

    def _companies_to_check(self) -> Iterable[str]:
        if self.run_row.scope == SyncRun.Scope.COMPANIES:
            return list(self.run_row.companies)
        return list(
            PsaCompanyRecord.objects.filter(
                tenant=self.run_row.tenant_id, integration=self.integration
            )
            .order_by("id")
            .values_list("external_id", flat=True)
        )

    # Some companies only

    def reread_companies(self) -> None:
        if self.run_row.trigger == SyncRun.Trigger.IMPORT:
            return  # chosen from the import list a moment ago
        wanted = list(self.run_row.companies)
        start = self.writer.checkpoint.get("passed", 0)
        for passed, external_id in enumerate(wanted[start:], start=start + 1):
            company = self.adapter.company(external_id)
            with self.writer.page("companies", done=passed, total=len(wanted)):
                now = timezone.now()
                if company is not None:
                    stored = import_list.store_companies(self.integration, [company], now)
                    self.writer.add("companies", stored)
                else:
                    self._mark_company_gone(external_id, now)
                self.writer.checkpoint["passed"] = passed

    def _mark_company_gone(self, external_id: str, now: datetime) -> None:
        rows = PsaCompanyRecord.objects.filter(
            tenant=self.run_row.tenant_id,
            integration=self.integration,
            external_id=external_id,
            gone_at=None,
        )
        self.writer.add_gone("companies", rows)
        rows.update(gone_at=now)

    def reread_contacts(self) -> None:
        passed = self.writer.checkpoint.get("passed", 0)
        for external_ids in chunks(self.run_row.companies[passed:], self.info.company_batch):
            pages = list(self.adapter.contacts(company_ids=external_ids))
            records = [record for page in pages for record in page.records]
            rejected = [record for page in pages for record in page.rejected]
            with self.writer.page("contacts", done=len(records), total=len(records)):
                now = timezone.now()
                changes = import_list.store_contacts(self.integration, records, now)
                self.writer.add("contacts", changes, rejected)
                if all(record.external_id for record in rejected):
                    self._mark_contacts_gone(external_ids, records, rejected, now)
                passed += len(external_ids)
                self.writer.checkpoint["passed"] = passed

    def _mark_contacts_gone(
        self,
        external_ids: Sequence[str],
        records: Sequence[Any],
        rejected: Sequence[RejectedRecord],
        now: datetime,
    ) -> None:
        seen = {record.external_id for record in (*records, *rejected)}
        rows = PsaContactRecord.objects.filter(
            tenant=self.run_row.tenant_id,
            integration=self.integration,
            company_external_id__in=external_ids,
            gone_at=None,
        ).exclude(external_id__in=seen)
        self.writer.add_gone("contacts", rows)
        rows.update(gone_at=now)

    # Agreements of what is linked

    def _links(self) -> QuerySet[CompanyLink]:
        return CompanyLink.objects.filter(
            tenant=self.run_row.tenant_id,
            integration=self.integration,
            unlinked_at=None,
            company__status=Company.Status.ACTIVE,
        ).order_by("id")

    def read_agreements(self) -> None:
        links = self._links()
        if self.run_row.scope == SyncRun.Scope.COMPANIES:
            links = links.filter(external_id__in=self.run_row.companies)
        total = links.count()
        passed = self.writer.checkpoint.get("passed", 0)
        after = self.writer.checkpoint.get("after_link")
        rest = links.filter(id__gt=after) if after else links
        batches = chunks(list(rest.values_list("id", "external_id")), self.info.company_batch)
        for batch in prefetch(map(self._read_batch, batches)):
            passed += len(batch.external_ids)
            with self.writer.page("agreements", done=passed, total=total):
                current = links.filter(external_id__in=batch.external_ids)
                linked_records.store_agreements(
                    self.writer, list(current.select_related("company")), batch
                )
                self.writer.checkpoint |= {"passed": passed, "after_link": batch.last_link}
                self.writer.checkpoint["parks"] = 0

    def _read_batch(self, links: list[tuple[UUID, str]]) -> linked_records.AgreementBatch:
        external_ids = [external_id for _, external_id in links]
        batch = linked_records.AgreementBatch(external_ids, str(links[-1][0]), timezone.now())
        for page in self.adapter.agreements(company_ids=external_ids):
            batch.agreements |= {record.external_id: record for record in page.records}
            batch.rejected += page.rejected
        return batch


def chunks(items: Iterable[ItemT], size: int) -> Iterator[list[ItemT]]:
    """Cut items into lists of at most `size`."""
    iterator = iter(items)
    while chunk := list(islice(iterator, size)):
        yield chunk
