"""Finds every adapter: a module in integrations/adapters/ that has an `ADAPTER`."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache

from integrations import adapters as package
from integrations.psa.contract import PsaAdapter, PsaInfo

_extra: dict[str, type[PsaAdapter]] = {}


@cache
def _found() -> dict[str, type[PsaAdapter]]:
    found: dict[str, type[PsaAdapter]] = {}
    for module_info in pkgutil.iter_modules(package.__path__):
        module = importlib.import_module(f"{package.__name__}.{module_info.name}")
        adapter: type[PsaAdapter] = module.ADAPTER
        if adapter.info.key != module_info.name:
            raise ImportError(f"{module.__name__} must be named after its PSA: {adapter.info.key}")
        found[adapter.info.key] = adapter
    return found


def adapters() -> dict[str, type[PsaAdapter]]:
    """Every adapter by PSA key, in the order of the PSAs' names."""
    every = {**_found(), **_extra}
    return dict(sorted(every.items(), key=lambda item: item[1].info.name.casefold()))


def get_adapter(key: str) -> type[PsaAdapter]:
    """The adapter of a PSA; `KeyError` when there is none."""
    return adapters()[key]


def infos() -> list[PsaInfo]:
    """What every PSA is called and asks for, in the order of their names."""
    return [adapter.info for adapter in adapters().values()]


@contextmanager
def registered(adapter: type[PsaAdapter]) -> Iterator[None]:
    """Make one more adapter known for a while: for trying one out that is not in the folder."""
    _extra[adapter.info.key] = adapter
    try:
        yield
    finally:
        del _extra[adapter.info.key]
