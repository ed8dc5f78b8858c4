"""Under which licences the product's parts may be used, and which of them we accept."""

from __future__ import annotations

from collections.abc import Iterable
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING

from license_expression import AND, OR, ExpressionError, get_spdx_licensing

if TYPE_CHECKING:
    from tests.supply_chain.inventory import Part

ROOT = Path(__file__).resolve().parents[2]
DOCUMENT = ROOT / "docs" / "licences.md"
SPDX = get_spdx_licensing()

#: Accepted, and what using such a part asks of us.
ACCEPTED = {
    "0BSD": "nothing",
    "Apache-2.0": "its text and notices go with copies",
    "BSD-2-Clause": "its text goes with copies",
    "BSD-3-Clause": "its text goes with copies",
    "Bitstream-Vera": "its text goes with copies; changed fonts get another name",
    "MIT": "its text goes with copies",
    "MIT-0": "nothing",
    "MIT-CMU": "its text goes with copies",
    "PSF-2.0": "its text goes with copies",
    # These two let a product keep its own licence, as long as the part itself stays as it was.
    "LGPL-3.0-or-later": "its text goes with copies; used unchanged, and replaceable",
    "MPL-2.0": "its text goes with copies; used unchanged",
}

#: What the licence files of these packages say, where their metadata names no licence exactly.
READ_IN_FILE = {
    "amqp": "BSD-3-Clause",
    "async-timeout": "Apache-2.0",
    "billiard": "BSD-3-Clause",
    "click-plugins": "BSD-3-Clause",
    "django-csp": "BSD-3-Clause",
    "drf-spectacular-sidecar": "BSD-3-Clause",
    "fido2": "BSD-2-Clause AND Apache-2.0 AND MPL-2.0",
    "prompt-toolkit": "BSD-3-Clause",
    "psycopg2-binary": "LGPL-3.0-or-later",
    "pytest-django": "BSD-3-Clause",
    "python-dateutil": "Apache-2.0 OR BSD-3-Clause",
    "qrcode": "BSD-3-Clause AND MIT",
    "reportlab": "BSD-3-Clause",
    "sqlparse": "BSD-3-Clause",
    "uritemplate": "BSD-3-Clause OR Apache-2.0",
    "vine": "BSD-3-Clause",
    "wcwidth": "MIT",
}


def of_package(name: str) -> str:
    """The SPDX expression of an installed package; what it says itself where that is none."""
    return said_by_metadata(name) or READ_IN_FILE.get(name) or _said(name)


def said_by_metadata(name: str) -> str:
    """What the package says of itself, where that is an SPDX expression; "" = it is not."""
    return _said(name) if is_expression(_said(name)) else ""


def _said(name: str) -> str:
    said = metadata.metadata(name)
    return said.get("License-Expression") or said.get("License") or ""


def is_expression(text: str) -> bool:
    try:
        SPDX.parse(text, validate=True, strict=True)
    except ExpressionError:
        return False
    return bool(text)


def is_accepted(expression: str) -> bool:
    """Whether we may use it: of `A OR B` one is enough, of `A AND B` both count."""
    return is_expression(expression) and _accepts(SPDX.parse(expression))


def _accepts(tree: object) -> bool:
    if isinstance(tree, OR):
        return any(map(_accepts, tree.args))
    if isinstance(tree, AND):
        return all(map(_accepts, tree.args))
    return str(tree) in ACCEPTED


def refusals(parts: Iterable[Part]) -> list[str]:
    """A sentence for each part whose licence nobody has accepted."""
    return [
        f"{part.name} {part.version}: "
        + (
            f"the licence {part.licence} is not accepted. Use something else, or accept it in "
            "tests/supply_chain/licences.py and say what it asks of us."
            if is_expression(part.licence)
            else f"its licence is not known ({part.licence.splitlines()[0][:60]!r}). Read the "
            "package's licence file and add it to READ_IN_FILE in tests/supply_chain/licences.py."
            if part.licence
            else "it names no licence. Read the package's licence file and add it to READ_IN_FILE "
            "in tests/supply_chain/licences.py."
        )
        for part in parts
        if not is_accepted(part.licence)
    ]


def table(parts: Iterable[Part]) -> str:
    rows = [
        f"| {part.name} | {part.version} | {part.licence} | {part.where or 'requirements.txt'} |"
        for part in sorted(parts, key=lambda part: (part.name, part.kind))
    ]
    return "\n".join(["| Part | Version | Licence | From |", "|---|---|---|---|", *rows])


def document(parts: Iterable[Part]) -> str:
    """The text of docs/licences.md."""
    accepted = "\n".join(f"| {name} | {asks} |" for name, asks in sorted(ACCEPTED.items()))
    return (
        "# Licences of what the product is made of\n\n"
        "Written by `make licences` from requirements.txt, from what those packages say of "
        "themselves (or their licence\nfiles, where that is not exact) and from "
        "`static/vendor/manifest.json`. `make lint` fails for a licence that is not\naccepted and "
        "for a table that is not up to date. `make sbom` writes the same as CycloneDX, with hashes "
        "and the images\nof containers; Debian's packages in those have their licences in "
        "`/usr/share/doc/*/copyright`.\n\n"
        f"## Accepted\n\n| Licence | Asks of us |\n|---|---|\n{accepted}\n\n"
        f"## Parts\n\n{table(parts)}\n"
    )
