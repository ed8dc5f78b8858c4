"""From what stands in a PSA's currency field to a code, where its page leaves open what that is."""

from __future__ import annotations

import re
from typing import Final

from agreements.mrr.currencies import CODES, currency_code
from integrations.psa.decoding import clean

#: Names that mean one currency, in the singular. A word such as "dollar" alone does not.
NAMES: Final = {
    "us dollar": "USD", "usa dollar": "USD", "united states dollar": "USD",
    "u s dollar": "USD", "american dollar": "USD", "canadian dollar": "CAD", "canada dollar": "CAD",
    "ca dollar": "CAD", "euro": "EUR", "british pound": "GBP", "pound sterling": "GBP",
    "british pound sterling": "GBP", "gb pound": "GBP", "uk pound": "GBP", "sterling": "GBP",
    "great britain pound": "GBP", "great british pound": "GBP", "australian dollar": "AUD",
    "australia dollar": "AUD", "au dollar": "AUD", "aussie dollar": "AUD",
    "new zealand dollar": "NZD", "nz dollar": "NZD", "south african rand": "ZAR", "rand": "ZAR",
    "swiss franc": "CHF", "danish krone": "DKK", "swedish krona": "SEK", "norwegian krone": "NOK",
    "singapore dollar": "SGD", "hong kong dollar": "HKD", "hk dollar": "HKD",
    "indian rupee": "INR", "japanese yen": "JPY", "yen": "JPY", "mexican peso": "MXN",
    "polish zloty": "PLN", "czech koruna": "CZK", "hungarian forint": "HUF",
    "israeli shekel": "ILS", "israeli new shekel": "ILS", "uae dirham": "AED",
    "saudi riyal": "SAR", "philippine peso": "PHP", "malaysian ringgit": "MYR",
    "thai baht": "THB", "brazilian real": "BRL", "chinese yuan": "CNY", "turkish lira": "TRY",
}  # fmt: skip
#: Plurals that do not end in a mere s.
PLURALS: Final = {"kroner": "krone", "kronor": "krona", "rupees": "rupee", "zlotys": "zloty"}
_CODE: Final = re.compile(r"\b[A-Z]{3}\b")


def read_currency(text: str | None) -> str:
    """The code that a text is, holds or names; else the text as it stands, "" where there is none.

    Nothing is guessed: "$" is a word that somebody has to say the meaning of.
    """
    word = clean(text)
    if code := currency_code(word):
        return code
    held = CODES.intersection(_CODE.findall(word))
    if len(held) == 1:
        return next(iter(held))
    return NAMES.get(_singular(word), word)


def _singular(name: str) -> str:
    words = re.sub(r"[\W_]+", " ", name.casefold()).split()
    return " ".join(PLURALS.get(word, word.removesuffix("s") if _is_plural(word) else word)
                    for word in words)  # fmt: skip


def _is_plural(word: str) -> bool:
    return len(word) > 3 and word.endswith("s") and not word.endswith("ss")
