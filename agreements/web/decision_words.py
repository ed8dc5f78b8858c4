"""What people decided about agreements, in words."""

from __future__ import annotations

from collections.abc import Sequence
from copy import copy
from typing import Any, Final

from agreements.models import ChoiceRecord
from agreements.mrr.doubts import NEGATIVE_AGREEMENT, PART_OF_CYCLE, POSSIBLE_OVERLAP
from agreements.mrr.words import meaning_text

#: What a doubt is called, beside the amount that it is about.
DOUBTS: Final = {
    POSSIBLE_OVERLAP: "Counted twice?",
    PART_OF_CYCLE: "Price of a part of a cycle?",
    NEGATIVE_AGREEMENT: "Less than nothing?",
}

#: choice → what it says when it is made, and when it is taken back
DECISIONS = {
    "exclude": ("left out", "counted again"),
    "force_include": ("counted in spite of the PSA", "as the PSA says again"),
    "assume_renewal": ("assumed to renew", "not assumed to renew any more"),
    "cycle": ("billed otherwise", "billed as the PSA says again"),
    "right": ("said to be right as it is", "in doubt again"),
    "renews": ("replaces another agreement", "replaces only what the PSA says"),
}


def decision(record: ChoiceRecord, labels: dict[str, str] | None = None) -> str:
    """What a decision changed, in a few words; `labels` name agreements by their ids (text)."""
    changes = [
        words[0 if _is_made(record, name) else 1]
        for name, words in DECISIONS.items()
        if (record.before.get(name) or None) != (record.after.get(name) or None)
    ]
    text = ", ".join(changes)
    if cycle := record.after.get("cycle"):
        text = text.replace("billed otherwise", f"billed {meaning_text(cycle)}")
    ids = record.after.get("renews") or ()
    if older := [(labels or {}).get(id_, "another agreement") for id_ in ids]:
        text = text.replace("another agreement", " and ".join(older))
    if doubts := _doubts_said(record):
        for words in DECISIONS["right"]:
            text = text.replace(words, f"{words} ({doubts})")
    if is_contradictory(record.after):
        text += ": leaving it out wins"
    return text[:1].upper() + text[1:]


def in_force(records: Sequence[ChoiceRecord]) -> ChoiceRecord | None:
    """The newest of the decisions about something, newest first, that made anything which is still
    so, as if it had made no more than that; None = nothing is decided.
    """
    now = records[0].after if records else {}
    for row in records:
        if holding := [name for name in DECISIONS if _still_makes(row, name, now)]:
            found = copy(row)
            found.before = {**now, **{name: row.before.get(name) for name in holding}}
            found.after = now
            return found
    return None


def _still_makes(record: ChoiceRecord, name: str, now: dict[str, Any]) -> bool:
    before, after = record.before.get(name) or None, record.after.get(name) or None
    if before == after or not _is_made(record, name):
        return False
    if isinstance(after, list):
        return bool({*after} & {*(now.get(name) or ())})
    return after == now.get(name)


def _doubts_said(record: ChoiceRecord) -> str:
    """What was said to be right, or is in doubt again, by its name."""
    before, after = (set(values.get("right") or ()) for values in (record.before, record.after))
    codes = after - before or before - after
    return ", ".join(f"\u201c{DOUBTS[code]}\u201d" for code in DOUBTS if code in codes)


def _is_made(record: ChoiceRecord, name: str) -> bool:
    """Whether something was decided, and nothing of it taken back alone."""
    before, after = record.before.get(name), record.after.get(name)
    if isinstance(after, list) and isinstance(before, list):
        return bool(set(after) - set(before)) or (name == "renews" and bool(after))
    return bool(after)


def is_contradictory(choices: dict[str, Any]) -> bool:
    """Left out, and counted for some reason as well: another program may decide so."""
    counted = choices.get("force_include") or choices.get("assume_renewal")
    return bool(choices.get("exclude") and counted)
