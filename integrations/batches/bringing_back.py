"""Bringing back what the undo of an import took away: audITees are active again, links are made
again.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Final

from django.utils import timezone

from audit_site.db.each_by_itself import all_that_can, failure_of
from audit_site.errors import DomainError
from audit_site.tenants.models import User
from companies.services import restore_company
from integrations.importing.batch_counts import BACK
from integrations.links.linking import link_many
from integrations.models import ImportBatch, ImportBatchRow

State, Becomes = ImportBatchRow.State, ImportBatchRow.Becomes
#: Each audITee is brought back by itself.
SLICE: Final = 25
#: Links of one account are made together, and read by one run.
LINKS_OF_A_SLICE: Final = 250
ERASED: Final = DomainError("not_found", "The audITee has been erased.", status=404)


def to_bring_back(batch: ImportBatch) -> list[ImportBatchRow]:
    """The next ones: audITees that the import made, or links of one account."""
    rows = ImportBatchRow.objects.filter(
        tenant=batch.tenant_id, batch=batch, chosen=True, state=State.WAITING, code=BACK
    )
    rows = rows.select_related("company__tenant", "integration__tenant").order_by("position")
    first = rows.first()
    if first is None:
        return []
    if first.becomes == Becomes.NEW:
        return list(rows.filter(becomes=Becomes.NEW)[:SLICE])
    alike = rows.filter(becomes=Becomes.LINK, integration=first.integration_id)
    return list(alike[:LINKS_OF_A_SLICE])


def bring_back(rows: Sequence[ImportBatchRow], actor: User | None) -> None:
    """Bring back what can be; the rest says why and stays undone. Inside a transaction.

    `rows` are some that `to_bring_back` found.
    """
    there = [row for row in rows if row.company is not None]
    for row in rows:
        if row.company is None:
            _stays_undone(row, ERASED)
    if rows[0].becomes == Becomes.LINK:
        of = f"import {rows[0].batch_id}"
        all_that_can(there, partial(_link_again, actor=actor), _all_stay_undone, of)
        return
    for row in there:
        if error := _refusal(row, actor):
            _stays_undone(row, error)
        else:
            _is_back(row, "The undo of this import had archived it; it was brought back.")


def _refusal(row: ImportBatchRow, actor: User | None) -> DomainError | None:
    return failure_of(
        lambda: row.company and restore_company(company=row.company, actor=actor),
        f"import {row.batch_id}",
    )


def _link_again(rows: Sequence[ImportBatchRow], actor: User | None) -> None:
    pairs = [(row.company, row.external_id) for row in rows if row.company]
    if not pairs:
        return
    result = link_many(integration=rows[0].integration, pairs=pairs, actor=actor)
    refused = {one.external_id: one.error for one in result.rejected}
    for row in rows:
        if error := refused.get(row.external_id):
            _stays_undone(row, error)
        else:
            _is_back(row, "The undo of this import had undone the link; it was linked again.")


def _all_stay_undone(rows: Sequence[ImportBatchRow], error: DomainError) -> None:
    for row in rows:
        _stays_undone(row, error)


def _stays_undone(row: ImportBatchRow, error: DomainError) -> None:
    row.state, row.code, row.message = State.UNDONE, error.code, error.sentence


def _is_back(row: ImportBatchRow, message: str) -> None:
    row.state, row.code, row.message = State.DONE, BACK, message
    row.done_at = timezone.now()
