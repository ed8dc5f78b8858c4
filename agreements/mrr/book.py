"""What the engine computes on: agreements and lines with typed values.

They are msgspec's: made by the hundred thousand, also straight from JSON. An agreement or a line is
a JSON array there, of its fields in their order.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from decimal import Decimal
from typing import Any

from msgspec import Struct

from agreements.mrr.edition import TODAY, Edition
from agreements.mrr.words import NO_WORDS, Words

#: A number; None = absent, `UNREADABLE` = there is something that is no number.
Number = Decimal | None
UNREADABLE = Decimal("NaN")


class Units(Struct):
    """A stretch of a line's unit history; `amount` (all units, a full cycle) wins over units."""

    start_date: date | None = None
    end_date: date | None = None
    units: Number = None
    unit_price: Number = None
    amount: Number = None


class Line(Struct, array_like=True, eq=False):
    """A priced row.

    `end_date` is its last day in force. `gone_from` is the day from which on the PSA has it no
    more; what its own dates say of the days before stays. `usage`: it is billed by consumption.
    `has_recurred`: it was read before with an earlier end. `right`: of which warnings a person said
    that it is right as it is. `chosen_cycle`: the cycle that a person decided, whatever `cycle` is.
    `ref` is the caller's own and goes through.
    """

    id: str
    kind: str = "addition"
    quantity: Number = None
    unit_price: Number = None
    less_included: Number = None
    bill: str = "billable"
    start_date: date | None = None
    end_date: date | None = None
    cycle: Any = None
    product: str = ""
    one_time: bool | None = None
    exclude: bool = False
    units: list[Units] | None = None
    has_recurred: bool = False
    right: list[str] | None = None
    chosen_cycle: Any = None
    usage: bool = False
    has_unreadable_date: bool = False
    gone_from: date | None = None
    ref: Any = None

    @property
    def own_cycle(self) -> Any:
        """Its cycle by a person's decision, else as it was read."""
        return self.cycle if self.chosen_cycle is None else self.chosen_cycle


class Agreement(Struct, array_like=True, eq=False):
    """An agreement.

    `end_date` and `cancelled_date` are last days in force; None = the PSA doesn't say.
    `inactive_from` is the first day out since it is not `active`; None = out of every day.
    `renews` are the ids of what it replaces; one id may stand alone, as in books of edition 6.
    `account` keeps two accounts of one PSA apart, which may give one id twice.
    `type` and `status` are the PSA's own words; `former_type` is what the type was before the day
    `type_changed_on`. `cycle` may be `{"unknown": word}`, which a person may have said the meaning
    of. `set_aside`: it was typed in, and waits for a person to count it beside what a PSA has,
    since `set_aside_psa` was linked on `set_aside_since`, where that is known.
    `counts_from`: before this day another account's agreements stand for its company.
    `right`: of which warnings a person said that it is right as it is. `chosen_cycle`: the cycle
    that a person decided, whatever `cycle` is.
    `is_context`: it only serves as parent or renewal of others and has no rows of its own.
    """

    source: str
    id: str
    company_id: str = ""
    name: str = ""
    currency: str = ""
    start_date: date | None = None
    end_date: date | None = None
    no_end: bool = False
    cancelled: bool | None = None
    cancelled_date: date | None = None
    recurring: bool | None = None
    active: bool | None = None
    cycle: Any = None
    amount: Number = None
    parent_id: str = ""
    renews: list[str] | str = []
    incomplete: bool = False
    exclude: bool = False
    force_include: bool = False
    assume_renewal: bool = False
    account: str = ""
    type: str = ""
    status: str = ""
    former_type: str = ""
    type_changed_on: date | None = None
    set_aside: bool = False
    counts_from: date | None = None
    inactive_from: date | None = None
    right: list[str] | None = None
    chosen_cycle: Any = None
    set_aside_psa: str = ""
    set_aside_since: date | None = None
    lines: list[Line] = []
    has_unreadable_date: bool = False
    is_context: bool = False
    ref: Any = None

    @property
    def own_cycle(self) -> Any:
        """Its cycle by a person's decision, else as it was read."""
        return self.cycle if self.chosen_cycle is None else self.chosen_cycle

    @property
    def replaced_ids(self) -> list[str]:
        """The ids of what it replaces."""
        if isinstance(self.renews, list):
            return self.renews
        return [self.renews] if self.renews else []


class Source(Struct, frozen=True):
    """What a program that agreements come from is called, and how it bills.

    `bills_when_inactive`: it may bill an inactive agreement until its end date all the same.
    `agreement_word` is its word for an agreement, `recurring_type` its name of the one type of
    agreement that recurs ("" = types say nothing about that).
    """

    name: str = "The source"
    bills_when_inactive: bool = False
    agreement_word: str = "agreement"
    recurring_type: str = ""


#: What is taken of a source of which the book says nothing.
UNKNOWN_SOURCE = Source()


class Book(Struct):
    """Agreements in source order, the currency of those that name none, what there is to know of
    their sources, by the key that an agreement has as its `source`, what people said that words of
    a PSA mean, and the edition of the rules to read it by.
    """

    agreements: list[Agreement]
    default_currency: str = "USD"
    sources: Mapping[str, Source] = {}
    words: Words = NO_WORDS
    edition: Edition = TODAY
