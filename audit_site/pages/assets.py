"""Style sheets, scripts and pictures: fingerprinted, compressed, and kept by browsers for good.

No step before the start is needed: an asset is put into STATIC_ROOT with its compressed copies when
it is asked for the first time, and its address changes with its content.
"""

from __future__ import annotations

import gzip
import hashlib
import os
import re
import uuid
from collections.abc import Iterable
from functools import cache
from pathlib import Path
from typing import Any, Final, cast

import brotli
from django.conf import settings
from django.contrib.staticfiles import finders
from django.contrib.staticfiles.finders import BaseFinder
from django.contrib.staticfiles.storage import StaticFilesStorage
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from whitenoise.middleware import WhiteNoiseMiddleware

KINDS: Final = frozenset({".css", ".js", ".svg"})
#: Apps whose pages load files by names that they know themselves.
LEFT_ALONE: Final = ("drf_spectacular_sidecar/",)
FINGERPRINTED: Final = re.compile(
    r"(?P<stem>(?:[\w-][\w.-]*/)*[\w-][\w.-]*)\.(?P<mark>[0-9a-f]{12})(?P<kind>\.[a-z]+)"
)


def fingerprinted(name: str) -> str:
    """`app.css` → `app.0123456789ab.css`; the name as it is where there is no such asset."""
    stem, kind = os.path.splitext(name)
    if kind not in KINDS or name.startswith(LEFT_ALONE):
        return name
    mark = _mark.__wrapped__(name) if settings.DEBUG else _mark(name)
    return f"{stem}.{mark}{kind}" if mark else name


@cache
def _mark(name: str) -> str:
    path = finders.find(name)
    return hashlib.sha256(Path(path).read_bytes()).hexdigest()[:12] if path else ""


def plain(name: str) -> str:
    """The name without a fingerprint; "" where it has none."""
    parts = FINGERPRINTED.fullmatch(name)
    return parts["stem"] + parts["kind"] if parts else ""


def publish(name: str) -> Path | None:
    """Put a fingerprinted asset where it is served from; None where this is none of ours."""
    source = finders.find(plain(name)) if plain(name) else None
    if source is None or fingerprinted(plain(name)) != name:
        return None
    place = Path(settings.STATIC_ROOT) / name
    if not place.exists():
        place.parent.mkdir(parents=True, exist_ok=True)
        content = Path(source).read_bytes()
        _write_whole(place.with_name(f"{place.name}.br"), brotli.compress(content))
        _write_whole(place.with_name(f"{place.name}.gz"), gzip.compress(content, mtime=0))
        _write_whole(place, content)
    return place


def _write_whole(path: Path, content: bytes) -> None:
    """Several processes may do so at once, while others look through STATIC_ROOT: what is written
    stands beside that until it is whole.
    """
    beside = Path(settings.STATIC_ROOT).with_name(f"{path.name}.{uuid.uuid4()}")
    beside.write_bytes(content)
    os.replace(beside, path)


class AssetFinder(BaseFinder):
    """Finds fingerprinted assets for servers that serve what finders find: those of tests."""

    def find(self, path: str, find_all: bool = False, **_: Any) -> Any:
        place = publish(path)
        if place is None:
            return []  # Django's own finders say it so
        return [str(place)] if find_all else str(place)

    def list(self, ignore_patterns: Iterable[str] | None) -> Iterable[Any]:
        return ()

    def check(self, **_: Any) -> Any:
        return []


class AssetStorage(StaticFilesStorage):
    """`{% static %}` with fingerprints."""

    def url(self, name: str | None) -> str:
        return super().url(fingerprinted(name) if name else name)


class AssetMiddleware(WhiteNoiseMiddleware):  # type: ignore[misc]  # it has no types
    """WhiteNoise, with assets that are made when they are asked for."""

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        address = request.path_info
        if address.startswith(self.static_prefix) and address not in self.files:
            name = address.removeprefix(self.static_prefix)
            if place := publish(name):
                self.add_file_to_dictionary(address, str(place))
            elif other := self.files.get(f"{self.static_prefix}{plain(name)}"):
                # a page of another release, while a new one is being rolled out
                return cast(HttpResponseBase, self.serve(other, request))
        return cast(HttpResponseBase, super().__call__(request))
