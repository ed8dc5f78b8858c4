"""`make sbom`, `make licences`, `make images`, and what `make lint` and pre-commit check of both and of secrets."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from tests.supply_chain import images, inventory, licences, sbom, typed_secrets


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.supply_chain", description=__doc__)
    acts = parser.add_subparsers(dest="act", required=True)
    acts.add_parser("sbom", help="write the bill of materials").add_argument(
        "file", nargs="?", default="sbom.cdx.json"
    )
    acts.add_parser("licences", help="write docs/licences.md")
    acts.add_parser("images", help="pin the images of containers to their newest digests")
    acts.add_parser("check", help="licences accepted, and docs/licences.md up to date")
    acts.add_parser("secrets", help="secrets typed into files").add_argument("files", nargs="*")
    chosen = parser.parse_args()
    if chosen.act == "sbom":
        Path(chosen.file).write_text(sbom.write(), encoding="utf-8")
        print(f"{chosen.file}: {len(inventory.parts())} parts.")
    elif chosen.act == "licences":
        licences.DOCUMENT.write_text(licences.document(_licensed()), encoding="utf-8")
    elif chosen.act == "images":
        print("\n".join(images.pin()) or "All images are the newest.")
    elif chosen.act == "check":
        _end_with(_licence_faults())
    else:
        _end_with(list(typed_secrets.findings(chosen.files or typed_secrets.committed())))


def _licensed() -> list[inventory.Part]:
    return [*inventory.packages(), *inventory.assets()]


def _licence_faults() -> list[str]:
    faults = licences.refusals(_licensed())
    written = licences.DOCUMENT.read_text(encoding="utf-8") if licences.DOCUMENT.exists() else ""
    if not faults and written != licences.document(_licensed()):
        faults = ["docs/licences.md is not up to date. Run `make licences`."]
    return faults


def _end_with(faults: list[str]) -> None:
    if faults:
        sys.exit("\n".join(faults))


main()
