"""The table of docs/mrr.md on MRR as it is practised: what each situation came to, and comes to."""

from __future__ import annotations

import re
from copy import deepcopy
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from agreements import mrr
from agreements.mrr.edition import EDITIONS, TODAY, Edition
from agreements.mrr.questions import read_book
from audit_site.pages.written import money_written
from tests.agreements.worked_examples import PRACTISED

DOCS = Path(__file__).parents[3] / "docs" / "mrr.md"
ROW = re.compile(r"^\| (P\d\d) \| [^|]+ \| ([^|]+) \| ([^|]+) \|$", re.MULTILINE)
TABLE = {name: (before, after) for name, before, after in ROW.findall(DOCS.read_text())}
#: It is about a sentence, and no figure.
NO_FIGURE = "P23"
#: Agreements that an adapter of that time handed over as inactive.
THEN_INACTIVE = {"P09": "1", "P19": "1"}


def as_it_was_read(example: Any) -> Any:
    """The book without what a release of that time did not know."""
    book = deepcopy(example["book"])
    for agreement in book["agreements"]:
        agreement.pop("inactive_from", None)
        if agreement["id"] == THEN_INACTIVE.get(example["id"]):
            agreement["active"] = False
        if isinstance(agreement.get("renews"), list):
            agreement["renews"] = agreement["renews"][0]
        for line in agreement.get("lines", ()):
            line.pop("usage", None)
            line.pop("one_time", None)
    return book


def figure(raw: Any, ask: Any, edition: Edition) -> str:
    """What a question comes to, as the table writes it."""
    book = read_book(raw)
    book.edition = edition
    prepared = mrr.prepare(book)
    if ask["what"] == "movement":
        days = (date.fromisoformat(ask[name]) for name in ("from", "to"))
        parts = [
            f"{name} {money_written(part.amount)}"
            for bridge in mrr.movement(prepared, *days)
            for name, part in bridge.parts.items()
            if part.exact and name not in {"opening", "closing"}
        ]
        return ", ".join(parts) or ("no movement" if edition is TODAY else "nothing")
    totals = mrr.mrr(prepared, date.fromisoformat(ask["as_of"]))
    if len(totals) > 1:
        return ", ".join(f"{one.currency} {one.amount}" for one in totals)
    return "".join(money_written(one.amount) for one in totals) or "nothing"


def test_every_situation_stands_in_the_table() -> None:
    assert [example["id"] for example in PRACTISED] == [*TABLE]


@pytest.mark.parametrize(
    "example",
    [example for example in PRACTISED if example["id"] != NO_FIGURE],
    ids=lambda example: example["id"],
)
def test_the_table_says_what_each_came_to_and_comes_to(example: Any) -> None:
    before, after = TABLE[example["id"]]

    then = figure(as_it_was_read(example), example["ask"], EDITIONS[6])
    now = figure(example["book"], example["ask"], TODAY)

    assert re.match(rf"{re.escape(now)}(?![\d.])", after), now
    if before == "the same":
        assert then == now
    else:
        assert re.match(rf"{re.escape(then)}(?![\d.])", before), then
