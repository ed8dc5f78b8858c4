"""How long things are kept: the one list, and deleting what is older."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from agreements.known.pruning import thin_out
from agreements.reports import forget_reports
from audit_site.api.idempotency import forget_answers
from audit_site.limits import forget_old_counts
from audit_site.tenants.own_address import forget_address_changes
from audit_site.tenants.tasks import clear_sessions, forget_cache
from audit_site.tenants.tries import forget_tries
from integrations.connecting.wrong_keys import forget_users
from integrations.links.previewing import forget_previews
from integrations.runs.history import prune_history


@dataclass(frozen=True, slots=True)
class Kept:
    """One kind of what is deleted in time: what it is, for how long, and which setting says so."""

    what: str
    how_long: str
    setting: str
    forget: Callable[[], object]


#: Printed into docs/operating.md; a test compares.
RETENTION: Final = (
    Kept(
        "Sync runs with their events, connection tests, imports row by row, closed issues",
        "90 days after their end",
        "SYNC_HISTORY_DAYS",
        prune_history,
    ),
    Kept("Reports about figures", "7 days", "REPORT_DAYS", forget_reports),
    Kept("Previews of links", "a day", "", forget_previews),
    Kept(
        "What was known of MRR, between the ends of months",
        "for ever; a number of days thins out what is older",
        "BOOK_HISTORY_DAYS",
        thin_out,
    ),
    Kept("Answers kept for an `Idempotency-Key`", "24 hours", "", forget_answers),
    Kept("Sessions", "until they have run out", "", clear_sessions),
    Kept("Counts of tries to sign in, as hashes", "a day", "", forget_tries),
    Kept("Links that prove a new e-mail address", "a day", "", forget_address_changes),
    Kept("Limits of sign-in, where there is no Redis", "until they are over", "", forget_cache),
    Kept("Counts of limited acts", "a day", "", forget_old_counts),
    Kept("Refused keys of PSA users, as hashes", "30 days after they were used", "", forget_users),
)
