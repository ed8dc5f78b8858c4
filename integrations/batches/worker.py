"""Carrying an import out: slice by slice, each with its results in one transaction.

A worker that is killed leaves whole slices; whoever takes the import over goes on with the next.
"""

from __future__ import annotations

from collections.abc import Sequence
from copy import copy
from functools import partial
from typing import Final

from django.db import InterfaceError, OperationalError, transaction
from django.db.models import Value
from django.db.models.functions import Coalesce
from django.utils import timezone

from audit_site.db import walls
from audit_site.db.bulk import AnyOf, bulk_upsert
from audit_site.db.each_by_itself import all_that_can
from audit_site.errors import DomainError, Explained
from companies.models import Company
from integrations.batches.bringing_back import bring_back, to_bring_back
from integrations.batches.undoing import take_back
from integrations.importing.batch_counts import BACK, THERE_BEFORE
from integrations.importing.import_companies import ImportChoice, bring_in
from integrations.importing.suggested import suggestions_for
from integrations.links.linking import link_many
from integrations.matching.sides import mark_of, our_sides, their_sides
from integrations.models import (
    CompanyLink,
    ImportBatch,
    ImportBatchRow,
    Integration,
    PsaCompanyRecord,
)
from integrations.runs import leases, run_log, shutdown
from integrations.runs.turns import Turn, TurnOver

#: So many rows are carried out by one transaction, and read by one run after it.
SLICE: Final = 250
#: Each is taken back by itself.
UNDONE_OF_A_SLICE: Final = 25
#: An import that so many workers took and none ended is given up.
MOST_ATTEMPTS: Final = 10
State, Becomes = ImportBatchRow.State, ImportBatchRow.Becomes


@walls.of_tenant
def run_import_batch(*, tenant_id: str, batch_id: str) -> None:
    """Carry an import out, or go on with it. Worker only."""
    batch = leases.claim(ImportBatch, tenant_id=tenant_id, work_id=batch_id)
    if batch is None:
        return
    if batch.attempts > MOST_ATTEMPTS:
        _give_up(batch)
        return
    turn = Turn(batch)
    try:
        with leases.LeaseKeeper(batch):
            while carry_out_slice(batch):
                shutdown.check()
                turn.check()
    except (shutdown.WorkerEnding, TurnOver):
        leases.held(batch).update(lease_until=None, dispatched_at=None)  # another goes on
    except leases.LeaseLost:
        return
    except (OperationalError, InterfaceError):
        raise  # the lease runs out, and another worker goes on
    except Exception:  # whatever it is: rows would wait for ever; it goes on to Celery
        _give_up(batch)
        raise


@transaction.atomic
def carry_out_slice(batch: ImportBatch) -> bool:
    """Carry out the next rows of one list; False when the last ones are done and the batch ends."""
    held = leases.held(batch).select_for_update(no_key=True, of=("self",))
    if not held.exists():
        raise leases.LeaseLost
    if undoing := _to_take_back(batch):
        take_back(undoing, batch.undo_by)
        bulk_upsert(ImportBatchRow, undoing)
        return True
    if returning := to_bring_back(batch):
        bring_back(returning, batch.back_by)
        bulk_upsert(ImportBatchRow, returning)
        return True
    rows = _next_rows(batch)
    if not rows:
        _end(batch)
        return False
    all_that_can(rows, partial(_carry_out, batch), _keep_failure, f"import {batch.pk}")
    return True


def _carry_out(batch: ImportBatch, rows: Sequence[ImportBatchRow]) -> None:
    """Carry out rows of one list which become the same, and keep what came of each."""
    results = [copy(row) for row in rows]  # what is rolled back leaves nothing on the rows
    integration = results[0].integration
    integration.refuse_disconnected()
    if results[0].becomes == Becomes.NEW:
        _import(batch, integration, results)
    else:
        _link(batch, integration, results)
    bulk_upsert(ImportBatchRow, results)


def _keep_failure(rows: Sequence[ImportBatchRow], error: DomainError) -> None:
    for row in rows:
        _failed(row, error)
    bulk_upsert(ImportBatchRow, rows)


def _to_take_back(batch: ImportBatch) -> list[ImportBatchRow]:
    """The next that are to be undone, the last ones first."""
    rows = ImportBatchRow.objects.filter(
        tenant=batch.tenant_id, batch=batch, chosen=True, state=State.UNDOING
    )
    rows = rows.select_related("integration__tenant", "company__tenant")
    return list(rows.order_by("-position")[:UNDONE_OF_A_SLICE])


def _next_rows(batch: ImportBatch) -> list[ImportBatchRow]:
    """The next that are of one list and become the same."""
    waiting = ImportBatchRow.objects.filter(
        tenant=batch.tenant_id, batch=batch, chosen=True, state=State.WAITING
    ).order_by("position")
    first = waiting.select_related("integration__tenant").first()
    if first is None:
        return []
    alike = waiting.filter(integration=first.integration_id, becomes=first.becomes)
    rows = list(alike.select_related("company")[:SLICE])
    for row in rows:
        row.integration = first.integration
    return rows


