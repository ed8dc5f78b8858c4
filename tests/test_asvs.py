"""docs/asvs.md names each requirement of OWASP's ASVS 5.0.0 once, and only tests that there are."""

from __future__ import annotations

import json
import re
from collections import Counter
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
DOCUMENT = (ROOT / "docs" / "asvs.md").read_text()
NUMBERS = ROOT / "tests" / "data" / "asvs-5.0.0-numbers.json"
NUMBER = re.compile(r"v5\.0\.0-(\d+\.\d+\.\d+)")
TEST = re.compile(r"`(tests/[\w/]+\.py)::(test_\w+)`")
ROW = re.compile(r"^\| v5\.0\.0-(\S+) \| (\d) \| (.*) \| (.*) \| (.*) \|$", re.MULTILINE)


@cache
def names_in(path: str) -> set[str]:
    file = ROOT / path
    return set(re.findall(r"^def (test_\w+)\(", file.read_text(), re.M)) if file.exists() else set()


def test_every_requirement_stands_there_once() -> None:
    asked = json.loads(NUMBERS.read_text())
    found = Counter(NUMBER.findall(DOCUMENT))

    assert [number for number, times in found.items() if times > 1] == []
    assert set(found) == {*asked["1"], *asked["2"]}
    assert {number for number, level, *_ in ROW.findall(DOCUMENT) if level == "1"} <= {*asked["1"]}


def test_every_test_that_is_named_is_there() -> None:
    named = TEST.findall(DOCUMENT)

    assert len(named) > 150
    assert [f"{path}::{name}" for path, name in named if name not in names_in(path)] == []


def test_what_is_not_met_is_counted_at_the_top() -> None:
    ways = [how.lower() for _, _, _, how, _ in ROW.findall(DOCUMENT)]
    not_met = sum(how.startswith("**not met") for how in ways)
    partly = sum("**partly" in how and not how.startswith("**not met") for how in ways)
    asked = json.loads(NUMBERS.read_text())
    total = len(asked["1"]) + len(asked["2"])

    assert (
        " ".join(DOCUMENT.split()).count(
            f"Of {total} requirements {total - len(ways)} ask about things that this product does not "
            f"do. Of the other {len(ways)}, {len(ways) - not_met - partly} are met, {partly} partly, "
            f"and {not_met} not."
        )
        == 1
    )
