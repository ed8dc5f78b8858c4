"""Cursor paging: `{"next", "previous", "results"}`; the last page costs what the first does."""

from __future__ import annotations

from typing import Any

from django.db.models import Model, QuerySet
from rest_framework.pagination import CursorPagination
from rest_framework.request import Request
from rest_framework.views import APIView


class Pagination(CursorPagination):
    """Pages in the order that the queryset has; it must end with a unique column."""

    page_size = 50
    page_size_query_param = "page_size"
    max_page_size = 200

    def get_ordering(
        self, request: Request, queryset: QuerySet[Model], view: APIView
    ) -> tuple[str, ...]:
        ordering: Any = queryset.query.order_by
        return tuple(ordering) or ("id",)
