"""REST: what the words of a PSA mean, said once for an account."""

from __future__ import annotations

from typing import Any

from django.db.models import QuerySet
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema
from rest_framework import status
from rest_framework.generics import get_object_or_404
from rest_framework.request import Request
from rest_framework.response import Response

from audit_site.api.idempotency import idempotent
from audit_site.api.listed import listed_page
from audit_site.api.parameters import flag, query
from audit_site.api.permissions import ReadOrAdmin
from audit_site.api.requests import read_body
from audit_site.api.views import PROBLEMS, TenantViewSet, find_uuid
from integrations.api.serializers.words import (
    WordCreateSerializer,
    WordSerializer,
    WordUpdateSerializer,
    said_body,
    word_bodies,
)
from integrations.models import Integration, PsaWord, lock_integration
from integrations.words import saying
from integrations.words.kinds import KIND_NAMES, KINDS
from integrations.words.places import MOST_WORDS
from integrations.words.selectors import WaitingWord, said_words, waiting_words

Listed = PsaWord | WaitingWord


class WordViewSet(TenantViewSet):
    """What words of one integration mean. `pk` of the path is the integration."""

    serializer_class = WordSerializer
    permission_classes = (ReadOrAdmin,)

    def get_queryset(self) -> QuerySet[Integration]:
        if self.is_schema:
            return Integration.objects.none()
        return Integration.objects.for_tenant(self.tenant).select_related("tenant")

    def hold(self) -> None:
        lock_integration(self.get_object())

    def _word(self, word_id: str) -> PsaWord:
        rows = said_words(self.get_object()).select_related("integration__tenant")
        return get_object_or_404(rows, pk=find_uuid(word_id))

    @extend_schema(
        parameters=[
            query("kind", enum=KIND_NAMES),
            query(
                "waiting",
                OpenApiTypes.BOOL,
                description="`true` = only words that wait for a meaning, `false` = only said ones",
            ),
            query("cursor"),
            query("page_size", OpenApiTypes.INT),
        ],
        responses={200: WordSerializer(many=True), **PROBLEMS},
        operation_id="list_integration_words",
    )
    def list(self, request: Request, pk: str) -> Response:
        """List what was said of words, and the words that wait for it, by kind and word."""
        integration = self.get_object()
        kind, waiting = request.query_params.get("kind", ""), flag(request, "waiting")
        words: list[Listed] = []
        if waiting is not True:
            words += said_words(integration, kind)[: MOST_WORDS * len(KINDS)]
        if waiting is not False:
            words += waiting_words(integration, kind)
        page = listed_page(request, sorted(words, key=_place), _place)
        return Response(page.body(word_bodies(request, page.items)))

    @extend_schema(
        request=WordCreateSerializer,
        responses={201: WordSerializer, 200: WordSerializer, **PROBLEMS},
        operation_id="create_integration_word",
    )
    @idempotent
    def create(self, request: Request, pk: str) -> Response:
        """Say what a word means: 201, or 200 where it was said so already."""
        integration = self.get_object()
        values = read_body(WordCreateSerializer, request)
        word, is_new = saying.say_word(integration=integration, actor=self.actor, **values)
        code = status.HTTP_201_CREATED if is_new else status.HTTP_200_OK
        return Response(said_body(request, word), status=code)

    @extend_schema(responses={200: WordSerializer, **PROBLEMS}, operation_id="get_integration_word")
    def retrieve(self, request: Request, pk: str, word_id: str) -> Response:
        return Response(said_body(request, self._word(word_id)))

    @extend_schema(
        request=WordUpdateSerializer,
        responses={200: WordSerializer, **PROBLEMS},
        operation_id="update_integration_word",
    )
    def partial_update(self, request: Request, pk: str, word_id: str) -> Response:
        """Change what a word means, or the note; what was said before is kept."""
        word = self._word(word_id)
        values = read_body(WordUpdateSerializer, request)
        return Response(
            said_body(request, saying.change_word(word=word, actor=self.actor, **values))
        )

    @extend_schema(responses={204: None, **PROBLEMS}, operation_id="delete_integration_word")
    def destroy(self, request: Request, pk: str, word_id: str) -> Response:
        """Take back what was said."""
        saying.undo_word(word=self._word(word_id), actor=self.actor)
        return Response(status=status.HTTP_204_NO_CONTENT)


def _place(word: Any) -> str:
    """Where a word stands in the list: no two of one account stand in one place."""
    return f"{word.kind}\0{word.key}"
