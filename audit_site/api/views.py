"""What every endpoint shares: the contract, kept by whoever inherits from here."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import datetime
from typing import Any, TypeVar
from uuid import UUID

from django.db import transaction
from django.db.models import Model, QuerySet
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBase
from rest_framework import serializers
from rest_framework.permissions import AllowAny
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView
from rest_framework.viewsets import GenericViewSet

from audit_site.api.conditional import check_if_match, kept, tag_when_rendered
from audit_site.api.declared import declared
from audit_site.api.parameters import check_parameters
from audit_site.api.renderers import Renderer
from audit_site.api.requests import actor_of, read_body, tenant_of
from audit_site.api.serializers import ProblemSerializer, StrictSerializer
from audit_site.db.folded_text import is_storable
from audit_site.ids import id_or_none
from audit_site.tenants.change_marks import changes_of
from audit_site.tenants.locks import lock_tenant
from audit_site.tenants.models import Tenant, User

ModelT = TypeVar("ModelT", bound=Model)
MethodT = TypeVar("MethodT", bound=Callable[..., Any])
#: The errors every endpoint may answer with, for the schema.
PROBLEMS: dict[Any, Any] = {
    (status, "application/problem+json"): ProblemSerializer for status in (400, 401, 403)
}


class Endpoint(APIView):
    """A view of this API.

    It takes the query parameters and the body that its schema declares and no others, answers
    OPTIONS to everybody, gives its answers an ETag and honours conditions.
    """

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        if request.method in {"PATCH", "DELETE"} and "HTTP_IF_MATCH" in request.META:
            with transaction.atomic():  # nothing comes between the look and the change
                return super().dispatch(request, *args, **kwargs)
        return super().dispatch(request, *args, **kwargs)

    @property
    def _asks_for_options(self) -> bool:
        return getattr(self.request, "method", "") == "OPTIONS"

    def get_authenticators(self) -> list[Any]:
        return [] if self._asks_for_options else super().get_authenticators()

    def get_permissions(self) -> list[Any]:
        return [] if self._asks_for_options else list(super().get_permissions())

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        super().initial(request, *args, **kwargs)
        if request.method != "OPTIONS" and request.method in self.allowed_methods:
            self._keep_contract(request, kwargs)

    def _keep_contract(self, request: Request, kwargs: dict[str, Any]) -> None:
        if not all(is_storable(str(part)) for part in kwargs.values()):
            raise Http404
        taken = declared(self)
        check_parameters(request, taken.parameters)
        if not taken.takes_body and request.method not in {"GET", "HEAD"}:
            read_body(NoBodySerializer, request)
        if request.method in {"PATCH", "DELETE"} and "If-Match" in request.headers:
            self.hold()
            match = request._request.resolver_match
            check_if_match(request, match.func, kwargs)  # type: ignore[union-attr]

    def hold(self) -> None:
        """Lock what a change with `If-Match` is about, in the order of locks."""

    def options(self, request: Any, *args: Any, **kwargs: Any) -> Response:
        return Response({"methods": [*self.allowed_methods]})

    def finalize_response(
        self, request: Request, response: Any, *args: Any, **kwargs: Any
    ) -> Response:
        answer = super().finalize_response(request, response, *args, **kwargs)
        if answer.status_code >= 400:
            answer.accepted_renderer = Renderer()  # whatever the endpoint else answers in
        shows = request.method in {"GET", "HEAD", "PATCH"} and answer.status_code == 200
        if isinstance(answer, Response) and shows and "ETag" not in answer:
            tag_when_rendered(request, answer)
        return answer


def asks_psa(method: MethodT) -> MethodT:
    """Note on a method that it asks a PSA, so that the schema knows how that may end."""
    method.asks_psa = True  # type: ignore[attr-defined]
    return method


class NoBodySerializer(StrictSerializer):
    """Of an action that is told nothing: no body, or `{}`."""


class TenantViewSet(Endpoint, GenericViewSet[Any]):
    """A viewset over rows of the request's tenant."""

    lookup_value_regex = "[^/]+"

    @property
    def tenant(self) -> Tenant:
        return tenant_of(self.request)

    @property
    def actor(self) -> User:
        return actor_of(self.request)

    @property
    def is_schema(self) -> bool:
        """Whether only the schema is being drawn: there is no tenant then."""
        return bool(getattr(self, "swagger_fake_view", False))

    def hold(self) -> None:
        """The tenant, as its licence is locked; where a change locks an integration, that."""
        lock_tenant(self.tenant)

    def paged(self, rows: Any, shown: Callable[[Any], Any]) -> Response:
        """The page of a list that is asked for; `shown` makes the bodies of its rows."""
        return self.get_paginated_response(shown(list(self.paginate_queryset(rows) or ())))

    def kept(
        self, build: Callable[[], Response], until: Callable[[], datetime | None]
    ) -> HttpResponse:
        """What `build` answers: as this process has it, while nothing has changed that lists of the
        tenant show (`changes_of`), its day is the same, and it is not yet `until`.
        """
        changes, tenant = changes_of(self.tenant), self.tenant
        if changes is None:
            return build()
        state = f"{changes} {tenant.today()} {tenant.timezone} {tenant.currency}"
        return kept(self.request, state, lambda: build().data, until)

    def listed(
        self, rows: Any, body: Callable[..., Any], *, read: Callable[[Any], Any] | None = None
    ) -> Response:
        """The page of a list that is asked for; a serializer makes the bodies of its rows, or of
        what `read` makes of them.
        """
        context = {"request": self.request}
        return self.paged(
            rows, lambda page: body(read(page) if read else page, many=True, context=context).data
        )

    def get_object(self) -> Any:
        find_uuid(self.kwargs[self.lookup_field])
        return super().get_object()


class NowhereView(Endpoint):
    """Every address under /api/ that is none."""

    authentication_classes = ()
    permission_classes = (AllowAny,)
    schema = None

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        raise Http404


def find_uuid(text: str) -> UUID:
    """Read an id of a path; one that is no id is not found either."""
    try:
        return UUID(text)
    except ValueError:
        raise Http404 from None


def all_owned_or_invalid(rows: QuerySet[ModelT], field: str, values: Iterable[str]) -> list[ModelT]:
    """Find all that a body refers to among the tenant's own rows, else 400 `does_not_exist`."""
    wanted = {id_or_none(value) for value in values}
    found = list(rows.filter(pk__in=wanted - {None}))
    if len(found) < len(wanted):
        raise _not_there(field)
    return found


def owned_or_invalid(rows: QuerySet[ModelT], field: str, value: str) -> ModelT:
    """Find what a body refers to among the tenant's own rows, else 400 `does_not_exist`."""
    found = rows.filter(pk=id_or_none(value)).first()
    if found is None:
        raise _not_there(field)
    return found


def _not_there(field: str) -> serializers.ValidationError:
    error = serializers.ErrorDetail("There is no such thing.", code="does_not_exist")
    return serializers.ValidationError({field: [error]})
