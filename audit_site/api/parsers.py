"""JSON as this API reads it: of a size, a depth and names that can be kept."""

from __future__ import annotations

from collections.abc import Mapping
from typing import IO, Any, Final

from rest_framework.exceptions import ParseError
from rest_framework.parsers import JSONParser

from audit_site.db.folded_text import HALF_A_CHARACTER, is_storable

MOST_LEVELS: Final = 32
TOO_DEEP: Final = f"The body is nested too deeply; at most {MOST_LEVELS} levels are read."


class BoundedJsonParser(JSONParser):
    """JSON in UTF-8; `ApiErrorMiddleware` sees to its size."""

    def parse(
        self,
        stream: IO[Any],
        media_type: str | None = None,
        parser_context: Mapping[str, Any] | None = None,
    ) -> Any:
        try:
            body = super().parse(stream, media_type, {"encoding": "utf-8"})
        except RecursionError:
            raise ParseError(TOO_DEEP) from None
        refuse_unkeepable(body)
        return body


def refuse_unkeepable(body: Any) -> None:
    """Refuse what is nested too deeply, and texts that could be neither kept nor repeated.

    Level by level: a body may hold as many values as fit into it. A NUL in a value is the business
    of its field, which says where it stands.
    """
    level = [body]
    for _ in range(MOST_LEVELS):
        if any(isinstance(value, str) and HALF_A_CHARACTER.search(value) for value in level):
            raise ParseError("A text holds one half of a character that needs two.")
        level = [inner for value in level for inner in _inside(value)]
        if not level:
            return
    raise ParseError(TOO_DEEP)


def _inside(value: Any) -> list[Any]:
    if isinstance(value, dict):
        if not all(is_storable(name) for name in value):
            raise ParseError("The name of a field holds a NUL or half a character.")
        return list(value.values())
    return value if isinstance(value, list) else []
