"""JSON as this API writes it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import msgspec
from rest_framework.renderers import JSONRenderer
from rest_framework.utils.encoders import JSONEncoder


def _plain(value: Any) -> Any:
    """What msgspec does not know: subclasses of plain types, and what DRF knows besides."""
    kinds: tuple[Any, ...] = (str, dict, list)
    for kind in kinds:
        if isinstance(value, kind):
            return kind(value)
    return JSONEncoder().default(value)


ENCODER: Final = msgspec.json.Encoder(enc_hook=_plain)


class Renderer(JSONRenderer):
    """DRF's JSON, written by msgspec: also of structs, which most answers to GET are made of."""

    def render(
        self,
        data: Any,
        accepted_media_type: str | None = None,
        renderer_context: Mapping[str, Any] | None = None,
    ) -> bytes:
        if data is None:
            return b""
        if "indent" in (accepted_media_type or ""):
            data = msgspec.to_builtins(data, enc_hook=_plain)
            return super().render(data, accepted_media_type, renderer_context)
        return ENCODER.encode(data)
