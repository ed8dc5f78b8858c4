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
import re
import statistics
import sys
import tomllib
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import grimp
from importlinter.contracts.layers import LayersContract
from importlinter.domain.helpers import module_expressions_to_modules

ROOT = Path(__file__).resolve().parents[1]
BEFORE = ROOT / "tests" / "data" / "house-0.1.json"
DOCUMENT = ROOT / "docs" / "architecture.md"
MARKS = ("<!-- house -->", "<!-- end of house -->")

LONG_FILE, LONG_CLASS = 300, 200
KINDS = (
    {"companies", "contacts", "agreements", "lines"},
    {"company", "contact", "agreement", "line"},
    {"read_companies", "read_contacts", "read_agreements"},
)
#: So many of them in one literal make it a list of the kinds.
ENUMERATED = 3
RULE_CODES = {"own_company", "no_contact", "contact_inactive", "contact_without_method"}
#: A shorter text than this is cut for another reason than its column.
SHORTEST_COLUMN = 40

Function = ast.FunctionDef | ast.AsyncFunctionDef
Place = tuple[str, int]


@dataclass(frozen=True)
class Source:
    """One file of the product; `name` is its path below the root of the checkout."""

    name: str
    text: str

    @cached_property
    def tree(self) -> ast.Module:
        return ast.parse(self.text)

    @property
    def lines(self) -> list[str]:
        return self.text.splitlines()

    @property
    def module(self) -> str:
        return self.name.removesuffix(".py").removesuffix("/__init__").replace("/", ".")

    @property
    def has_code(self) -> bool:
        """Not so the `__init__.py` that makes a folder a package, and at most says what for."""
        return any(not isinstance(node, ast.Expr) for node in self.tree.body)

    @property
    def is_sandbox(self) -> bool:
        return "/sandbox/" in self.name

    @property
    def is_adapter(self) -> bool:
        return "/adapters/" in self.name

    @property
    def is_model(self) -> bool:
        return self.name.endswith("/models.py") or "/models/" in self.name

    def nodes(self, *kinds: type[ast.AST]) -> Iterator[Any]:
        return (node for node in ast.walk(self.tree) if isinstance(node, kinds))

    def matching(self, pattern: str) -> list[Place]:
        """The lines in which a regular expression is found."""
        return [
            (self.name, number)
            for number, line in enumerate(self.lines, 1)
            if re.search(pattern, line)
        ]


@dataclass(frozen=True)
class Checkout:
    """The source of the product below `root`, held against the layers of one pyproject.toml."""

    root: Path
    law: Path

    @cached_property
    def packages(self) -> list[str]:
        options = tomllib.loads((self.root / "pyproject.toml").read_text())
        return list(options["tool"]["importlinter"]["root_packages"])

    @cached_property
    def files(self) -> list[Source]:
        paths = [path for name in self.packages for path in (self.root / name).rglob("*.py")]
        return [
            Source(str(path.relative_to(self.root)), path.read_text())
            for path in sorted(paths)
            if "migrations" not in path.parts
        ]

    @cached_property
    def own(self) -> list[Source]:
        """All but the stand-in PSAs, which are long for the data that they hold."""
        return [source for source in self.files if not source.is_sandbox]

    @cached_property
    def graph(self) -> grimp.ImportGraph:
        """All imports, also those inside functions and for type checking alone."""
        sys.path.insert(0, str(self.root))
        graph = grimp.build_graph(*self.packages, cache_dir=None)
        for module in graph.modules:
            if "migrations" in module.split("."):
                graph.remove_module(module)
        return graph

    @cached_property
    def imports(self) -> list[tuple[str, str]]:
        """Pairs of modules of which the first imports the second."""
        return sorted(
            (importer, imported)
            for importer in self.graph.modules
            for imported in self.graph.find_modules_directly_imported_by(importer)
        )


# --- the law -------------------------------------------------------------------------------


@dataclass(frozen=True)
class Rank:
    """Where a module stands in one contract: the higher the number, the lower the layer."""

    layer: int
    member: str
    is_independent: bool

    def forbids(self, other: Rank) -> bool:
        """Whether a module of this rank may not import one of the other."""
        if self.layer == other.layer:
            return self.is_independent and self.member != other.member
        return self.layer > other.layer


def ladders(checkout: Checkout) -> Iterator[dict[str, Rank]]:
    """For each contract of layers, and each of its containers: module or package → its rank."""
    options = tomllib.loads(checkout.law.read_text())["tool"]["importlinter"]
    for contract in options["contracts"]:
        if contract["type"] != "layers":
            continue
        # exceptions are no part of the law that is measured
        rules = {key: value for key, value in contract.items() if key != "ignore_imports"}
        read: Any = LayersContract("", {}, rules)
        containers = module_expressions_to_modules(checkout.graph, read.containers or [])
        for prefix in [f"{module.name}." for module in containers] or [""]:
            yield {
                prefix + tail.name: Rank(number, tail.name, layer.is_independent)
                for number, layer in enumerate(read.layers)
                for tail in layer.module_tails
            }


