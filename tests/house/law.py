"""Imports held against the layers of pyproject.toml."""

from __future__ import annotations

import tomllib
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from importlinter.contracts.layers import LayersContract
from importlinter.domain.helpers import module_expressions_to_modules

from tests.house.checkout import Checkout


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
        if contract["type"] != "layers" or len(contract["layers"]) == 1:
            continue  # one layer alone lists modules and orders nothing
        # exceptions are no part of the law that is measured
        left_out = {"ignore_imports", "exhaustive"}
        rules = {key: value for key, value in contract.items() if key not in left_out}
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
