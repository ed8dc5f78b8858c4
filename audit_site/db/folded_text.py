"""Text without case and accents, so that `muller` finds Müller: in Python, and in the database."""

from __future__ import annotations

import re
import unicodedata
from typing import Any, Final

from django.db import models
from django.db.models.sql.compiler import SQLCompiler

#: JSON may name one of the two code units of a character alone; UTF-8 knows no such thing.
HALF_A_CHARACTER: Final = re.compile("[\ud800-\udfff]")


def folded(text: str) -> str:
    """Fold case and accents."""
    decomposed = unicodedata.normalize("NFKD", text.casefold())
    return "".join(char for char in decomposed if not unicodedata.combining(char))


class Folded(models.Func):
    """A column as `folded` makes it, worked out by the database."""

    output_field = models.TextField()
    arity = 1
    #: NFKD writes accents as characters of their own, from these stretches.
    template = (
        "replace(lower(regexp_replace(normalize(%(expressions)s, NFKD), "
        r"'[\u0300-\u036f\u1ab0-\u1aff\u1dc0-\u1dff\u20d0-\u20ff]', '', 'g')), 'ß', 'ss')"
    )

    def as_sqlite(self, compiler: SQLCompiler, connection: Any, **_: Any) -> Any:
        connection.ensure_connection()
        connection.connection.create_function("folded", 1, _or_null, deterministic=True)
        return self.as_sql(compiler, connection, template="folded(%(expressions)s)")


def _or_null(text: str | None) -> str | None:
    return None if text is None else folded(text)


def is_storable(text: str) -> bool:
    """Whether a database can hold a text as it is: no NUL, and no half of a character."""
    return "\0" not in text and not HALF_A_CHARACTER.search(text)


def storable(text: str) -> str:
    """Without the one character that PostgreSQL has no place for."""
    return text.replace("\0", "")