def _import(batch: ImportBatch, integration: Integration, rows: Sequence[ImportBatchRow]) -> None:
    ids = [row.external_id for row in rows]
    choices = [
        ImportChoice(row.external_id, row.primary_contact, row.type)
        for row in rows
        if row.primary_contact or row.type
    ]
    result = bring_in(
        integration=integration, external_ids=ids, actor=batch.started_by, choices=choices
    )
    rejected = {one.external_id: one for one in result.rejected}
    holders = _holders(integration, [id_ for id_ in ids if id_ not in {*rejected, *result.made}])
    for row in rows:
        if refusal := rejected.get(row.external_id):
            row.state, row.code, row.message = State.FAILED, refusal.code, refusal.message
        elif company := result.made.get(row.external_id):
            _done(row, company, made=True)
        else:
            row.company = holders[row.external_id]
            _there_before(row)


def _holders(integration: Integration, external_ids: Sequence[str]) -> dict[str, Company]:
    """The audITees that were linked before, by the PSA's id."""
    if not external_ids:
        return {}
    links = CompanyLink.objects.of(integration).in_force().filter(external_id__in=external_ids)
    return {link.external_id: link.company for link in links.select_related("company")}


def _link(batch: ImportBatch, integration: Integration, rows: Sequence[ImportBatchRow]) -> None:
    """Tie each to the audITee that was reviewed, if that is still what is suggested. Who is linked
    to it by now, as by another one who confirmed the same, is so.
    """
    holders = _holders(integration, [row.external_id for row in rows])
    for row in rows:
        if row.company_id and row.company == holders.get(row.external_id):
            _there_before(row)
    rows = [row for row in rows if row.state == State.WAITING]
    still = _still_suggested(integration, rows)
    for row in rows:
        if row.company is None or row.external_id not in still:
            _failed(row, _not_suggested())
    wanted = [row for row in rows if row.company and row.external_id in still]
    pairs = [(row.company, row.external_id) for row in wanted if row.company]
    result = link_many(integration=integration, pairs=pairs, actor=batch.started_by)
    refused = {one.external_id: one.error for one in result.rejected}
    for row in wanted:
        if error := refused.get(row.external_id):
            _failed(row, error)
        elif row.company:
            _done(row, row.company, made=False)


def _still_suggested(integration: Integration, rows: Sequence[ImportBatchRow]) -> set[str]:
    """The PSA's ids of those whose audITee is suggested for them now, and both sides of which are
    as they were compared.
    """
    ids = [row.external_id for row in rows]
    records = list(PsaCompanyRecord.objects.of(integration).filter(external_id__in=ids))
    suggested = suggestions_for(records)
    companies = {row.external_id: row.company_id for row in rows}
    chosen = Company.objects.for_tenant(integration.tenant)
    there = [pk for pk in companies.values() if pk]
    ours = our_sides(integration.tenant, chosen.filter(AnyOf("id", there)))
    theirs = their_sides(integration, ids)
    return {
        record.external_id
        for record in records
        if (found := suggested.get(record.pk))
        and found.company_id == companies[record.external_id]
        and found.company_id in ours
        and record.pk in theirs
        and mark_of(ours[found.company_id], theirs[record.pk]) == found.mark
    }


def _not_suggested() -> DomainError:
    return DomainError(
        "not_suggested",
        "The two are no suggestion any more: one of them has changed or is linked meanwhile.",
        "Look at it again in the import list.",
    )


def _done(row: ImportBatchRow, company: Company, *, made: bool) -> None:
    row.state, row.company, row.made = State.DONE, company, made
    row.code, row.message, row.done_at = "", "", timezone.now()


def _there_before(row: ImportBatchRow) -> None:
    """Nothing was done: an undo takes nothing back of it."""
    row.state, row.done_at = State.DONE, timezone.now()
    to = "an" if row.becomes == Becomes.NEW else "this"
    row.code, row.message = THERE_BEFORE, f"It was linked to {to} audITee before."


def _failed(row: ImportBatchRow, error: Explained) -> None:
    row.state, row.code, row.message = State.FAILED, error.code, error.sentence


def _end(batch: ImportBatch) -> None:
    ended = leases.held(batch).update(
        state=ImportBatch.State.DONE,
        finished_at=Coalesce("finished_at", Value(timezone.now())),
        lease_until=None,
        dispatched_at=None,
    )
    if ended:
        run_log.ends(batch, ImportBatch.State.DONE)


@transaction.atomic
def _give_up(batch: ImportBatch) -> None:
    """End it after an error of ours; what was not done can be tried again."""
    held = leases.held(batch).select_for_update(no_key=True, of=("self",))
    if not held.exists():
        return
    waiting = ImportBatchRow.objects.filter(
        tenant=batch.tenant_id, batch=batch, chosen=True, state=State.WAITING
    )
    undoing = ImportBatchRow.objects.filter(
        tenant=batch.tenant_id, batch=batch, state=State.UNDOING
    )
    undoing.update(
        state=State.DONE,
        code="internal_error",
        message="Something went wrong on our side. Take it back by itself; if it stays, tell us.",
    )
    waiting.filter(code=BACK).update(
        state=State.UNDONE,
        code="internal_error",
        message="Something went wrong on our side. Bring it back again; if it stays, tell us.",
    )
    waiting.update(
        state=State.FAILED,
        code="internal_error",
        message="Something went wrong on our side. Try it again; if it stays, tell us.",
    )
    _end(batch)
