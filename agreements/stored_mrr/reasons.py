"""Why books are worked out."""

from __future__ import annotations

from enum import Enum


class RefreshReason(Enum):
    """Why books are worked out."""

    CHANGE = "a sync or a person changed something that a figure shows: each gets a new version"
    DAY = "nothing but the day has changed: agreements whose day is yet to come stay as stored"
    MEND = "nothing should have changed: only what differs is written"
    CHECK = "as MEND, but nothing is written"


#: When books may be others than they were: then each that differs is kept. No day changes one.
KEEPING = {RefreshReason.CHANGE, RefreshReason.MEND, RefreshReason.CHECK}
