"""What people decided about agreements, in words."""

from __future__ import annotations

from typing import Any

from agreements.models import ChoiceRecord
from agreements.mrr.words import meaning_text

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
    if is_contradictory(record.after):
        text += ": leaving it out wins"
    return text[:1].upper() + text[1:]


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
