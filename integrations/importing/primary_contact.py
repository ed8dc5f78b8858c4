"""Why the primary contact of an audITee is the one it is, in a sentence."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Final, NamedTuple

from django.utils import timezone
from django.utils.dateformat import format as date_text

#: `kept`: nobody chose it and no rule: it was there before. `typed`: a person typed it in here.
WHY_CODES: Final = ("chosen", "chosen_gone", "psa_default", "first_reachable", "kept", "typed")


@dataclass(frozen=True, slots=True)
class Why:
    """One of `WHY_CODES`, and the same in a sentence."""

    code: str
    message: str


class Primary(NamedTuple):
    """A primary contact, as far as its reason goes; ids are texts.

    `psa`: the name of the PSA that is linked, "" = none is; `is_default`: that names it as the
    default contact of its company.
    """

    id: str
    external_id: str
    can_be_reached: bool
    psa: str = ""
    is_default: bool = False


class Choice(NamedTuple):
    """What a person has chosen, `contact_id` None = it is erased; see `PrimaryChoice`."""

    contact_id: str | None
    by: str
    at: datetime
    gone_at: datetime | None

    @property
    def holds(self) -> bool:
        return self.contact_id is not None and self.gone_at is None


def reason_of(primary: Primary | None, choice: Choice | None) -> Why | None:
    """Why a primary contact is the one it is, or why there is none. No query."""
    if choice is not None and choice.holds and primary and choice.contact_id == primary.id:
        return Why("chosen", f"Chosen{_by(choice)}.")
    rule = _by_rule(primary) if primary else None
    if choice is None or choice.holds:
        return rule
    gone = f"The contact that was chosen{_by(choice)} is gone."
    return Why("chosen_gone", f"{gone} {rule.message}" if rule else gone)


def _by(choice: Choice) -> str:
    by = f" by {choice.by}" if choice.by else ""
    return f"{by} on {date_text(timezone.localtime(choice.at), 'j M Y')}"


def _by_rule(primary: Primary) -> Why:
    psa = primary.psa
    if not primary.external_id:
        return Why("typed", "Typed in here.")
    if not psa:
        return Why("kept", "It was the primary contact while a PSA was linked.")
    if not primary.can_be_reached:
        message = f"It was the primary contact before; {psa} shows nobody who can be reached."
        return Why("kept", message)
    if primary.is_default:
        return Why("psa_default", f"{psa} names it as the default contact.")
    message = f"{psa} names no default contact that can be reached: it is the first who can."
    return Why("first_reachable", message)
