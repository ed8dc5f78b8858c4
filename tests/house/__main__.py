"""Measure how the product is built: `make house`, or ARGS=write to put the table into the docs.

Everything is read from the source of one checkout; nothing of it runs. Migrations and tests are not
measured. A function counts from `def` to its last line, with its docstring and without its decorators.

tests/data/house-0.1.json holds the figures of release 0.1, before the redesign. This script measured
them as well: `python -m tests.house --root CHECKOUT --law LAW --json`. `LAW` was the first version of
today's law, written over the modules of that release; the law that the release had proved much less.
"""

from __future__ import annotations

import argparse
import ast
import json
import math
import statistics
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from tests.house.checkout import Checkout, Place, Source
from tests.house.law import against_the_law, circles, room, without_a_layer
from tests.house.places import (
    asked_links,
    integration_locks,
    lists_of_kinds,
    places,
    rule_codes,
    text_lengths,
)

ROOT = Path(__file__).resolve().parents[2]
BEFORE = ROOT / "tests" / "data" / "house-0.1.json"
DOCUMENT = ROOT / "docs" / "architecture.md"
MARKS = ("<!-- house -->", "<!-- end of house -->")

LONG_FILE, LONG_CLASS = 300, 200


def length(node: Any) -> int:
    """Lines from `def` or `class` to the last one, with docstring and without decorators."""
    return int(node.end_lineno - node.lineno + 1)


def percentile(values: list[int], share: float) -> int:
    """The smallest value that at least this share of all values does not exceed."""
    return sorted(values)[math.ceil(len(values) * share) - 1]


def spread(values: list[int]) -> str:
    return f"{statistics.median(values):g} / {percentile(values, 0.9)} / {max(values)}"


def largest(sources: Iterable[Source]) -> str:
    source = max(sources, key=lambda source: len(source.lines))
    return f"{len(source.lines)} (`{source.name}`)"


def long_files(checkout: Checkout) -> list[str]:
    sizes = sorted(((len(source.lines), source.name) for source in checkout.own), reverse=True)
    return [f"`{name}` {size}" for size, name in sizes if size > LONG_FILE]


def long_classes(checkout: Checkout) -> list[str]:
    return [
        f"`{node.name}` {length(node)}"
        for source in checkout.own
        for node in source.nodes(ast.ClassDef)
        if length(node) > LONG_CLASS
    ]


def counted(found: list[Any]) -> str:
    return str(len(found))


def named(found: list[str]) -> str:
    """How many, and which."""
    return f"{len(found)}: {', '.join(found)}" if found else "0"


def measure(checkout: Checkout) -> dict[str, str]:
    """Row of the table → figure, in the table's order."""
    return {**measure_law(checkout), **measure_sizes(checkout), **measure_places(checkout)}


def measure_law(checkout: Checkout) -> dict[str, str]:
    modules = sum(source.has_code for source in checkout.files)
    in_a_layer = modules - len(without_a_layer(checkout))
    between_rooms = [(room(importer), room(imported)) for importer, imported in checkout.imports]
    return {
        "Imports between modules": counted(checkout.imports),
        "… against the law": counted(against_the_law(checkout)),
        "Modules in a layer of the law, of all with code": f"{in_a_layer} of {modules}",
        "Circles among modules": named([", ".join(names) for names in circles(checkout.imports)]),
        "Parts of apps (`app.part`) in a circle": str(sum(map(len, circles(between_rooms)))),
    }


def measure_sizes(checkout: Checkout) -> dict[str, str]:
    functions = [
        node
        for source in checkout.files
        for node in source.nodes(ast.FunctionDef, ast.AsyncFunctionDef)
    ]
    sizes = [len(source.lines) for source in checkout.files]
    neither = (source for source in checkout.own if not source.is_adapter)
    return {
        "Files": counted(sizes),
        "Lines of a file: median / 90 % / longest": spread(sizes),
        "Longest file outside adapters and sandbox": largest(neither),
        "Longest file of an adapter": largest(
            source for source in checkout.own if source.is_adapter
        ),
        f"Files over {LONG_FILE} lines, without the sandbox": counted(long_files(checkout)),
        "Functions": counted(functions),
        "Lines of a function: median / 90 % / longest": spread([length(f) for f in functions]),
        f"Classes over {LONG_CLASS} lines, without the sandbox": named(long_classes(checkout)),
    }


def measure_places(checkout: Checkout) -> dict[str, str]:
    found: dict[str, list[Place]] = {
        "say when a link is in force, outside the models": asked_links(checkout),
        "lock an integration, outside `locks.py`": integration_locks(checkout),
        "list the kinds of records": lists_of_kinds(checkout),
        "name the code of an import rule, outside the rules": rule_codes(checkout),
        "cut a text to the length of a column": text_lengths(checkout),
        "ignore an unknown attribute (`attr-defined`)": places(
            checkout, r"ignore\[[^]]*attr-defined"
        ),
        "read or write `__dict__`": places(checkout, r"\b__dict__\b"),
    }
    return {f"Places that {what}": counted(where) for what, where in found.items()}


def table(before: dict[str, str], now: dict[str, str]) -> str:
    rows = [f"| {row} | {before.get(row, '')} | {figure} |" for row, figure in now.items()]
    return "\n".join(["| | release 0.1 | now |", "|---|---|---|", *rows])


def details(checkout: Checkout) -> Iterator[str]:
    """What stands in the way of better figures: for the terminal, not for the docs."""
    yield from ("", "Against the law:", *(against_the_law(checkout) or ["nothing"]))
    yield from ("", "In no layer:", *(without_a_layer(checkout) or ["nothing"]))
    yield from ("", f"Files over {LONG_FILE} lines:", *(long_files(checkout) or ["none"]))
    for what, find in {
        "Link in force": asked_links,
        "Lock of an integration": integration_locks,
        "Kinds of records": lists_of_kinds,
        "Code of an import rule": rule_codes,
        "Length of a text": text_lengths,
    }.items():
        yield from ("", f"{what}:", *(f"{name}:{line}" for name, line in find(checkout)))


def write(text: str) -> None:
    begin, end = MARKS
    document = DOCUMENT.read_text()
    if begin not in document or end not in document:
        sys.exit(f"{DOCUMENT.name} has no {begin} and {end} to write between.")
    before, _, rest = document.partition(begin)
    DOCUMENT.write_text(f"{before}{begin}\n{text}\n{end}{rest.partition(end)[2]}")


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="make house", description="Measure how the code is built."
    )
    parser.add_argument("action", nargs="?", choices=["write", "details"])
    parser.add_argument("--root", type=Path, default=ROOT, help="another checkout")
    parser.add_argument("--law", type=Path, help="the pyproject.toml whose layers count (its own)")
    parser.add_argument("--json", action="store_true", help="the figures alone")
    options = parser.parse_args()
    root = options.root.resolve()
    checkout = Checkout(root, options.law or root / "pyproject.toml")
    now = measure(checkout)
    if options.json:
        print(json.dumps(now, indent=2, ensure_ascii=False))
        return
    text = table(json.loads(BEFORE.read_text())["figures"], now)
    print(text)
    if options.action == "write":
        write(text)
    if options.action == "details":
        print("\n".join(details(checkout)))


if __name__ == "__main__":
    main()
