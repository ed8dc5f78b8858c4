"""Moments of a run, named: so that tests can let something happen in between.

`run_sync(…, on_moment=…)` calls the given function with the moment and its subject, in the worker's
thread. Nobody watches in production.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

#: "phase": the phase (the subject) is about to begin. "page": a page of this phase is written, not
#: yet committed; "page stored": now it is. "list read": the last page of this kind's list is
#: written, its issues not yet closed. "rules checked": rules are checked, linked companies not yet
#: brought up to date. "agreements read": those of "all" or "some" companies are stored, what is
#: absent is not yet settled. "ended": the run has this state, not yet committed.
Moment = Literal[
    "phase", "page", "page stored", "list read", "rules checked", "agreements read", "ended"
]
OnMoment = Callable[[Moment, str], None]


def unwatched(moment: Moment, subject: str) -> None:
    """Nobody watches."""
