"""No PSA is named outside its adapter, its sandbox, its logo, the tests and the docs."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from integrations.psa import registry

ROOT = Path(__file__).resolve().parents[1]
PRODUCT = ("audit_site", "companies", "agreements", "integrations", "templates", "static")
#: Where a PSA's words belong, and what other people wrote.
THEIRS = ("integrations/adapters", "integrations/sandbox", "static/vendor")
WRITTEN = {".py", ".html", ".txt", ".js", ".css"}


def words_of(key: str, name: str) -> set[str]:
    """`kaseya_bms`, Kaseya BMS → kaseya, bms."""
    return set(re.findall(r"[a-z]+", f"{key} {name}".lower())) - {"psa", "manage"}


def product_files() -> Iterator[Path]:
    for name in PRODUCT:
        for path in (ROOT / name).rglob("*"):
            inside = path.relative_to(ROOT).as_posix()
            if path.suffix in WRITTEN and not inside.startswith(THEIRS):
                yield path


def lines_with(word: str) -> list[str]:
    """`file:line` of every place in the product with a word; a short one must stand alone."""
    pattern = word if len(word) > 3 else rf"(?<![a-z]){word}(?![a-z])"
    found = re.compile(pattern, re.IGNORECASE)
    return [
        f"{path.relative_to(ROOT)}:{number}"
        for path in product_files()
        for number, line in enumerate(path.read_text().splitlines(), start=1)
        if found.search(line)
    ]


VENDORS = sorted(
    word
    for key, adapter in registry.adapters().items()
    for word in words_of(key, adapter.info.name)
)


def test_the_words_are_those_of_the_three_psas() -> None:
    assert VENDORS == ["autotask", "bms", "connectwise", "kaseya"]


@pytest.mark.parametrize("word", VENDORS)
def test_the_product_names_no_psa(word: str) -> None:
    assert lines_with(word) == []


def test_the_search_finds_a_word_where_it_is_there() -> None:
    assert {place.partition(":")[0] for place in lines_with("your own ORGANISATION")} == {
        "integrations/importing/rules.py"
    }
