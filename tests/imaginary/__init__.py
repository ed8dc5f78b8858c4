"""A PSA that does not exist: what a fourth one would add to the two folders, and nothing else.

`adapters/` and `sandbox/` stand for the folders of the same name in integrations/.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from integrations import adapters, sandbox

FOLDER = Path(__file__).resolve().parent


def add_imaginary_psas(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let both packages find what lies in this folder too, as if it were copied into theirs."""
    for package in (adapters, sandbox):
        folder = FOLDER / package.__name__.rpartition(".")[2]
        monkeypatch.setattr(package, "__path__", [*package.__path__, str(folder)])
