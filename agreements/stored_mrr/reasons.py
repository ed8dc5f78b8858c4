"""Why books are worked out."""

from __future__ import annotations

from enum import Enum


class RefreshReason(Enum):
    """Why books are worked out."""

    CHANGE = "a sync or a person changed something that a figure shows: each gets a new version"
    LATE = "as CHANGE, of what waits for it: what somebody else has worked out meanwhile stays"
    DAY = "nothing but the day has changed: agreements whose day is yet to come stay as stored"
    MEND = "nothing should have changed: only what differs is written"
    CHECK = "as MEND, but nothing is written"


#: When books may be others than they were: then each that differs is kept. No day changes one.
KEEPING = {RefreshReason.CHANGE, RefreshReason.LATE, RefreshReason.MEND, RefreshReason.CHECK}
#: When something in a book has changed, and each gets a new version.
CHANGING = {RefreshReason.CHANGE, RefreshReason.LATE}
#: When a book is written that came out as it was.
WRITING = {*CHANGING, RefreshReason.DAY}
