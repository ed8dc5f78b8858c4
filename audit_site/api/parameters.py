"""Query parameters: declared once for the schema and for the refusal of all others."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any, Final
from uuid import UUID

from django.http import QueryDict
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter
from rest_framework import serializers
from rest_framework.request import Request

from audit_site.db.folded_text import is_storable

AS_OF = OpenApiParameter(
    "as_of",
    OpenApiTypes.DATE,
    description="Default: today in the tenant's time zone.",
)
FLAGS: Final = {"true": True, "1": True, "false": False, "0": False}
MOST_DIGITS: Final = 9
#: No row has it: a filter by it finds nothing.
NOBODY: Final = UUID(int=0)


def query(
    name: str,
    kind: Any = OpenApiTypes.STR,
    *,
    description: str = "",
    enum: Sequence[str] | None = None,
) -> OpenApiParameter:
    return OpenApiParameter(
        name, kind, OpenApiParameter.QUERY, required=False, description=description, enum=enum
    )


#: What every list takes.
PAGING: Final = (
    query("cursor", description="Where a page begins: taken from `next` or `previous`."),
    query(
        "page_size",
        {"type": "integer", "minimum": 1, "maximum": 10**MOST_DIGITS - 1, "default": 50},
        description="At most so many a page; more than 200 is taken as 200.",
    ),
)


def invalid(
    name: str, message: str, code: str = "invalid_parameter"
) -> serializers.ValidationError:
    return serializers.ValidationError({name: [serializers.ErrorDetail(message, code=code)]})


def flag(request: Request, name: str) -> bool | None:
    """A yes-or-no filter; None = it is not given."""
    return FLAGS.get(request.query_params.get(name, "").lower())


def read_id(request: Request, name: str) -> UUID | None:
    """The id of a filter; None = it is not given. What is no id is nobody's."""
    text = request.query_params.get(name)
    if not text:
        return None
    try:
        return UUID(text)
    except ValueError:
        return NOBODY


def check_parameters(request: Request, declared: Mapping[str, OpenApiParameter]) -> None:
    """Refuse what is not declared or can't be read; drop what is empty, as if it were absent."""
    given = request.query_params
    unknown = [name for name in given if name not in declared]
    _refuse("unknown_parameter", dict.fromkeys(unknown, "There is no such parameter here."))
    kept = {name: values for name, values in given.lists() if values != [""]}
    wrong = {name: _wrong(parameter, kept.get(name)) for name, parameter in declared.items()}
    _refuse("invalid_parameter", {name: message for name, message in wrong.items() if message})
    cleaned = QueryDict(mutable=True)
    for name, values in kept.items():
        cleaned[name] = values[0]
    request._request.GET = cleaned  # type: ignore[assignment]


def _refuse(code: str, messages: Mapping[str, str]) -> None:
    if messages:
        raise serializers.ValidationError(
            {name: [serializers.ErrorDetail(text, code=code)] for name, text in messages.items()}
        )


def _wrong(parameter: OpenApiParameter, values: Sequence[str] | None) -> str:
    """What is wrong with what was given for a parameter; "" = nothing is."""
    if values is None:
        return "It is needed." if parameter.required else ""
    if len(values) > 1:
        return "Give it once."
    return _unreadable(parameter, values[0])


def _unreadable(parameter: OpenApiParameter, text: str) -> str:
    """What is wrong with a value; "" = it can be read."""
    if not is_storable(text):
        return "It holds a NUL or half a character."
    if parameter.enum and text not in parameter.enum:
        return f"It is one of {', '.join(map(str, parameter.enum))}."
    if parameter.type == OpenApiTypes.BOOL and text.lower() not in FLAGS:
        return "It is true or false."
    is_number = isinstance(parameter.type, dict) and parameter.type.get("type") == "integer"
    if is_number and not re.fullmatch(f"0*[1-9][0-9]{{0,{MOST_DIGITS - 1}}}", text):
        return "Write a whole number from 1 on."
    if parameter.pattern and not re.fullmatch(parameter.pattern, text):
        return f"It is written as {parameter.description}."
    return ""
