"""Contacts that moved: into which company another was merged, and whose rules to check."""

from __future__ import annotations

from integrations.importing.record_store import Change, Changes
from integrations.models import PsaCompanyRecord, PsaContactRecord
from integrations.sync.checkpoint import Checkpoint
from integrations.sync.run_writer import RunWriter
from integrations.sync.seen_ids import TOUCHED


def note_moves(checkpoint: Checkpoint, changes: Changes[PsaContactRecord]) -> list[str]:
    """Remember from which company to which contacts moved.

    Returns the PSA ids of the companies whose contacts differ, sorted.
    """
    touched: set[str] = set()
    for change in changes.written:
        before, after = _former_company(change), change.row.company_external_id
        touched |= {before, after}
        if before and after:
            checkpoint.note_move(before, after)
    return sorted(touched - {""})


def _former_company(change: Change[PsaContactRecord]) -> str:
    """PSA id of the company that the contact belonged to before; "" = of none, or of the same."""
    before = change.before or {}
    former: str = before.get("company_external_id") or ""
    return former


def note_late_merges(writer: RunWriter) -> None:
    """Companies that were found gone, and whose people show only now where they went; in a page of
    its own.
    """
    moves = writer.checkpoint.moves
    rows = PsaCompanyRecord.objects.of(writer.integration).gone()
    late = list(rows.filter(is_merged=False, external_id__in=moves)) if moves else []
    if not late:
        return
    with writer.page("absences"):
        for row in late:
            row.is_merged, row.merged_into = True, moves[row.external_id]
        PsaCompanyRecord.objects.bulk_update(late, ["is_merged", "merged_into"])
        writer.seen.note(TOUCHED, [row.external_id for row in late])
