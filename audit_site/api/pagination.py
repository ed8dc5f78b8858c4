"""Cursor paging: `{"next", "previous", "results"}`; the last page costs what the first does."""

from __future__ import annotations

from typing import Any

from django.core.signing import BadSignature, Signer
from django.db.models import Model, QuerySet
from rest_framework.pagination import Cursor, CursorPagination
from rest_framework.request import Request
from rest_framework.utils.urls import replace_query_param
from rest_framework.views import APIView

from audit_site.api.parameters import invalid


class Pagination(CursorPagination):
    """Pages in the order that the queryset has; it must end with a unique column.

    A cursor is signed for its list and order: what it holds is compared with a column as it is, and
    no other column could be compared with it.
    """

    page_size = 50
    page_size_query_param = "page_size"
    max_page_size = 200

    def get_ordering(
        self, request: Request, queryset: QuerySet[Model], view: APIView
    ) -> tuple[str, ...]:
        ordering: Any = queryset.query.order_by
        return tuple(ordering) or ("id",)

    def encode_cursor(self, cursor: Cursor) -> str:
        request: Request = self.request  # type: ignore[attr-defined]
        text = self._signer(request).sign_object(list(cursor))
        return replace_query_param(str(self.base_url), self.cursor_query_param, text)

    def decode_cursor(self, request: Request) -> Cursor | None:
        text = request.query_params.get(self.cursor_query_param)
        if not text:
            return None
        try:
            return Cursor(*self._signer(request).unsign_object(text))
        except BadSignature:
            message = "Take it from `next` or `previous` of this very list."
            raise invalid(self.cursor_query_param, message) from None

    def _signer(self, request: Request) -> Signer:
        return Signer(salt=f"{request.path}?{','.join(self.ordering)}")

    def get_paginated_response_schema(self, schema: dict[str, Any]) -> dict[str, Any]:
        return page_of(schema)

    def get_schema_operation_parameters(self, view: Any) -> list[dict[str, Any]]:
        return []  # ApiSchema.get_override_parameters names PAGING


def page_of(rows: dict[str, Any]) -> dict[str, Any]:
    """The shape of a page of a list."""
    url = {"type": ["string", "null"], "format": "uri"}
    return {
        "type": "object",
        "required": ["next", "previous", "results"],
        "properties": {
            "next": {**url, "description": "Where the next page is; null = this is the last."},
            "previous": {
                **url,
                "description": "Where the page before is; null = this is the first.",
            },
            "results": rows,
        },
    }
