"""What an agreement says, with the words of its PSA read as a person said that they are meant."""

from __future__ import annotations

from typing import Any

from msgspec import Struct

from agreements.mrr.book import Agreement
from agreements.mrr.currencies import currency_code
from agreements.mrr.words import (
    AGREEMENT_TYPE,
    CURRENCY,
    CYCLE,
    STATUS,
    WordChoice,
    Words,
    choice_of,
    unknown_word,
)


class Meaning(Struct):
    """Facts of an agreement that rest on words.

    `currency` is a code, or the PSA's word where that is none. `recurring`, `active` and `exclude`
    are the agreement's own unless a word decided; `decided` names the words that did.
    """

    cycle: Any
    currency: str
    has_known_currency: bool
    recurring: bool | None
    active: bool | None
    exclude: bool
    decided: list[WordChoice]


def read_meaning(agreement: Agreement, cycle: Any, default_currency: str, words: Words) -> Meaning:
    """Read the words of an agreement with this cycle, its own or its parent's."""
    text = agreement.currency.strip() or default_currency
    code = currency_code(text)
    found = Meaning(
        cycle=cycle,
        currency=code or text,
        has_known_currency=bool(code),
        recurring=agreement.recurring,
        active=agreement.active,
        exclude=agreement.exclude,
        decided=[],
    )
    if words:
        _apply_words(found, agreement, words)
    return found


def _apply_words(found: Meaning, agreement: Agreement, words: Words) -> None:
    """What a person decided about the one agreement goes before what was said of its words."""

    def said(kind: str, word: str) -> WordChoice | None:
        return choice_of(words, agreement.account, kind, word)

    if choice := said(CYCLE, unknown_word(found.cycle)):
        found.cycle = choice.meaning
        found.decided.append(choice)
    if not found.has_known_currency and (choice := said(CURRENCY, found.currency)):
        found.currency, found.has_known_currency = str(choice.meaning), True
        found.decided.append(choice)
    if agreement.active is not None and (choice := said(STATUS, agreement.status)):
        found.active = choice.meaning == "active"
        found.decided.append(choice)
    if not agreement.force_include and (choice := said(AGREEMENT_TYPE, agreement.type)):
        found.exclude = agreement.exclude or choice.meaning == "leave_out"
        found.recurring = None if choice.meaning == "count" else agreement.recurring
        found.decided.append(choice)
