"""What a run came to, in one sentence, and its counts without the zeros."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from integrations.kinds import KINDS
from integrations.models import SyncRun

#: What a run counts of records that are not as they were → how that is said.
CHANGES: Final = {
    "created": "new",
    "updated": "changed",
    "gone": "gone",
    "rejected": "could not be used",
}
#: All that it counts, in the order in which it is shown.
COUNTED: Final = {"seen": "read", **CHANGES, "unchanged": "unchanged"}


@dataclass(frozen=True, slots=True)
class KindTally:
    """A kind of which a run saw anything: `400 read, 1 new`."""

    title: str
    text: str


def run_sentence(run: SyncRun, need_you: int = 0) -> str:
    """`Read 400 companies and 812 contacts: 1 new, 2 need you.`

    `need_you`: how many issues of its connection wait for a person.
    """
    if run.state == SyncRun.State.QUEUED:
        return "It has not begun yet."
    read = _read(run)
    if run.state == SyncRun.State.RUNNING:
        return f"{read} so far." if read else "It has begun."
    if run.state == SyncRun.State.FAILED:
        return f"{read}, then it failed." if read else "It failed before anything was read."
    if run.state == SyncRun.State.CANCELLED:
        return f"{read}, then it was cancelled." if read else "It was cancelled before it began."
    changes = _changes(run)
    if need_you:
        changes.append(f"{need_you:,} need{'s' if need_you == 1 else ''} you")
    if not read and not changes:
        return "Nothing has changed since the sync before."
    return f"{read or 'Read what changed'}: {', '.join(changes) or 'nothing changed'}."


def _read(run: SyncRun) -> str:
    """`Read 400 companies and 812 contacts`; "" = it saw nothing."""
    seen = [
        f"{number:,} {kind.singular if number == 1 else kind.name}"
        for kind in KINDS
        if (number := _number(run, kind.name, "seen"))
    ]
    *first, last = seen or [""]
    listed = f"{', '.join(first)} and {last}" if first else last
    return f"Read {listed}" if listed else ""


def _changes(run: SyncRun) -> list[str]:
    totals = {name: sum(_number(run, kind.name, name) for kind in KINDS) for name in CHANGES}
    return [f"{number:,} {CHANGES[name]}" for name, number in totals.items() if number]


def tallies(run: SyncRun) -> Sequence[KindTally]:
    """What it counted of each kind, without the zeros."""
    found = []
    for kind in KINDS:
        parts = [
            f"{number:,} {word}"
            for name, word in COUNTED.items()
            if (number := _number(run, kind.name, name))
        ]
        if parts:
            found.append(KindTally(kind.title, ", ".join(parts)))
    return found


def _number(run: SyncRun, kind: str, name: str) -> int:
    return int(run.counts.get(kind, {}).get(name, 0))
