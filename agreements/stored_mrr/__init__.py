"""Keeps what is stored of MRR equal to what the engine computes.

A company's book is worked out again when a sync or a person changed something in it, and when a day
comes on which something in it starts or ends. Only rows that differ are written.
"""

from agreements.stored_mrr.marking import mark_all_stale, mark_stale
from agreements.stored_mrr.passes import pass_days, refresh_again, verify
from agreements.stored_mrr.reasons import KEEPING, RefreshReason
from agreements.stored_mrr.refreshing import refresh, with_children
from agreements.stored_mrr.tables import Differences, Found
from agreements.stored_mrr.together import State, StoredTotal, settled_state
from agreements.stored_mrr.waiting import (
    Late,
    count_of_former_rules,
    refresh_for_reader,
    refresh_marked,
    refresh_stale,
)
from agreements.stored_mrr.working_out import NEVER, collector_paused

__all__ = [
    "KEEPING",
    "NEVER",
    "Differences",
    "Found",
    "Late",
    "RefreshReason",
    "State",
    "StoredTotal",
    "collector_paused",
    "count_of_former_rules",
    "mark_all_stale",
    "mark_stale",
    "pass_days",
    "refresh",
    "refresh_again",
    "refresh_for_reader",
    "refresh_marked",
    "refresh_stale",
    "settled_state",
    "verify",
    "with_children",
]
