"""REST: companies with their MRR, contacts and agreements; importing, linking, syncing."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from django.db.models import Q, QuerySet
from django.http import HttpResponse
from django.shortcuts import get_object_or_404
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema, extend_schema_view
from rest_framework import status
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from agreements import typed
from agreements.api.parameters import KNOWN_AT, read_as_of, read_known_at
from agreements.api.serializers import (
    AgreementSerializer,
    BookVersionSerializer,
    CompanyMrrSerializer,
    TypedUpdateSerializer,
    TypedWriteSerializer,
    agreement_body,
    changed_agreement,
)
from agreements.as_known import company_as_known, known_etag
from agreements.figures import company_figure
from agreements.history import shown_versions, versions_of
from agreements.models import Agreement, CompanyMrr
from agreements.overview import with_mrr
from agreements.versions import company_etag
from audit_site.api.conditional import conditional
from audit_site.api.dry_run import DRY_RUN, rehearsable
from audit_site.api.idempotency import idempotent
from audit_site.api.parameters import AS_OF, flag, invalid, query, read_id
from audit_site.api.permissions import IsMember, IsViewer, ReadOrMember
from audit_site.api.requests import read_body
from audit_site.api.views import PROBLEMS, TenantViewSet, find_uuid, owned_or_invalid
from audit_site.limits import IMPORTS, LOOKUPS, RESYNCS, limited
from companies import services
from companies.api.serializers import (
    CompanyCreateSerializer,
    CompanySerializer,
    CompanyUpdateSerializer,
    ContactSerializer,
    ImportResultSerializer,
    ImportSerializer,
    LinkWriteSerializer,
    RejectedImportSerializer,
    company_bodies,
)
from companies.models import Company
from integrations.api.serializers.links import (
    LinkPreviewSerializer,
    PastLinkSerializer,
    UnlinkSerializer,
)
from integrations.api.serializers.runs import SyncRunSerializer, run_body, started
from integrations.connecting.selectors import list_integrations
from integrations.importing import import_companies
from integrations.importing.linking import owner_of
from integrations.importing.rules import REASONS
from integrations.importing.selectors import companies_with_links
from integrations.links.linking import link_company, unlink_company
from integrations.links.previewing import start_preview
from integrations.links.undoing import undo_link
from integrations.models import CompanyLink, Integration, LinkPreview
from integrations.models.links import CompanyLinkQuerySet
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
class CompanyViewSet(TenantViewSet):
    serializer_class = CompanySerializer
    permission_classes = (ReadOrMember,)

    def get_queryset(self) -> QuerySet[Company]:
        if self.is_schema:
            return Company.objects.none()
        wanted = self.request.query_params if self.action == "list" else {}
        if not wanted:
            return companies_with_links(self.tenant).select_related("tenant")
        rows = companies_with_links(
            self.tenant,
            search=wanted.get("search", ""),
            status=wanted.get("status"),
            integration=read_id(self.request, "integration"),
            linked=flag(self.request, "linked"),
            problem=wanted.get("problem", ""),
        ).select_related("tenant")
        if wanted.get("type"):
            rows = rows.filter(type=wanted["type"])
        currency = wanted.get("currency", "").upper() or self.tenant.currency
        if wanted.get("counting") in {"yes", "no"}:
            rows = self._counting(rows, currency, is_counting=wanted["counting"] == "yes")
        return self._ordered(rows, currency, wanted.get("ordering", ""))

    def hold(self) -> None:
        """Also the company itself: syncs and other changes write it without the tenant's lock."""
        super().hold()
        rows = Company.objects.for_tenant(self.tenant).select_for_update(no_key=True)
        rows.get(pk=self.get_object().pk)

    def _counting(
        self, rows: QuerySet[Company], currency: str, *, is_counting: bool
    ) -> QuerySet[Company]:
        """Only companies that have MRR in a currency, or only those that have none."""
        stored = CompanyMrr.objects.for_tenant(self.tenant).filter(currency=currency)
        counting = Q(pk__in=stored.values("company"))
        return rows.filter(counting if is_counting else ~counting)

    def _ordered(self, rows: QuerySet[Company], currency: str, order: str) -> QuerySet[Company]:
        """By name, or by their stored MRR in a currency."""
        if order in {"mrr", "-mrr"}:
            sign = order.removesuffix("mrr")
            return with_mrr(rows, self.tenant, currency).order_by(f"{sign}mrr_minor", "id")
        return rows

    def _shown(self, companies: Sequence[Company]) -> Any:
        return company_bodies(self.request, companies)

    def _fresh(self, company: Company) -> Any:
        return self._shown([companies_with_links(self.tenant).get(pk=company.pk)])[0]

    def list(self, request: Request) -> Response:
        """List the audITees, by name unless `ordering` says otherwise."""
        page = self.paginate_queryset(self.get_queryset())
        return self.get_paginated_response(self._shown(list(page or [])))

    def retrieve(self, request: Request, pk: str) -> Response:
        """Read one audITee."""
        return Response(self._shown([self.get_object()])[0])

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

    def _integration(self, value: str) -> Integration:
        return owned_or_invalid(list_integrations(self.tenant), "integration", value)

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
        ids = [company.pk for company in result.imported]
        shown = {c.pk: c for c in companies_with_links(self.tenant).filter(pk__in=ids)}
        return {
            "imported": self._shown([shown[pk] for pk in ids]),
            "rejected": RejectedImportSerializer(result.rejected, many=True).data,
            "sync_run": run_body(self.request, result.sync_run) if result.sync_run else None,
        }

    @extend_schema(
        parameters=[DRY_RUN],
        request=LinkWriteSerializer,
        responses={200: CompanySerializer, **PROBLEMS},
    )
    @action(detail=True, methods=["post"], permission_classes=[IsMember])
    @rehearsable
    @idempotent
    def link(self, request: Request, pk: str) -> Response:
        """Link an audITee to a company of a PSA. It takes no place of the licence."""
        company = self.get_object()
        values = read_body(LinkWriteSerializer, request)
        link_company(
            company=company,
            integration=self._integration(values["integration"]),
            external_id=values["external_id"],
            actor=self.actor,
        )
        return Response(self._fresh(company))

    @extend_schema(
        parameters=[DRY_RUN],
        request=UnlinkSerializer,
        responses={200: CompanySerializer, **PROBLEMS},
    )
    @action(detail=True, methods=["post"], permission_classes=[IsMember])
    @rehearsable
    @idempotent
    def unlink(self, request: Request, pk: str) -> Response:
        """End the link: all stays as it was last seen, and becomes yours to edit.

        With `undo` it is as if the link had never been: name, type, contacts and primary contact
        are as before, and what came with it counts on no day.
        """
        company, values = self.get_object(), read_body(UnlinkSerializer, request)
        if values["undo"]:
            undo_link(company=company, actor=self.actor, link_id=self._past_link(company, values))
        elif "link" in values:
            raise invalid("link", "A link is named only to be undone.")
        else:
            unlink_company(company=company, actor=self.actor)
        return Response(self._fresh(company))

    def _past_link(self, company: Company, values: dict[str, Any]) -> UUID | None:
        if "link" not in values:
            return None
        return owned_or_invalid(self._links(company), "link", values["link"]).pk

    def _links(self, company: Company) -> CompanyLinkQuerySet:
        return CompanyLink.objects.for_tenant(self.tenant).filter(company=company)

    @extend_schema(responses={200: PastLinkSerializer(many=True), **PROBLEMS})
    @action(detail=True, permission_classes=[IsViewer])
    def links(self, request: Request, pk: str) -> Response:
        """List its links, the newest first: the one in force, ended ones and undone ones."""
        rows = self._links(self.get_object()).undoable_first()
        page = self.paginate_queryset(
            rows.select_related("integration", "linked_by").order_by("-id")
        )
        context = {"request": request}
        return self.get_paginated_response(
            PastLinkSerializer(page, many=True, context=context).data
        )

    @extend_schema(
        request=LinkWriteSerializer,
        responses={202: LinkPreviewSerializer, **PROBLEMS},
        operation_id="create_link_preview",
    )
    @action(
        detail=True,
        methods=["post"],
        url_path="link/preview",
        url_name="link-previews",
        permission_classes=[IsMember],
    )
    @limited(LOOKUPS)
    @idempotent
    def preview_link(self, request: Request, pk: str) -> Response:
        """Work out what a link would change, money included: the PSA is asked by a worker.

        The same preview that is under way is joined. It is kept for a day.
        """
        company, values = self.get_object(), read_body(LinkWriteSerializer, request)
        preview = start_preview(
            company=company,
            integration=self._integration(values["integration"]),
            external_id=values["external_id"],
            actor=self.actor,
        )
        body = LinkPreviewSerializer(preview, context={"request": request}).data
        return Response(body, status=status.HTTP_202_ACCEPTED)

    @extend_schema(
        responses={200: LinkPreviewSerializer, **PROBLEMS}, operation_id="get_link_preview"
    )
    @action(
        detail=True,
        url_path="link/preview/(?P<preview_id>[^/]+)",
        url_name="link-preview",
        permission_classes=[IsViewer],
    )
    def link_preview(self, request: Request, pk: str, preview_id: str) -> Response:
        """Read a preview; ask again until its state is `done`."""
        rows = LinkPreview.objects.for_tenant(self.tenant).filter(company=self.get_object())
        preview = get_object_or_404(rows.select_related("company"), pk=find_uuid(preview_id))
        return Response(LinkPreviewSerializer(preview, context={"request": request}).data)

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
        page = self.paginate_queryset(self.get_object().contacts.current())
        return self.get_paginated_response(ContactSerializer(page, many=True).data)

    @extend_schema(responses={200: AgreementSerializer(many=True), **PROBLEMS})
    @action(detail=True, permission_classes=[ReadOrMember])
    def agreements(self, request: Request, pk: str) -> Response:
        """List its agreements with their MRR as of today, and why some don't count."""
        company = self.get_object()
        page = self.paginate_queryset(company.agreements.filter(tenant=self.tenant).order_by("id"))
        rows = {row.agreement.pk: row for row in company_figure(company).agreements}
        shown = [rows[agreement.pk] for agreement in page or []]
        context = {"request": request}
        return self.get_paginated_response(
            AgreementSerializer(shown, many=True, context=context).data
        )

    @extend_schema(
        request=TypedWriteSerializer,
        responses={201: AgreementSerializer, **PROBLEMS},
        operation_id="create_agreement",
    )
    @agreements.mapping.post
    @idempotent
    def add_agreement(self, request: Request, pk: str) -> Response:
        """Type an agreement in that no PSA has. Set aside where the audITee is linked."""
        company = self.get_object()
        values = read_body(TypedWriteSerializer, request)
        agreement = typed.add_agreement(company=company, actor=self.actor, values=values)
        body = agreement_body(request, agreement)
        return Response(body, status=status.HTTP_201_CREATED)

    @extend_schema(
        responses={200: AgreementSerializer, **PROBLEMS}, operation_id="get_company_agreement"
    )
    @action(
        detail=True,
        url_path="agreements/(?P<agreement_id>[^/]+)",
        url_name="agreement",
        permission_classes=[ReadOrMember],
    )
    def agreement(self, request: Request, pk: str, agreement_id: str) -> Response:
        """Read one of its agreements; the same as at `/agreements/{id}/`."""
        return Response(agreement_body(request, self._agreement(agreement_id)))

    @extend_schema(
        request=TypedUpdateSerializer,
        responses={200: AgreementSerializer, **PROBLEMS},
        operation_id="update_company_agreement",
    )
    @agreement.mapping.patch
    def change_agreement(self, request: Request, pk: str, agreement_id: str) -> Response:
        """Change one that was typed in here."""
        return changed_agreement(request, self._agreement(agreement_id))

    @extend_schema(responses={204: None, **PROBLEMS}, operation_id="delete_company_agreement")
    @agreement.mapping.delete
    def remove_agreement(self, request: Request, pk: str, agreement_id: str) -> Response:
        """Remove one that was typed in here, from all days; what it said is kept."""
        typed.remove_agreement(agreement=self._agreement(agreement_id), actor=self.actor)
        return Response(status=status.HTTP_204_NO_CONTENT)

    def _agreement(self, agreement_id: str) -> Agreement:
        rows = Agreement.objects.for_tenant(self.tenant).filter(company=self.get_object())
        rows = rows.select_related("tenant", "company__tenant", "integration")
        return get_object_or_404(rows, pk=find_uuid(agreement_id))

    @extend_schema(
        parameters=[AS_OF, KNOWN_AT],
        responses={200: CompanyMrrSerializer, 304: None, **PROBLEMS},
    )
    @action(detail=True, permission_classes=[IsViewer])
    def mrr(self, request: Request, pk: str) -> HttpResponse:
        """Tell its MRR on a day, row by row: the ledger adds up to the totals."""
        company, as_of, at = self.get_object(), read_as_of(request), read_known_at(request)

        def build() -> Any:
            figure = company_as_known(company, at, as_of) if at else company_figure(company, as_of)
            return CompanyMrrSerializer(figure, context={"company": company}).data

        if at is not None:
            return conditional(request, known_etag(self.tenant, at, company.pk), build)
        return conditional(request, company_etag(company), build)

    @extend_schema(responses={200: BookVersionSerializer(many=True), **PROBLEMS})
    @action(detail=True, permission_classes=[IsViewer])
    def versions(self, request: Request, pk: str) -> Response:
        """List what was known of its MRR and since when, newest first, with what changed it."""
        company = self.get_object()
        page = self.paginate_queryset(versions_of(company))
        shown: Any = shown_versions(company, list(page or []))
        return self.get_paginated_response(BookVersionSerializer(shown, many=True).data)
