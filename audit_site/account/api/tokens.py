"""REST: API tokens."""

from __future__ import annotations

from typing import Any

from django.db.models import QuerySet
from drf_spectacular.utils import extend_schema
from rest_framework import serializers, status
from rest_framework.request import Request
from rest_framework.response import Response

from audit_site.api.abilities import CanField, always
from audit_site.api.idempotency import idempotent_without
from audit_site.api.permissions import IsAdmin, ReadOrOwn
from audit_site.api.requests import membership_of, read_body
from audit_site.api.serializers import StrictSerializer
from audit_site.api.views import PROBLEMS, TenantViewSet
from audit_site.db.lengths import length_of
from audit_site.tenants import tokens
from audit_site.tenants.models import ApiToken, Role, Scope, User


class TokenOwnerSerializer(serializers.Serializer[User]):
    id = serializers.CharField()
    email = serializers.EmailField()
    name = serializers.CharField()


class TokenSerializer(serializers.Serializer[ApiToken]):
    """A token by what is no secret of it."""

    id = serializers.CharField()
    name = serializers.CharField(help_text="Empty: it was made by a command without a name.")
    user = TokenOwnerSerializer(help_text="For whom it acts.")
    role = serializers.ChoiceField(Role.choices, help_text="Its owner's, now.")
    scopes = serializers.SerializerMethodField(
        help_text="What it may do now: no more than its owner's role."
    )
    prefix = serializers.CharField(help_text="How it begins, to know it by.")
    created_at = serializers.DateTimeField()
    expires_at = serializers.DateTimeField(allow_null=True, help_text="null = never.")
    last_used_at = serializers.DateTimeField(
        allow_null=True, help_text="To the minute; null = never."
    )
    last_used_ip = serializers.CharField(allow_null=True)
    can = CanField({"delete": (ReadOrOwn, always)})

    def get_scopes(self, token: Any) -> list[Scope]:
        return [Scope(scope) for scope in tokens.scopes_now(token, token.role)]


class MadeTokenSerializer(TokenSerializer):
    token = serializers.CharField(
        allow_null=True,
        help_text="Shown this once; null = the request came again with the same key.",
    )


class TokenCreateSerializer(StrictSerializer):
    name = serializers.CharField(max_length=length_of(ApiToken, "name"))
    scopes = serializers.ListField(child=serializers.ChoiceField(Scope.choices), allow_empty=False)
    expires_at = serializers.DateTimeField(
        required=False,
        allow_null=True,
        help_text="Left out or null: never, or as the token that makes it.",
    )


class TokenViewSet(TenantViewSet):
    """Tokens of the one who asks; of everybody for admins."""

    serializer_class = TokenSerializer
    permission_classes = (ReadOrOwn,)

    def get_queryset(self) -> QuerySet[ApiToken]:
        if self.is_schema:
            return ApiToken.objects.none()
        owner = None if IsAdmin.allows(self.request) else self.actor
        return tokens.list_tokens(self.tenant, owner)

    @extend_schema(
        responses={200: TokenSerializer(many=True), **PROBLEMS}, operation_id="list_tokens"
    )
    def list(self, request: Request) -> Response:
        """List tokens, newest first: your own; everybody's if you are an admin."""
        return self.paged(self.get_queryset(), lambda page: self._shown(page, many=True))

    @extend_schema(responses={200: TokenSerializer, **PROBLEMS}, operation_id="get_token")
    def retrieve(self, request: Request, pk: str) -> Response:
        return Response(self._shown(self.get_object()))

    @extend_schema(
        request=TokenCreateSerializer,
        responses={201: MadeTokenSerializer, **PROBLEMS},
        operation_id="create_token",
    )
    @idempotent_without("token")
    def create(self, request: Request) -> Response:
        """Make a token for yourself; `token` is shown this once.

        It may do no more than you. With a token: no more than that one, and no longer. Sent again
        with the same `Idempotency-Key`, `token` is null, for it is not kept: revoke it then, and
        make another one.
        """
        made, plain = tokens.make_token(
            membership=membership_of(request),
            scopes_of_maker=request.scopes,  # type: ignore[attr-defined]
            made_with=request.auth if isinstance(request.auth, ApiToken) else None,
            **read_body(TokenCreateSerializer, request),
        )
        shown = self._shown(tokens.list_tokens(self.tenant, self.actor).get(pk=made.pk))
        return Response({**shown, "token": plain}, status=status.HTTP_201_CREATED)

    @extend_schema(responses={204: None, **PROBLEMS}, operation_id="delete_token")
    def destroy(self, request: Request, pk: str) -> Response:
        """Revoke it: 401 from the next request on."""
        tokens.revoke_api_token(token=self.get_object(), actor=self.actor)
        return Response(status=status.HTTP_204_NO_CONTENT)

    def _shown(self, shown: Any, **how: Any) -> Any:
        return TokenSerializer(shown, context={"request": self.request}, **how).data
