"""The kinds of words of which a person may say what they mean, and what they may mean."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from agreements.mrr.currencies import CODES, CODES_OF_TODAY
from agreements.mrr.words import (
    AGREEMENT_TYPE,
    CURRENCY,
    CYCLE,
    MEANINGS,
    PRODUCT,
    STATUS,
    meaning_text,
    read_meaning_of,
)
from companies.models import Company
from integrations.importing.said_words import COMPANY_TYPE


@dataclass(frozen=True, slots=True)
class WordKind:
    """A kind of words.

    `title` heads it, `called` is it in a sentence with its article. `choices` are the meanings to
    choose from, each with its label; a cycle may be a structure as well, a currency any code of ISO
    4217. `effect` says what follows from a meaning.
    """

    name: str
    title: str
    called: str
    choices: tuple[tuple[str, str], ...]
    effect: str

    def read(self, said: Any) -> Any:
        """A meaning in the one way that it is kept; None = no word of this kind means that."""
        if self.name == COMPANY_TYPE:
            return said if said in Company.Type.values else None
        return read_meaning_of(self.name, said)

    def label(self, meaning: Any) -> str:
        """A meaning as pages show it."""
        known = dict(self.choices).get(meaning) if isinstance(meaning, str) else None
        return known or meaning_text(meaning).capitalize()

    @property
    def allowed(self) -> str:
        """What a word may mean, for the sentence of an error."""
        if self.name == CURRENCY:
            return "a currency code of ISO 4217, such as EUR"
        names = ", ".join(value for value, _ in self.choices)
        return f'{names}, or {{"every": 2, "unit": "month"}}' if self.name == CYCLE else names


def _cycle_label(name: str) -> str:
    left_out = {"one_time": "One time (left out)", "not_recurring": "Not recurring (left out)"}
    special = {
        "bimonthly": "Every two months",
        "semimonthly": "Twice a month",
        "biweekly": "Every two weeks",
        "fourweekly": "Every four weeks",
        "semiannual": "Every half year",
        "annual": "Yearly",
        "biennial": "Every two years",
        "triennial": "Every three years",
        "contract_length": "Once for the whole term",
    }
    return left_out.get(name) or special.get(name) or name.capitalize()


KINDS: Final[dict[str, WordKind]] = {
    kind.name: kind
    for kind in (
        WordKind(
            CYCLE,
            "Billing cycles",
            "a billing cycle",
            tuple((name, _cycle_label(name)) for name in MEANINGS[CYCLE]),
            "Agreements and lines that are billed so count by it.",
        ),
        WordKind(
            CURRENCY,
            "Currencies",
            "a currency",
            tuple((code, code) for code in CODES_OF_TODAY),
            "Agreements in it count in the currency that you choose.",
        ),
        WordKind(
            STATUS,
            "Statuses",
            "a status",
            (("active", "Active"), ("not_active", "Not active")),
            "Companies and agreements that have it are taken as active, or not.",
        ),
        WordKind(
            AGREEMENT_TYPE,
            "Types of agreements",
            "a type of agreement",
            (("count", "They count"), ("leave_out", "They are left out")),
            "Agreements of this type count in MRR, or are left out.",
        ),
        WordKind(
            PRODUCT,
            "Products",
            "a product",
            (
                ("recurring", "It recurs"),
                ("usage", "Billed by use (left out)"),
                ("one_time", "Billed once (left out)"),
            ),
            "Lines of this product count, or are left out.",
        ),
        WordKind(
            COMPANY_TYPE,
            "Types of companies",
            "a type of company",
            tuple(Company.Type.choices),
            "What an import makes of a company of this type. It never changes MRR.",
        ),
    )
}
#: Their names, as REST says them.
KIND_NAMES: Final = tuple(KINDS)


def is_understood(kind: str, word: str) -> bool:
    """Whether a word says itself what it means, so that nothing would come of saying it."""
    return kind == CURRENCY and word.strip().upper() in CODES
