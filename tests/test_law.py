"""The law of imports (pyproject.toml) holds, and it fails on each kind of import that it forbids."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.house.checkout import Checkout
from tests.house.law import without_a_layer

pytestmark = pytest.mark.once

ROOT = Path(__file__).resolve().parents[1]
LINT_IMPORTS = Path(sys.executable).with_name("lint-imports")


@pytest.fixture(scope="module")
def law() -> dict[str, Any]:
    options = tomllib.loads((ROOT / "pyproject.toml").read_text())
    return dict(options["tool"]["importlinter"])


@pytest.fixture(scope="module")
def copy(law: dict[str, Any], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The product's source and its law in a folder of its own."""
    folder = tmp_path_factory.mktemp("law")
    shutil.copy(ROOT / "pyproject.toml", folder)
    for package in law["root_packages"]:
        shutil.copytree(ROOT / package, folder / package, ignore=_but_python)
    return folder


def _but_python(folder: str, names: list[str]) -> list[str]:
    leave = [name for name in names if not name.endswith(".py")]
    return [name for name in leave if name == "__pycache__" or not Path(folder, name).is_dir()]


@pytest.fixture
def planted(request: pytest.FixtureRequest, copy: Path) -> Iterator[Path]:
    """The copy, with a statement at the end of one of its modules while the test runs."""
    path, statement = request.param
    module = copy / path
    before = module.read_text() if module.exists() else None
    module.write_text(f"{before or ''}\n{statement}\n")
    yield copy
    if before is None:
        module.unlink()
    else:
        module.write_text(before)


def broken_contracts(folder: Path, law: dict[str, Any]) -> set[str]:
    """The ids of the contracts that `lint-imports` finds broken in a folder."""
    command = [str(LINT_IMPORTS), "--no-logo", "--cache-dir", str(folder / "cache")]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    said = {
        contract["id"]: re.search(rf"{re.escape(contract['name'])} (KEPT|BROKEN)", done.stdout)
        for contract in law["contracts"]
    }
    assert all(said.values()), done.stdout + done.stderr
    broken = {name for name, found in said.items() if found and found[1] == "BROKEN"}
    assert done.returncode == (1 if broken else 0)
    return broken


def test_the_law_holds(copy: Path, law: dict[str, Any]) -> None:
    assert broken_contracts(copy, law) == set()


@pytest.mark.parametrize(
    ("planted", "broken"),
    [
        # the domain and its doors
        (("companies/services.py", "import companies.api.views"), {"house", "rooms-of-rest"}),
        (("agreements/models/contracts.py", "import agreements.tasks"), {"house"}),
        (("integrations/crypto.py", "import integrations.tasks"), {"house"}),
        # one domain and another
        (("companies/models.py", "import agreements.models"), {"house"}),
        (("companies/services.py", "import integrations.models"), {"house"}),
        (("agreements/books/rows.py", "import integrations.sync.engine"), {"house"}),
        (("integrations/models/links.py", "import agreements.models"), {"house"}),
        # one door and another
        (("companies/web/views.py", "import agreements.web.views"), {"house"}),
        (("companies/api/views/companies.py", "import companies.web.views"), {"house"}),
        (("integrations/tasks.py", "import agreements.tasks"), {"house"}),
        # an import is one wherever it stands
        (("companies/models.py", "def late():\n    import agreements.models"), {"house"}),
        (
            (
                "companies/models.py",
                "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    import agreements.models",
            ),
            {"house"},
        ),
        # floor and roof
        (("audit_site/queue.py", "import companies.models"), {"house"}),
        (("audit_site/tenants/members.py", "import companies.services"), {"house"}),
        (("audit_site/db/bulk.py", "import audit_site.tenants.models"), {"house"}),
        (("audit_site/tenants/members.py", "import audit_site.pages.views"), {"house"}),
        (("integrations/tasks.py", "import audit_site.urls"), {"house"}),
        # what knows no framework
        (
            ("integrations/adapters/connectwise/api.py", "import integrations.adapters.autotask"),
            {"adapters"},
        ),
        (("integrations/adapters/__init__.py", "import django.db"), {"framework-free"}),
        (
            ("integrations/adapters/__init__.py", "import integrations.models"),
            {"framework-free", "house"},
        ),
        (("integrations/psa/contract.py", "import audit_site.tenants.models"), {"framework-free"}),
        (("integrations/psa/contract.py", "import celery"), {"framework-free"}),
        (("agreements/mrr/money.py", "import django.db"), {"pure-mrr", "framework-free"}),
        (("agreements/mrr/money.py", "import audit_site.errors"), {"pure-mrr"}),
        # the stand-in PSAs
        (
            ("integrations/sandbox/faults.py", "import integrations.psa.contract"),
            {"sandbox", "house"},
        ),
        (("integrations/sandbox/faults.py", "import django.db"), {"sandbox"}),
    ],
    indirect=["planted"],
    ids=lambda value: ": ".join(value).replace("\n", " ") if isinstance(value, tuple) else "",
)
def test_a_forbidden_import_breaks_the_law(
    planted: Path, broken: set[str], law: dict[str, Any]
) -> None:
    assert broken_contracts(planted, law) == broken


@pytest.mark.parametrize(
    "planted",
    [(f"{app}/attic.py", "") for app in ("audit_site", "companies", "agreements", "integrations")],
    indirect=True,
    ids=lambda value: value[0],
)
def test_a_module_that_has_no_place_breaks_the_law(
    planted: Path, law: dict[str, Any], request: pytest.FixtureRequest
) -> None:
    app = request.node.callspec.params["planted"][0].partition("/")[0]
    complete = {
        contract["id"]
        for contract in law["contracts"]
        if contract.get("exhaustive") and app in contract["containers"]
    }

    assert complete
    assert broken_contracts(planted, law) == complete


def test_every_module_stands_in_a_layer() -> None:
    assert without_a_layer(Checkout(ROOT, ROOT / "pyproject.toml")) == []


def test_the_law_knows_no_exceptions(law: dict[str, Any]) -> None:
    assert "exclude_type_checking_imports" not in law
    for contract in law["contracts"]:
        assert "ignore_imports" not in contract, contract["name"]
        assert "exhaustive_ignores" not in contract, contract["name"]
