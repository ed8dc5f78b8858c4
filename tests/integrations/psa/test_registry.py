from __future__ import annotations

from pathlib import Path

import pytest

from integrations import adapters
from integrations.psa import registry

ADAPTER = """
from integrations.psa.contract import ProcessSetting, PsaInfo

class ADAPTER:
    info = PsaInfo("{key}", "{name}", fields=(), guide=(), settings=(ProcessSetting("{key}", ""),))
"""


def add(monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
    monkeypatch.setattr(adapters, "__path__", [*adapters.__path__, str(folder)])


def test_an_adapter_is_one_file_or_one_folder(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    before = list(registry.adapters())
    (tmp_path / "registry_file.py").write_text(ADAPTER.format(key="registry_file", name="A file"))
    (tmp_path / "registry_folder").mkdir()
    whole = ADAPTER.format(key="registry_folder", name="Zebra")
    (tmp_path / "registry_folder" / "__init__.py").write_text(whole)

    add(monkeypatch, tmp_path)

    assert list(registry.adapters()) == ["registry_file", *before, "registry_folder"]
    names = [setting.name for setting in registry.settings()]
    assert (names[0], names[-1]) == ("registry_file", "registry_folder")


def test_one_that_is_not_named_after_its_psa_is_refused(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "registry_misnamed.py").write_text(ADAPTER.format(key="other", name="Other"))

    add(monkeypatch, tmp_path)

    with pytest.raises(ImportError, match="must be named after its PSA: other"):
        registry.adapters()
