"""Contacts that moved: into which company another was merged, and whose rules to check."""

from __future__ import annotations

from integrations.importing.record_store import Change, Changes
from integrations.models import PsaContactRecord
from integrations.sync.checkpoint import Checkpoint


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
