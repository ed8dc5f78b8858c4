"""What people may type of an agreement: read, and refused with a sentence at its field."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from typing import Any, Final

from agreements.models import Agreement
from agreements.mrr.currencies import currency_code
from agreements.mrr.cycles import CONTRACT_LENGTH, CYCLE_NAMES, NOT_RECURRING, ONE_TIME
from agreements.mrr.dates import EARLIEST, LATEST
from agreements.mrr.money import minor_digits, money_text
from agreements.mrr.words import CYCLE, read_meaning_of
from audit_site.db.lengths import length_of
from audit_site.errors import FieldErrors

FIELDS: Final = ("name", "amount", "currency", "billing_cycle", "start_date", "end_date", "note")
#: What may be left out.
OPTIONAL: Final = ("end_date", "note")
#: Cycles that an agreement can be typed with: what is billed once brings no MRR.
CYCLES: Final = tuple(name for name in CYCLE_NAMES if name not in {ONE_TIME, NOT_RECURRING})
LONGEST_NAME: Final = length_of(Agreement, "name")
LONGEST_NOTE: Final = 1000
#: As pages show amounts: thousands apart, and a point before the cents.
AS_SHOWN: Final = re.compile(r"[+-]?[0-9]{1,3}(,[0-9]{3})+\.[0-9]{1,30}")
A_NUMBER: Final = re.compile(r"[+-]?[0-9]{1,30}(\.[0-9]{1,30})?")
#: No agreement is worth as much as this, in any currency.
TOO_MUCH: Final = Decimal(10) ** 15


@dataclass(slots=True)
class _Reading:
    """What was read of the fields, and what is wrong with them."""

    given: Mapping[str, Any]
    values: dict[str, Any] = field(default_factory=dict)
    errors: list[dict[str, str]] = field(default_factory=list)

    def refuse(self, name: str, message: str, code: str = "invalid") -> None:
        self.errors.append({"field": name, "code": code, "message": message})

    def text(self, name: str) -> str:
        value = self.given.get(name)
        return "" if value is None else str(value).strip()


def read_typed(given: Mapping[str, Any]) -> dict[str, Any]:
    """The fields as they are kept, or FieldErrors with a sentence for each that can't be."""
    reading = _Reading(given)
    for read in (_name, _currency, _amount, _cycle, _dates, _note):
        read(reading)
    if reading.errors:
        raise FieldErrors(reading.errors)
    return reading.values


def _name(reading: _Reading) -> None:
    name = reading.text("name")
    if not name:
        reading.refuse("name", "An agreement needs a name.", "required")
    elif len(name) > LONGEST_NAME:
        message = f"A name has at most {LONGEST_NAME} characters; this one has {len(name)}."
        reading.refuse("name", message, "max_length")
    reading.values["name"] = name


def _currency(reading: _Reading) -> None:
    text = reading.text("currency")
    code = currency_code(text)
    if not text:
        reading.refuse("currency", "Say in which currency, such as USD.", "required")
    elif not code:
        reading.refuse("currency", f"“{text[:20]}” is no code of ISO 4217, such as USD or EUR.")
    reading.values["currency"] = code


def _amount(reading: _Reading) -> None:
    text, currency = reading.text("amount"), reading.values["currency"]
    if not text:
        reading.refuse("amount", "Say what a billing cycle brings, such as 250.00.", "required")
        return
    if AS_SHOWN.fullmatch(text):
        text = text.replace(",", "")
    if not A_NUMBER.fullmatch(text):
        reading.refuse("amount", "Write a number without separators, such as 1250.00.")
        return
    amount = Decimal(text)
    if not amount:
        reading.refuse("amount", "An agreement that brings nothing needs no entry here.")
    elif abs(amount) >= TOO_MUCH:
        reading.refuse("amount", "That is more than an agreement can be worth.")
    elif currency and amount != round(amount, minor_digits(currency)):
        reading.refuse("amount", _places(currency))
    reading.values["amount"] = amount


def _places(currency: str) -> str:
    digits = minor_digits(currency)
    if not digits:
        return f"{currency} has no decimal places."
    return f"{currency} has {digits} decimal places, no more."


def _cycle(reading: _Reading) -> None:
    text = reading.text("billing_cycle")
    cycle = read_meaning_of(CYCLE, text)
    if not text:
        reading.refuse("billing_cycle", "Say how often it is billed, such as monthly.", "required")
    elif cycle in (ONE_TIME, NOT_RECURRING):
        reading.refuse("billing_cycle", "What is billed once brings no MRR.", "invalid_choice")
    elif cycle not in CYCLES:
        message = f"It is one of {', '.join(CYCLES)}."
        reading.refuse("billing_cycle", message, "invalid_choice")
    reading.values["cycle"] = reading.values["cycle_label"] = cycle


def _dates(reading: _Reading) -> None:
    start: date | None = reading.given.get("start_date") or None
    end: date | None = reading.given.get("end_date") or None
    if start is None:
        reading.refuse("start_date", "Say since when it is in force.", "required")
    for name, day in (("start_date", start), ("end_date", end)):
        if day is not None and not EARLIEST <= day <= LATEST:
            reading.refuse(name, f"Write a date from {EARLIEST.year} to {LATEST.year}.")
    if start and end and end < start:
        reading.refuse("end_date", "It ends before it starts.")
    if end is None and reading.values["cycle"] == CONTRACT_LENGTH:
        message = "What is billed once for the whole term needs the last day of the term."
        reading.refuse("end_date", message, "required")
    reading.values |= {"start_date": start, "end_date": end}


def _note(reading: _Reading) -> None:
    note = reading.text("note")
    if len(note) > LONGEST_NOTE:
        reading.refuse("note", f"A note has at most {LONGEST_NOTE} characters.", "max_length")
    reading.values["note"] = note


def typed_values(agreement: Agreement, note: str) -> dict[str, Any]:
    """The fields of a typed agreement as people typed them, as plain values."""
    start, end = agreement.start_date, agreement.end_date
    return {
        "name": agreement.name,
        "amount": amount_text(agreement),
        "currency": agreement.currency,
        "billing_cycle": agreement.cycle_label,
        "start_date": start.isoformat() if start else None,
        "end_date": end.isoformat() if end else None,
        "note": note,
    }


def amount_text(agreement: Agreement) -> str:
    return money_text(agreement.currency, agreement.amount or Decimal(0))
