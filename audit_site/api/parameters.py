"""Query parameters: read once, refused with the name of the field."""

from __future__ import annotations

from typing import Any

from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter
from rest_framework import serializers
from rest_framework.request import Request

AS_OF = OpenApiParameter(
    "as_of",
    OpenApiTypes.DATE,
    description="Default: today in the tenant's time zone.",
)


def invalid(name: str, message: str, code: str = "invalid") -> serializers.ValidationError:
    return serializers.ValidationError({name: [serializers.ErrorDetail(message, code=code)]})


def flag(request: Request, name: str) -> bool | None:
    """A yes-or-no filter; anything else filters nothing."""
    word = request.query_params.get(name, "").lower()
    return {"true": True, "1": True, "false": False, "0": False}.get(word)


def query(name: str, kind: Any = OpenApiTypes.STR, *, description: str = "") -> OpenApiParameter:
    return OpenApiParameter(
        name, kind, OpenApiParameter.QUERY, required=False, description=description
    )
