"""Finds every adapter: a module or a package in integrations/adapters/ that has an `ADAPTER`."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Sequence
from functools import cache

from integrations import adapters as package
from integrations.psa.contract import ProcessSetting, PsaAdapter, PsaInfo


@cache
def _found_in(folders: Sequence[str]) -> dict[str, type[PsaAdapter]]:
    found: dict[str, type[PsaAdapter]] = {}
    for module_info in pkgutil.iter_modules(folders):
        module = importlib.import_module(f"{package.__name__}.{module_info.name}")
        adapter: type[PsaAdapter] = module.ADAPTER
        if adapter.info.key != module_info.name:
            raise ImportError(f"{module.__name__} must be named after its PSA: {adapter.info.key}")
        found[adapter.info.key] = adapter
    return dict(sorted(found.items(), key=lambda item: item[1].info.name.casefold()))


def adapters() -> dict[str, type[PsaAdapter]]:
    """Every adapter by PSA key, in the order of the PSAs' names."""
    return _found_in(tuple(package.__path__))


def get_adapter(key: str) -> type[PsaAdapter]:
    """The adapter of a PSA; `KeyError` when there is none."""
    return adapters()[key]


def infos() -> list[PsaInfo]:
    """What every PSA is called and asks for, in the order of their names."""
    return [adapter.info for adapter in adapters().values()]


def settings() -> list[ProcessSetting]:
    """Every process setting that an adapter declares."""
    return [setting for info in infos() for setting in info.settings]
