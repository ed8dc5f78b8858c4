"""What the docs name exists."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
DOCUMENTS = [ROOT / "README.md", ROOT / "SECURITY.md", *sorted((ROOT / "docs").glob("*.md"))]
#: What a run or a check leaves behind is in no clone.
TOP = {path.name for path in ROOT.iterdir()} - {"var"}
LINK = re.compile(r"\]\(([^)\s]+)\)")
#: In backticks or in a drawn tree: `agreements/mrr/book.py`, `docker-compose.yml`.
PATH = re.compile(r"(?<![\w./{:*-])([\w-]+(?:\.[\w-]+)*(?:/[\w.-]*)*)")
TREE = re.compile(r"^```\n(\w+/.*?)^```", re.DOTALL | re.MULTILINE)
#: Between a name in a tree and what it is.
COLUMN = re.compile(r"\s{2,}")
FILE = re.compile(r"/$|\.\w+$")
CODE = re.compile(r"```.*?```|`[^`\n]+`", re.DOTALL)


def links(document: Path) -> Iterator[Path]:
    """Where links to files of the repository lead."""
    for target in LINK.findall(document.read_text()):
        if not re.match(r"https?:|mailto:|#", target):
            yield document.parent / target.partition("#")[0]


def named_paths(document: Path) -> Iterator[str]:
    """What is written as code and begins with the name of a file or folder at the top."""
    for code in CODE.findall(document.read_text()):
        for found in PATH.findall(code):
            head, slash, _ = found.partition("/")
            if head in TOP and (slash or "." in head):
                yield found


def drawn_paths(document: Path) -> Iterator[str]:
    """Files and folders of a drawn tree, one line a folder, each below the line indented less."""
    for tree in TREE.findall(document.read_text()):
        above: list[tuple[int, str]] = []
        for line in filter(str.strip, tree.splitlines()):
            indent = len(line) - len(line.lstrip())
            above = [(other, folder) for other, folder in above if other < indent]
            parent = above[-1][1] if above else ""
            names = [name for name in COLUMN.split(line.strip())[0].split() if FILE.search(name)]
            yield from (parent + name for name in names)
            if names and names[0].endswith("/"):
                above.append((indent, parent + names[0]))


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_a_link_leads_somewhere(document: Path) -> None:
    assert [str(path) for path in links(document) if not path.exists()] == []


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_a_path_that_is_named_exists(document: Path) -> None:
    named = {*named_paths(document), *drawn_paths(document)}

    assert sorted(path for path in named if not any(ROOT.glob(path))) == []


def test_paths_and_links_are_found_at_all() -> None:
    found = {document.name: set(named_paths(document)) for document in DOCUMENTS}

    assert "integrations/psa/contract.py" in found["psas.md"]
    assert "agreements/mrr/" in found["mrr.md"]
    assert "integrations/psa/" in set(drawn_paths(ROOT / "docs" / "architecture.md"))
    assert ROOT / "docs" / "mrr.md" in set(links(ROOT / "README.md"))
