"""What a row of a ledger rests on, as named values that can be compared from book to book."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from fractions import Fraction
from typing import Any, Final, NamedTuple

from msgspec.json import encode

from agreements.mrr.figures import row_id
from agreements.mrr.money import plain_text

#: Fields of an agreement and of a line that can change money, and what they are called.
AGREEMENT_FIELDS: Final = {
    "currency": "currency",
    "start_date": "start date",
    "end_date": "end date",
    "no_end": "open end",
    "cancelled": "cancelled",
    "cancelled_date": "last day",
    "recurring": "recurring",
    "active": "active",
    "inactive_from": "inactive from",
    "cycle": "billing cycle",
    "chosen_cycle": "billing cycle by a decision",
    "amount": "amount",
    "parent_id": "parent",
    "renews": "what it replaces",
    "incomplete": "incomplete",
    "exclude": "left out by a decision",
    "force_include": "counted by a decision",
    "assume_renewal": "assumed renewal",
    "type": "type",
    "status": "status",
}
LINE_FIELDS: Final = {
    "quantity": "quantity",
    "unit_price": "price",
    "less_included": "included units",
    "bill": "billing",
    "start_date": "line start date",
    "end_date": "line end date",
    "cycle": "line billing cycle",
    "chosen_cycle": "line billing cycle by a decision",
    "product": "product",
    "one_time": "one time",
    "has_recurred": "recurred",
    "exclude": "line left out by a decision",
    "units": "units",
    "gone_from": "gone from the PSA",
}
#: What else a row may differ in: by words, by what it inherits, or since other rules hold.
SETTLED_FIELDS: Final = {
    "rules": "rules",
    "settled_currency": "currency by what was said",
    "settled_cycle": "billing cycle by what was said or inherited",
    "in_force_until": "last day in force",
    "reason": "reason",
    "row": "row",
    "company": "audITee",
}
CALLED: Final = {
    **AGREEMENT_FIELDS,
    **{f"line_{name}" if name in AGREEMENT_FIELDS else name: w for name, w in LINE_FIELDS.items()},
    **SETTLED_FIELDS,
}

#: Those of them that are amounts of money.
MONEY_FIELDS: Final = frozenset({"amount", "unit_price"})

#: What a line is given of its agreement, and of its own: there by which name.
OF_AGREEMENT: Final = tuple(name for name in AGREEMENT_FIELDS if name != "amount")
OF_LINE: Final = {
    f"line_{name}" if name in AGREEMENT_FIELDS else name: name for name in LINE_FIELDS
}

#: Account and row id: which row of a company it is.
RowKey = tuple[str, str]


class RowState(NamedTuple):
    """A row as a book has it, with what it brings on a day."""

    item: Any
    row: Any
    exact: Fraction

    @property
    def currency(self) -> str:
        return str(self.item.currency)

    @property
    def agreement_id(self) -> str:
        """Our id of its agreement."""
        return str(self.item.agreement.ref.id)

    @property
    def label(self) -> str:
        """What people call it: its line's description, else its agreement's name."""
        line, agreement = self.row.line, self.item.agreement
        if line is None:
            return str(agreement.name or agreement.id)
        return str(line.ref.description or line.product or line.id)


def row_states(prepared: list[Any], on: date) -> dict[RowKey, RowState]:
    """The rows of a settled book."""
    day, found = on.toordinal(), {}
    for item in prepared:
        for row in item.rows:
            key = row_key(item, row.line)
            found[key] = RowState(item, row, row.mrr(day))
    return found


def row_key(item: Any, line: Any) -> RowKey:
    return item.agreement.account, row_id(item, line.id if line else None)


def inputs_of(agreement: Any, line: Any) -> dict[str, str | None]:
    """What the engine is given for a row, as text."""
    names = AGREEMENT_FIELDS if line is None else (*OF_AGREEMENT, *OF_LINE)
    return {name: input_of(agreement, line, name) for name in names}


def input_of(agreement: Any, line: Any, name: str) -> str | None:
    """One of what the engine is given for a row, as text; None also for what it is not given."""
    if name == "renews":
        return ", ".join(sorted(agreement.replaced_ids)) or None
    if line is not None and name in OF_LINE:
        return as_text(getattr(line, OF_LINE[name], None))
    if name in (AGREEMENT_FIELDS if line is None else OF_AGREEMENT):
        return as_text(getattr(agreement, name, None))
    return None


def settled_of(state: RowState, on: date) -> dict[str, str | None]:
    """What followed for a row from all else that its book was read with."""
    item, row = state.item, state.row
    return {
        "settled_currency": item.currency,
        "settled_cycle": row.cycle.name if row.cycle else None,
        "in_force_until": as_text(item.last_day),
        "reason": row.reason_on(on.toordinal()),
    }


def as_text(value: Any) -> str | None:
    """A value of a field as it is written in an answer; None = there is none."""
    match value:
        case None | "":
            return None
        case bool():
            return "true" if value else "false"
        case str():
            return value
        case date():
            return value.isoformat()
        case Decimal():
            return plain_text(Fraction(value)) if value.is_finite() else "NaN"
    return encode(value).decode()