def rank_in(ladder: dict[str, Rank], module: str) -> Rank | None:
    """The rank of a module, or of the innermost package around it that has one."""
    parts = module.split(".")
    names = (".".join(parts[:end]) for end in range(len(parts), 0, -1))
    return next((ladder[name] for name in names if name in ladder), None)


def against_the_law(checkout: Checkout) -> list[str]:
    """Imports that run from a lower layer to a higher one, or between two independent ones."""
    found = set()
    for ladder in ladders(checkout):
        ranks = {module: rank_in(ladder, module) for module in checkout.graph.modules}
        for importer, imported in checkout.imports:
            lower, higher = ranks[importer], ranks[imported]
            if lower and higher and lower.forbids(higher):
                found.add(f"{importer} → {imported}")
    return sorted(found)


def without_a_layer(checkout: Checkout) -> list[str]:
    known = list(ladders(checkout))
    return [
        source.module
        for source in checkout.files
        if source.has_code and not any(rank_in(ladder, source.module) for ladder in known)
    ]


def circles(imports: Iterable[tuple[str, str]]) -> list[list[str]]:
    """Groups in which each imports every other, by way of others or not."""
    direct: dict[str, set[str]] = defaultdict(set)
    for importer, imported in imports:
        if importer != imported:
            direct[importer].add(imported)
    reached = {name: _reachable(direct, name) for name in list(direct)}
    groups = {
        frozenset(other for other in reached[name] if name in reached.get(other, ()))
        for name in reached
        if name in reached[name]
    }
    return sorted(sorted(group) for group in groups)


def _reachable(direct: dict[str, set[str]], start: str) -> set[str]:
    found: set[str] = set()
    waiting = [start]
    while waiting:
        new = direct.get(waiting.pop(), set()) - found
        found |= new
        waiting += new
    return found


def room(module: str) -> str:
    """The part of an app that a module belongs to: `integrations.models.links` → `integrations.models`."""
    return ".".join(module.split(".")[:2])


# --- places --------------------------------------------------------------------------------


def asked_links(checkout: Checkout) -> list[Place]:
    """Where the condition of a link in force is spelled out, outside the models."""
    pattern = r"unlinked_at(=None|__isnull|\s+is (not )?None)"
    others = (source for source in checkout.own if not source.is_model)
    return [place for source in others for place in source.matching(pattern)]


def integration_locks(checkout: Checkout) -> list[Place]:
    """`select_for_update` in a function that names the integration's table, or locks it by a join."""
    return [
        (source.name, call.lineno)
        for source in checkout.own
        if not source.name.endswith("/locks.py")
        for function in source.nodes(ast.FunctionDef)
        for call in ast.walk(function)
        if isinstance(call, ast.Call)
        and getattr(call.func, "attr", "") == "select_for_update"
        and re.search(r"\bIntegration\.objects\b|of=\([^)]*integration", ast.unparse(function))
    ]


def lists_of_kinds(checkout: Checkout) -> list[Place]:
    """Literals that enumerate at least three kinds of records: as plurals, singulars or rights."""
    return [
        (source.name, node.lineno)
        for source in checkout.own
        if not source.is_adapter
        for node in _lists_of_kinds_in(source.tree)
    ]


def _lists_of_kinds_in(node: ast.AST) -> Iterator[Any]:
    """The outermost such literals."""
    for child in ast.iter_child_nodes(node):
        words = _words_in(child)
        if any(len(words & kinds) >= ENUMERATED for kinds in KINDS):
            yield child
        else:
            yield from _lists_of_kinds_in(child)


def _words_in(node: ast.AST, depth: int = 3) -> set[str]:
    """The texts in a literal and in the literals that it holds; of a dict only the keys."""
    if isinstance(node, ast.Constant):
        return {str(node.value)}
    parts = node.keys if isinstance(node, ast.Dict) else getattr(node, "elts", [])
    return {word for part in parts if part and depth for word in _words_in(part, depth - 1)}


def rule_codes(checkout: Checkout) -> list[Place]:
    """Where the code of an import rule is written outside the module that holds the rules."""
    return sorted(
        {
            (source.name, node.lineno)
            for source in checkout.own
            if "def broken_rules(" not in source.text
            for node in source.nodes(ast.Constant)
            if node.value in RULE_CODES
        }
    )


def text_lengths(checkout: Checkout) -> list[Place]:
    """Slices at a number that is some column's `max_length`: `name[:255]`."""
    models = "\n".join(source.text for source in checkout.files if source.is_model)
    lengths = {int(found) for found in re.findall(r"max_length=(\d+)", models)}
    return [
        (source.name, node.lineno)
        for source in checkout.own
        for node in source.nodes(ast.Slice)
        if node.lower is None
        and isinstance(node.upper, ast.Constant)
        and node.upper.value in lengths
        and node.upper.value >= SHORTEST_COLUMN
    ]


def places(checkout: Checkout, pattern: str) -> list[Place]:
    return [place for source in checkout.own for place in source.matching(pattern)]


# --- the table -----------------------------------------------------------------------------


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
