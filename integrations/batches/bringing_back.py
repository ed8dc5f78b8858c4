"""Bringing back the audITees that the undo of an import archived."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from django.utils import timezone

from audit_site.db.each_by_itself import failure_of
from audit_site.errors import DomainError
from audit_site.tenants.models import User
from companies.services import restore_company
from integrations.importing.batch_counts import BACK
from integrations.models import ImportBatch, ImportBatchRow

State = ImportBatchRow.State
#: Each is brought back by itself.
SLICE: Final = 25


def to_bring_back(batch: ImportBatch) -> list[ImportBatchRow]:
    """The next ones: rows that wait again, though their audITee was made before."""
    rows = ImportBatchRow.objects.filter(
        tenant=batch.tenant_id, batch=batch, chosen=True, state=State.WAITING, made=True
    )
    return list(rows.select_related("company__tenant").order_by("position")[:SLICE])


def bring_back(rows: Sequence[ImportBatchRow], actor: User | None) -> None:
    """Bring each back by itself; what can't be says why and stays undone. Inside a transaction."""
    for row in rows:
        if error := _refusal(row, actor):
            row.state, row.code, row.message = State.UNDONE, error.code, error.sentence
        else:
            row.state, row.code, row.done_at = State.DONE, BACK, timezone.now()
            row.message = "The undo of this import had archived it; it was brought back."


def _refusal(row: ImportBatchRow, actor: User | None) -> DomainError | None:
    if row.company is None:
        return DomainError("not_found", "The audITee has been erased.", status=404)
    company = row.company
    return failure_of(
        lambda: restore_company(company=company, actor=actor), f"import {row.batch_id}"
    )
