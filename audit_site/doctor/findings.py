"""What a check found: how it stands, and what mends it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Level(StrEnum):
    OK = "ok"
    WARNING = "warning"
    FAILING = "failing"


@dataclass(frozen=True, slots=True)
class Finding:
    """One sentence on how something stands, and one on what to do. No secret is in either."""

    level: Level
    says: str
    mend: str = ""


def ok(says: str) -> Finding:
    return Finding(Level.OK, says)


def warning(says: str, mend: str) -> Finding:
    return Finding(Level.WARNING, says, mend)


def failing(says: str, mend: str) -> Finding:
    return Finding(Level.FAILING, says, mend)


def counted(number: int, one: str, many: str = "") -> str:
    """`2 tables`, `1 table`."""
    return f"{number} {one if number == 1 else many or one + 's'}"
