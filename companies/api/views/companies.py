"""Companies: listed, made by hand, changed, archived, imported, read again."""

from __future__ import annotations

from functools import partial
from typing import Any

from django.http import Http404, HttpResponse
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema, extend_schema_view
from rest_framework import status
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from audit_site.api.dry_run import DRY_RUN, rehearsable
from audit_site.api.idempotency import idempotent
from audit_site.api.parameters import query
from audit_site.api.permissions import IsMember, IsViewer
from audit_site.api.requests import read_body
from audit_site.api.views import PROBLEMS, find_uuid, owned_or_invalid
from audit_site.limits import IMPORTS, RESYNCS, limited
from companies import services
from companies.api.serializers import (
    CompanyCreateSerializer,
    CompanySerializer,
    CompanyUpdateSerializer,
    ContactSerializer,
    ImportResultSerializer,
    ImportSerializer,
    RejectedImportSerializer,
    company_bodies,
)
from companies.api.views.agreements import AgreementActions
from companies.api.views.figures import FigureActions
from companies.api.views.links import LinkActions
from companies.models import Company
from integrations.api.serializers.runs import SyncRunSerializer, run_body, started
from integrations.connecting.selectors import next_end_of_pause
from integrations.importing import import_companies
from integrations.importing.linking import owner_of
from integrations.importing.rules import REASONS
from integrations.runs import starting


@extend_schema_view(
    list=extend_schema(
        parameters=[
            query("search", description="A part of the name."),
            query("status", enum=Company.Status.values),
            query("type", enum=Company.Type.values),
            query("integration", description="Only those that are linked to this one."),
            query("linked", OpenApiTypes.BOOL),
            query("problem", enum=sorted(REASONS), description="Only those flagged with it."),
            query(
                "ordering",
                enum=("name", "mrr", "-mrr"),
                description="By name, or by MRR in `currency`.",
            ),
            query("currency", description="ISO 4217; default: the tenant's own."),
            query(
                "counting",
                enum=("yes", "no"),
                description="`yes` = only those with MRR in `currency`, `no` = only the others.",
            ),
        ],
        responses={200: CompanySerializer(many=True), **PROBLEMS},
    ),
    retrieve=extend_schema(responses={200: CompanySerializer, **PROBLEMS}),
)
class CompanyViewSet(LinkActions, AgreementActions, FigureActions):
    def list(self, request: Request) -> HttpResponse:
        """List the audITees, by name unless `ordering` says otherwise."""
        return self.kept(self._list, partial(next_end_of_pause, self.tenant))

    def _list(self) -> Response:
        rows = self.get_queryset()
        places = [str(name).removeprefix("-") for name in rows.query.order_by]
        rows = rows.prefetch_related(None).values_list(*places, named=True)
        return self.paged(
            rows, lambda page: company_bodies(self.request, [place.id for place in page])
        )

    def retrieve(self, request: Request, pk: str) -> Response:
        """Read one audITee."""
        bodies = company_bodies(request, [find_uuid(pk)])
        if not bodies:
            raise Http404
        return Response(bodies[0])

    @extend_schema(request=CompanyCreateSerializer, responses={201: CompanySerializer, **PROBLEMS})
    @idempotent
    def create(self, request: Request) -> Response:
        """Create an audITee by hand. It takes a place of the licence."""
        values = read_body(CompanyCreateSerializer, request)
        company = services.create_company(tenant=self.tenant, actor=self.actor, **values)
        return Response(self._fresh(company), status=status.HTTP_201_CREATED)

    @extend_schema(request=CompanyUpdateSerializer, responses={200: CompanySerializer, **PROBLEMS})
    def partial_update(self, request: Request, pk: str) -> Response:
        """Change an audITee; `status` archives it and brings it back. The PSA owns linked ones."""
        company = self.get_object()
        values = read_body(CompanyUpdateSerializer, request)
        owner = owner_of(company)
        if isinstance(chosen := values.get("primary_contact"), str):
            people = company.contacts.present().filter(tenant=self.tenant)
            values["primary"] = owned_or_invalid(people, "primary_contact", chosen)
            del values["primary_contact"]
        services.update_company(company=company, actor=self.actor, owned_by=owner, **values)
        return Response(self._fresh(company))

    @extend_schema(responses={204: None, **PROBLEMS})
    def destroy(self, request: Request, pk: str) -> Response:
        """Archive an audITee, which frees its place of the licence."""
        services.archive_company(company=self.get_object(), actor=self.actor)
        return Response(status=status.HTTP_204_NO_CONTENT)

    @extend_schema(
        parameters=[DRY_RUN],
        request=ImportSerializer,
        responses={200: ImportResultSerializer, **PROBLEMS},
        operation_id="import_companies",
    )
    @action(detail=False, methods=["post"], url_path="import", permission_classes=[IsMember])
    @limited(IMPORTS)
    @rehearsable
    @idempotent
    def import_from_psa(self, request: Request) -> Response:
        """Import companies of a PSA, as far as rules and licence allow; agreements follow."""
        values = read_body(ImportSerializer, request)
        external_ids, choices = ImportSerializer.chosen(values)
        result = import_companies.import_companies(
            integration=self._integration(values["integration"]),
            external_ids=external_ids,
            actor=self.actor,
            choices=choices,
        )
        return Response(self._imported(result))

    def _imported(self, result: import_companies.ImportResult) -> dict[str, Any]:
        return {
            "imported": self._shown(result.imported),
            "rejected": RejectedImportSerializer(result.rejected, many=True).data,
            "sync_run": run_body(self.request, result.sync_run) if result.sync_run else None,
        }

    @extend_schema(
        request=None, responses={202: SyncRunSerializer, 200: SyncRunSerializer, **PROBLEMS}
    )
    @action(detail=True, methods=["post"], permission_classes=[IsMember])
    @limited(RESYNCS)
    @idempotent
    def sync(self, request: Request, pk: str) -> Response:
        """Read this audITee and its agreements again: a new run (202), or the one under way."""
        company = self.get_object()
        return started(request, *starting.start_company_sync(company=company, actor=self.actor))

    @extend_schema(responses={200: ContactSerializer(many=True), **PROBLEMS})
    @action(detail=True, permission_classes=[IsViewer])
    def contacts(self, request: Request, pk: str) -> Response:
        """List its contacts, the primary one first."""
        people = self.get_object().contacts.current()
        return self.listed(people, ContactSerializer)
