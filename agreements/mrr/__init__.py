"""MRR, to the cent: pure functions that know no database. The definition is docs/mrr.md."""

from agreements.mrr.averages import WINDOWS, averages
from agreements.mrr.book import Agreement, Book, Line, Number, Source, Units
from agreements.mrr.figures import (
    CompanyMovement,
    Figure,
    Movement,
    movement,
    mrr,
    recognized,
    series,
)
from agreements.mrr.ledger import AgreementSummary, LedgerRow, ledger, summary
from agreements.mrr.money import minor_digits, money_text
from agreements.mrr.prepared import Prepared, next_change
from agreements.mrr.rules import prepare
from agreements.mrr.words import NO_WORDS, WordChoice, Words, word_key

__all__ = [
    "NO_WORDS",
    "WINDOWS",
    "Agreement",
    "AgreementSummary",
    "Book",
    "CompanyMovement",
    "Figure",
    "LedgerRow",
    "Line",
    "Movement",
    "Number",
    "Prepared",
    "Source",
    "Units",
    "WordChoice",
    "Words",
    "averages",
    "ledger",
    "minor_digits",
    "money_text",
    "movement",
    "mrr",
    "next_change",
    "prepare",
    "recognized",
    "series",
    "summary",
    "word_key",
]
