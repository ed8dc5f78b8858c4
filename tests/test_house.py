"""What `make house` counts, on a small product made for it."""

from __future__ import annotations

from pathlib import Path
from textwrap import dedent

import pytest

from tests.house.checkout import Checkout
from tests.house.law import against_the_law, circles, without_a_layer
from tests.house.places import asked_links, integration_locks, lists_of_kinds, text_lengths

LAW = """
[tool.importlinter]
root_packages = ["cellar_of_tests"]

[[tool.importlinter.contracts]]
id = "house"
name = "The house"
type = "layers"
layers = ["cellar_of_tests.roof", "cellar_of_tests.left | cellar_of_tests.right"]
ignore_imports = ["cellar_of_tests.left -> cellar_of_tests.roof"]
"""
FILES = {
    "__init__.py": "",
    "roof.py": "import cellar_of_tests.left",
    "left.py": "def late():\n    import cellar_of_tests.roof",
    "right.py": "import cellar_of_tests.left",
    "attic.py": "THINGS = 1",
    "migrations/0001_initial.py": "import cellar_of_tests.roof",
}


def make_checkout(root: Path, files: dict[str, str]) -> Checkout:
    (root / "pyproject.toml").write_text(LAW)
    for name, text in files.items():
        path = root / "cellar_of_tests" / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)
    return Checkout(root, root / "pyproject.toml")


@pytest.fixture
def checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Checkout:
    monkeypatch.syspath_prepend(tmp_path)
    return make_checkout(tmp_path, FILES)


def test_imports_upwards_and_between_neighbours_are_against_the_law(checkout: Checkout) -> None:
    assert against_the_law(checkout) == [
        "cellar_of_tests.left → cellar_of_tests.roof",
        "cellar_of_tests.right → cellar_of_tests.left",
    ]


def test_a_module_without_a_layer_is_named_unless_it_is_empty(checkout: Checkout) -> None:
    assert without_a_layer(checkout) == ["cellar_of_tests.attic"]


def test_migrations_are_not_measured(checkout: Checkout) -> None:
    assert len(checkout.files) == 5
    assert len(checkout.imports) == 3


def test_a_circle_is_each_group_that_imports_itself() -> None:
    arrows = [("a", "b"), ("b", "c"), ("c", "a"), ("c", "d"), ("e", "f"), ("f", "e"), ("g", "g")]

    assert circles(arrows) == [["a", "b", "c"], ["e", "f"]]


@pytest.mark.parametrize(
    ("text", "lines"),
    [
        ('KINDS = ("companies", "contacts", "agreements")', [1]),
        ('\nTITLES = {"company": 1, "contact": 2, "line": 3}', [2]),
        ('GROUPS = [("A", ("companies", "company")), ("B", ("contacts", "lines"))]', [1]),
        ('RIGHTS = ["read_companies", "read_contacts", "read_agreements"]', [1]),
        ('context = {"kinds": ("company", "contact", "line")}', [1]),
        ('PAIR = ("companies", "contacts")', []),
        ('MIXED = ("companies", "contact", "line")', []),
        ('row = {"name": "companies", "of": "contacts", "at": "lines"}', []),
    ],
)
def test_a_list_of_kinds(tmp_path: Path, text: str, lines: list[int]) -> None:
    checkout = make_checkout(tmp_path, {"views.py": text})

    assert lists_of_kinds(checkout) == [("cellar_of_tests/views.py", line) for line in lines]


def test_places_are_counted_by_what_they_say(tmp_path: Path) -> None:
    services = """
        def lock():
            links.filter(unlinked_at=None)
            Integration.objects.select_for_update().get()
            return name[:255], name[:12], rows[:100]

        def other():
            return Company.objects.select_for_update()
    """
    models = "name = CharField(max_length=255)\nQ(unlinked_at=None)"
    checkout = make_checkout(
        tmp_path, {"models.py": models, "services.py": dedent(services).lstrip()}
    )

    assert asked_links(checkout) == [("cellar_of_tests/services.py", 2)]
    assert integration_locks(checkout) == [("cellar_of_tests/services.py", 3)]
    assert text_lengths(checkout) == [("cellar_of_tests/services.py", 4)]
