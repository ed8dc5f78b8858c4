"""REST: PSAs, integrations and their import lists."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from functools import partial
from typing import Any

from django.db import transaction
from django.db.models import QuerySet
from django.http import Http404, HttpResponse
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema, extend_schema_view
from rest_framework import status
from rest_framework.decorators import action
from rest_framework.generics import get_object_or_404
from rest_framework.request import Request
from rest_framework.response import Response

from audit_site.api.abilities import allowed
from audit_site.api.idempotency import idempotent
from audit_site.api.parameters import flag, invalid, query
from audit_site.api.permissions import IsMember, IsViewer, ReadOrAdmin
from audit_site.api.requests import read_body
from audit_site.api.views import (
    PROBLEMS,
    Endpoint,
    TenantViewSet,
    asks_psa,
    find_uuid,
    owned_or_invalid,
)
from audit_site.db.lengths import length_of
from audit_site.limits import LOOKUPS, SYNCS, TESTS, limited
from integrations.api.serializers.import_list import (
    ROW_ABILITIES,
    DiagnosisSerializer,
    HitsSerializer,
    PsaCompanySerializer,
    PsaContactSerializer,
    psa_company_body,
)
from integrations.api.serializers.integrations import (
    ConnectionTestSerializer,
    IntegrationCreateSerializer,
    IntegrationSerializer,
    IntegrationUpdateSerializer,
    PauseSerializer,
    PsaSerializer,
    connection_bodies,
)
from integrations.api.serializers.issues import IssueSerializer
from integrations.api.serializers.runs import SyncRunSerializer, started
from integrations.api.serializers.suggestions import LinkMatchingSerializer, MoveSerializer
from integrations.connecting import connection_test, lifecycle
from integrations.connecting.selectors import INTEGRATION, list_integrations, next_end_of_pause
from integrations.importing import diagnosis, finding, ignoring
from integrations.importing.connection_cards import connection_cards
from integrations.importing.import_rows import import_rows
from integrations.importing.rules import REASONS
from integrations.importing.selectors import contacts_of, list_psa_companies, looked_at
from integrations.importing.suggested import is_suggested, suggestions_for
from integrations.issues import inbox
from integrations.issues.selectors import issue_rows, list_issues
from integrations.matching.moving import propose_moves
from integrations.matching.selectors import moves_of
from integrations.models import Integration, PsaCompanyRecord, lock_integration
from integrations.psa import registry
from integrations.runs import pausing, schedule, starting

#: What starting a run answers: 202 with a new one, 200 with the one that was under way.
STARTED: dict[Any, Any] = {202: SyncRunSerializer, 200: SyncRunSerializer, **PROBLEMS}


class PsaListView(Endpoint):
    @extend_schema(responses={200: PsaSerializer(many=True), **PROBLEMS}, operation_id="list_psas")
    def get(self, request: Request) -> Response:
        """List every PSA that can be connected, with its form and guide."""
        return Response(PsaSerializer(registry.infos(), many=True).data)


@extend_schema_view(
    list=extend_schema(
        parameters=[query("status", enum=Integration.Status.values)],
        responses={200: IntegrationSerializer(many=True), **PROBLEMS},
    ),
    retrieve=extend_schema(responses={200: IntegrationSerializer, **PROBLEMS}),
)
class IntegrationViewSet(TenantViewSet):
    serializer_class = IntegrationSerializer
    permission_classes = (ReadOrAdmin,)

    def get_queryset(self) -> QuerySet[Integration]:
        if self.is_schema:
            return Integration.objects.none()
        wanted = self.request.query_params.get("status") if self.action == "list" else None
        if self.action in {"list", "partial_update", "destroy"} or wanted:
            return list_integrations(self.tenant, status=wanted)
        return list_integrations(self.tenant, status=None) | (
            list_integrations(self.tenant, status=Integration.Status.DISCONNECTED)
        )

    def list(self, request: Request) -> Response:
        """List the connected PSAs, the oldest first."""
        return self.paged(self.get_queryset(), lambda page: self._shown(*page))

    def retrieve(self, request: Request, pk: str) -> Response:
        """Read one integration: its keys (no secrets), health, last test and last sync."""
        return Response(self._shown(self.get_object())[0])

    @extend_schema(
        request=IntegrationCreateSerializer, responses={201: IntegrationSerializer, **PROBLEMS}
    )
    @limited(TESTS)
    @idempotent
    def create(self, request: Request) -> Response:
        """Connect a PSA: what is saved is tested by itself, and `last_test` tells how that goes."""
        values = read_body(IntegrationCreateSerializer, request)
        chosen = values.pop("schedule", {})
        with transaction.atomic():
            integration, _ = lifecycle.create_integration(
                tenant=self.tenant, actor=self.actor, **values
            )
            schedule.set_schedule(integration=integration, actor=self.actor, **chosen)
        return Response(self._fresh(integration), status=status.HTTP_201_CREATED)

    @extend_schema(
        request=IntegrationUpdateSerializer, responses={200: IntegrationSerializer, **PROBLEMS}
    )
    @limited(TESTS)
    def partial_update(self, request: Request, pk: str) -> Response:
        """Change name, schedule or keys. New keys are tested before they take over."""
        integration = self.get_object()
        values = read_body(IntegrationUpdateSerializer, request)
        chosen = values.pop("schedule", {})
        with transaction.atomic():
            lifecycle.update_integration(integration=integration, actor=self.actor, **values)
            schedule.set_schedule(integration=integration, actor=self.actor, **chosen)
        return Response(self._fresh(integration))

    @extend_schema(responses={204: None, **PROBLEMS})
    def destroy(self, request: Request, pk: str) -> Response:
        """Disconnect: the keys are destroyed; companies, agreements and MRR stay as they are."""
        lifecycle.disconnect_integration(integration=self.get_object(), actor=self.actor)
        return Response(status=status.HTTP_204_NO_CONTENT)

    def hold(self) -> None:
        lock_integration(self.get_object())

    def _fresh(self, integration: Integration) -> Any:
        return self._shown(list_integrations(self.tenant).get(pk=integration.pk))[0]

    def _shown(self, *integrations: Integration) -> Any:
        return connection_bodies(
            self.request, connection_cards(self.tenant, self.actor, integrations)
        )

    @extend_schema(request=None, responses={202: ConnectionTestSerializer, **PROBLEMS})
    @action(detail=True, methods=["post"], permission_classes=[IsMember])
    @limited(TESTS)
    @idempotent
    def test(self, request: Request, pk: str) -> Response:
        """Test the keys in use; the test under way is joined."""
        integration = self.get_object()
        test = connection_test.start_connection_test(integration=integration, actor=self.actor)
        return Response(ConnectionTestSerializer(test).data, status=status.HTTP_202_ACCEPTED)

    @extend_schema(
        responses={200: ConnectionTestSerializer, **PROBLEMS}, operation_id="get_integration_test"
    )
    @action(
        detail=True,
        url_path="tests/(?P<test_id>[^/]+)",
        url_name="test-detail",
        permission_classes=[IsViewer],
    )
    def test_detail(self, request: Request, pk: str, test_id: str) -> Response:
        """Read a connection test, check by check as they come."""
        tests = self.get_object().tests.filter(tenant=self.tenant)
        test = get_object_or_404(tests, pk=find_uuid(test_id))
        return Response(ConnectionTestSerializer(test).data)

    @extend_schema(request=None, responses=STARTED)
    @action(detail=True, methods=["post"], permission_classes=[IsMember])
    @limited(SYNCS)
    @idempotent
    def sync(self, request: Request, pk: str) -> Response:
        """Sync now: a new run (202), or the one that is under way (200)."""
        return started(
            request, *starting.start_sync_run(integration=self.get_object(), actor=self.actor)
        )

    @extend_schema(request=PauseSerializer, responses={200: IntegrationSerializer, **PROBLEMS})
    @action(detail=True, methods=["post"])
    @idempotent
    def pause(self, request: Request, pk: str) -> Response:
        """Start nothing by itself until a moment, or until somebody resumes it."""
        integration = self.get_object()
        values = read_body(PauseSerializer, request)
        pausing.pause_integration(integration=integration, actor=self.actor, **values)
        return Response(self._fresh(integration))

    @extend_schema(request=None, responses={200: IntegrationSerializer, **PROBLEMS})
    @action(detail=True, methods=["post"])
    @idempotent
    def resume(self, request: Request, pk: str) -> Response:
        """End a pause: what was due meanwhile starts."""
        integration = self.get_object()
        pausing.resume_integration(integration=integration, actor=self.actor)
        return Response(self._fresh(integration))

    @extend_schema(
        parameters=[
            query("state", enum=("open", "dismissed", "closed"), description="Default: all."),
        ],
        responses={200: IssueSerializer(many=True), **PROBLEMS},
        operation_id="list_integration_issues",
    )
    @action(detail=True, url_path="issues", url_name="issues", permission_classes=[IsViewer])
    def list_issues(self, request: Request, pk: str) -> Response:
        """List what a person should know of this integration, the newest first."""
        rows = list_issues(
            self.tenant,
            integration=self.get_object(),
            state=request.query_params.get("state", ""),
        )
        return self.listed(rows, IssueSerializer, read=issue_rows)

    @extend_schema(request=None, responses=STARTED, operation_id="retry_integration_issues")
    @action(
        detail=True,
        methods=["post"],
        url_path="issues/retry",
        url_name="retry-issues",
        permission_classes=[IsMember],
    )
    @limited(SYNCS)
    @idempotent
    def retry_issues(self, request: Request, pk: str) -> Response:
        """Read everything again."""
        return started(request, *inbox.retry_all(self.get_object(), actor=self.actor))

    @extend_schema(
        parameters=[
            query("search", description="A part of the name, or the PSA's id."),
            query("importable", OpenApiTypes.BOOL),
            query("linked", OpenApiTypes.BOOL),
            query("ignored", OpenApiTypes.BOOL, description="Whether somebody put it aside."),
            query(
                "suggested",
                OpenApiTypes.BOOL,
                description="Whether `suggested_company` names an audITee.",
            ),
            query("status", description="The PSA's own word, whatever its case."),
            query("type", description="The PSA's own word, whatever its case."),
            query("reason", enum=sorted(REASONS), description="Why it can't be imported."),
            query(
                "new",
                OpenApiTypes.BOOL,
                description="Whether it came since you last looked at the import list (nothing did "
                "when you never looked). Asking here is not looking.",
            ),
        ],
        responses={200: PsaCompanySerializer(many=True), **PROBLEMS},
    )
    @action(detail=True, url_path="psa-companies", permission_classes=[IsViewer])
    def psa_companies(self, request: Request, pk: str) -> HttpResponse:
        """List the PSA's companies, and why some of them can't be imported, by name."""
        return self.kept(self._psa_companies, partial(next_end_of_pause, self.tenant))

    def _psa_companies(self) -> Response:
        request, pk = self.request, self.kwargs["pk"]
        integration = INTEGRATION.first(self.tenant.pk, find_uuid(pk))
        if integration is None:
            raise Http404
        since = looked_at(integration, self.actor)
        rows = list_psa_companies(
            integration,
            search=request.query_params.get("search", ""),
            importable=flag(request, "importable"),
            linked=flag(request, "linked"),
            ignored=flag(request, "ignored"),
            status=request.query_params.get("status", ""),
            type=request.query_params.get("type", ""),
            reason=request.query_params.get("reason", ""),
            new=flag(request, "new"),
            since=since,
        )
        if (suggested := flag(request, "suggested")) is not None:
            rows = rows.filter(is_suggested() if suggested else ~is_suggested())
        return self.paged(rows, lambda page: self._psa_company_bodies(request, page, since))

    def _psa_company_bodies(
        self, request: Request, records: Sequence[PsaCompanyRecord], since: datetime | None
    ) -> Any:
        """Rows of the import list with the audITees that are suggested for them."""
        suggested, can = suggestions_for(records), allowed(ROW_ABILITIES, request)
        return [
            psa_company_body(row, suggested.get(row.record.pk), can(row))
            for row in import_rows(records, since)
        ]

    @extend_schema(
        request=None,
        responses={200: PsaCompanySerializer, **PROBLEMS},
        operation_id="ignore_psa_company",
    )
    @action(
        detail=True,
        methods=["post"],
        url_path="psa-companies/(?P<external_id>[^/]+)/ignore",
        permission_classes=[IsMember],
    )
    @idempotent
    def ignore(self, request: Request, pk: str, external_id: str) -> Response:
        """Put a PSA company aside: it is neither new nor among those that can be added."""
        integration = self.get_object()
        ignoring.ignore_company(integration=integration, external_id=external_id, actor=self.actor)
        return self._psa_company(request, integration, external_id)

    @extend_schema(
        request=None,
        responses={200: PsaCompanySerializer, **PROBLEMS},
        operation_id="unignore_psa_company",
    )
    @action(
        detail=True,
        methods=["post"],
        url_path="psa-companies/(?P<external_id>[^/]+)/unignore",
        permission_classes=[IsMember],
    )
    @idempotent
    def unignore(self, request: Request, pk: str, external_id: str) -> Response:
        """Take back that a PSA company was put aside."""
        integration = self.get_object()
        ignoring.unignore_company(
            integration=integration, external_id=external_id, actor=self.actor
        )
        return self._psa_company(request, integration, external_id)

    @extend_schema(
        responses={200: PsaContactSerializer(many=True), **PROBLEMS},
        operation_id="list_psa_company_contacts",
    )
    @action(
        detail=True,
        url_path="psa-companies/(?P<external_id>[^/]+)/contacts",
        permission_classes=[IsViewer],
    )
    def psa_contacts(self, request: Request, pk: str, external_id: str) -> Response:
        """List the contacts of a PSA company, one of which becomes the primary contact."""
        records = list_psa_companies(self.get_object()).filter(external_id=external_id)
        record = get_object_or_404(records)
        context = {"primary": record.primary_contact_id}
        return self.paged(
            contacts_of(record),
            lambda page: PsaContactSerializer(page, many=True, context=context).data,
        )

    def _psa_company(
        self, request: Request, integration: Integration, external_id: str
    ) -> Response:
        """A row of the import list as it is now."""
        records = list(list_psa_companies(integration).filter(external_id=external_id))
        since = looked_at(integration, self.actor)
        return Response(self._psa_company_bodies(request, records, since)[0])

    @extend_schema(
        request=MoveSerializer,
        responses={202: LinkMatchingSerializer, **PROBLEMS},
        operation_id="propose_moves",
    )
    @action(detail=True, methods=["post"], url_path="move-links")
    @idempotent
    def move_links(self, request: Request, pk: str) -> Response:
        """Have it worked out which audITees may move to which companies of another account.

        They are suggestions of kind `move` then; only those that are confirmed move.
        """
        source, values = self.get_object(), read_body(MoveSerializer, request)
        target = owned_or_invalid(list_integrations(self.tenant), "to", values["to"])
        matching = propose_moves(source=source, target=target, actor=self.actor)
        return Response(LinkMatchingSerializer(matching).data, status=status.HTTP_202_ACCEPTED)

    @extend_schema(
        responses={200: LinkMatchingSerializer(many=True), **PROBLEMS}, operation_id="list_moves"
    )
    @move_links.mapping.get
    def list_moves(self, request: Request, pk: str) -> Response:
        """List the moves that were asked for from or to this account, the newest first."""
        moves = moves_of(self.get_object())
        return self.listed(moves, LinkMatchingSerializer)

    @extend_schema(
        responses={200: DiagnosisSerializer, **PROBLEMS}, operation_id="diagnose_psa_company"
    )
    @action(
        detail=True,
        url_path="psa-companies/(?P<external_id>[^/]+)/diagnosis",
        permission_classes=[IsViewer],
    )
    @limited(LOOKUPS)
    @asks_psa
    def diagnosis(self, request: Request, pk: str, external_id: str) -> Response:
        """Ask the PSA right now whether a company can be imported, check by check."""
        found = diagnosis.diagnose(integration=self.get_object(), external_id=external_id)
        return Response(DiagnosisSerializer(found).data)

    @extend_schema(
        parameters=[query("q", description="The company's id, or a part of its name.")],
        responses={200: HitsSerializer, **PROBLEMS},
        operation_id="find_psa_companies",
    )
    @action(detail=True, permission_classes=[IsViewer])
    @limited(LOOKUPS)
    @asks_psa
    def find(self, request: Request, pk: str) -> Response:
        """Ask the PSA right now for companies by id and name, and what each needs to be imported.

        At most 10 hits, that of the id first. No hits and no `has_more`: the PSA has none.
        """
        found = finding.find_companies(integration=self.get_object(), text=asked_text(request))
        return Response(HitsSerializer(found).data)


def asked_text(request: Request) -> str:
    """What `q` asks for: something, no longer than a name can be."""
    text: str = request.query_params.get("q", "").strip()
    if not text:
        raise invalid("q", "Say what to look for: an id, or a part of a name.", "required")
    if len(text) > length_of(PsaCompanyRecord, "name"):
        raise invalid("q", "This is longer than any name of a company.")
    return text
