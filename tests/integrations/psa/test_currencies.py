from __future__ import annotations

import pytest

from integrations.psa.currencies import read_currency


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("USD", "USD"), (" cad ", "CAD"), ("dem", "DEM"),
        ("US Dollars", "USD"), ("US dollar", "USD"), ("U.S. Dollars", "USD"),
        ("USD - US Dollar", "USD"), ("Canadian Dollar (CAD)", "CAD"), ("GBP - British Pound", "GBP"),
        ("GB Pounds", "GBP"), ("British Pounds Sterling", "GBP"), ("Pounds Sterling", "GBP"),
        ("Euros", "EUR"), ("Euro", "EUR"), ("Danish Kroner", "DKK"), ("Swiss Francs", "CHF"),
        ("EUR/EUR", "EUR"), ("Rands", "ZAR"),
    ],
)  # fmt: skip
def test_a_code_in_the_text_is_the_code_and_a_plural_is_the_word(text: str, code: str) -> None:
    assert read_currency(text) == code


@pytest.mark.parametrize(
    "text",
    ["$", "Dollars", "Dollar", "Pounds", "Gold coins", "ABC", "USD or CAD", "kr", "usd dollar"],
)
def test_what_stays_unknown_is_handed_on_as_it_stands(text: str) -> None:
    assert read_currency(text) == text


@pytest.mark.parametrize("text", [None, "", "  ", "\u200b"])
def test_none_given_is_none(text: str | None) -> None:
    assert read_currency(text) == ""
