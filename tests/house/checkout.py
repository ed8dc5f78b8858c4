"""The source of the product in one checkout, and its imports."""

from __future__ import annotations

import ast
import re
import sys
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import grimp

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
