"""Taking an import back: its links are undone, and the audITees that it made are archived.

An audITee that an import made has nothing to go back to, so it is archived with all that people
have done to it since; it can be brought back at any time.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from audit_site.db.each_by_itself import failure_of
from audit_site.tenants.models import User
from companies.services import archive_company
from integrations.links.undoing import undo_link
from integrations.models import CompanyLink, ImportBatchRow

State, Becomes = ImportBatchRow.State, ImportBatchRow.Becomes


def take_back(rows: Sequence[ImportBatchRow], actor: User | None) -> None:
    """Take each row back by itself; what can't be says why and stays done. Inside a transaction."""
    for row in rows:
        if error := failure_of(partial(_take_back, row, actor), f"import {row.batch_id}"):
            row.state, row.code, row.message = State.DONE, error.code, error.sentence
        else:
            row.state = State.UNDONE


def _take_back(row: ImportBatchRow, actor: User | None) -> None:
    if row.company is None:  # erased since: nothing is left of it
        return
    if row.becomes == Becomes.NEW:
        archive_company(company=row.company, actor=actor)
        return
    links = CompanyLink.objects.of(row.integration).filter(
        company=row.company, external_id=row.external_id
    )
    link = links.order_by("-linked_at", "-id").first()
    if link is None or link.undone_at is not None:
        return
    undo_link(company=row.company, actor=actor, link_id=link.pk)
