"""REST: which audITee and which PSA company are probably the same, and confirming that."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.db.models import QuerySet
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema, extend_schema_view
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from audit_site.api.dry_run import DRY_RUN, rehearsable
from audit_site.api.idempotency import idempotent
from audit_site.api.parameters import flag, query, read_id
from audit_site.api.permissions import IsMember, ReadOrMember
from audit_site.api.requests import read_body
from audit_site.api.views import PROBLEMS, TenantViewSet
from audit_site.limits import IMPORTS, limited
from companies.api.serializers import company_bodies
from integrations.api.serializers.runs import run_bodies
from integrations.api.serializers.suggestions import (
    ConfirmedSerializer,
    LinkSuggestionSerializer,
    PairsSerializer,
    RejectedPairSerializer,
    SuggestionsChangedSerializer,
)
from integrations.matching.confirming import ConfirmResult, confirm_pairs
from integrations.matching.dismissing import DismissResult, dismiss_pairs, restore_pairs
from integrations.matching.pairs import AskedPair
from integrations.matching.selectors import list_suggestions
from integrations.models import LinkSuggestion, SuggestionKind


@extend_schema_view(
    list=extend_schema(
        parameters=[
            query("integration", description="Whose companies are suggested."),
            query("company", description="Only those for this audITee."),
            query("kind", enum=SuggestionKind.values),
            query("sure", OpenApiTypes.BOOL, description="Whether it may be confirmed unread."),
            query("dismissed", OpenApiTypes.BOOL, description="Those that somebody called wrong."),
        ],
        responses={200: LinkSuggestionSerializer(many=True), **PROBLEMS},
    ),
)
class LinkSuggestionViewSet(TenantViewSet):
    serializer_class = LinkSuggestionSerializer
    permission_classes = (ReadOrMember,)

    def get_queryset(self) -> QuerySet[LinkSuggestion]:
        if self.is_schema:
            return LinkSuggestion.objects.none()
        return list_suggestions(
            self.tenant,
            integration=read_id(self.request, "integration"),
            company=read_id(self.request, "company"),
            kind=self.request.query_params.get("kind", ""),
            sure=flag(self.request, "sure"),
            dismissed=flag(self.request, "dismissed") is True,
        )

    @extend_schema(
        parameters=[DRY_RUN],
        request=PairsSerializer,
        responses={200: ConfirmedSerializer, **PROBLEMS},
        operation_id="confirm_link_suggestions",
    )
    @action(detail=False, methods=["post"], permission_classes=[IsMember])
    @limited(IMPORTS)
    @rehearsable
    @idempotent
    def confirm(self, request: Request) -> Response:
        """Link pairs that are suggested: those that can be are, each of the others says why not."""
        result = confirm_pairs(tenant=self.tenant, pairs=self._pairs(), actor=self.actor)
        return Response(self._confirmed(result))

    @extend_schema(
        request=PairsSerializer,
        responses={200: SuggestionsChangedSerializer, **PROBLEMS},
        operation_id="dismiss_link_suggestions",
    )
    @action(detail=False, methods=["post"], permission_classes=[IsMember])
    @idempotent
    def dismiss(self, request: Request) -> Response:
        """Say that pairs are not the same: they are not suggested until that is taken back."""
        return self._changed(
            dismiss_pairs(tenant=self.tenant, pairs=self._pairs(), actor=self.actor)
        )

    @extend_schema(
        request=PairsSerializer,
        responses={200: SuggestionsChangedSerializer, **PROBLEMS},
        operation_id="restore_link_suggestions",
    )
    @action(detail=False, methods=["post"], permission_classes=[IsMember])
    @idempotent
    def restore(self, request: Request) -> Response:
        """Take back that pairs are not the same."""
        return self._changed(
            restore_pairs(tenant=self.tenant, pairs=self._pairs(), actor=self.actor)
        )

    def _pairs(self) -> Sequence[AskedPair]:
        return [AskedPair(**pair) for pair in read_body(PairsSerializer, self.request)["pairs"]]

    def _shown(self, rows: Sequence[LinkSuggestion]) -> Any:
        context = {"request": self.request}
        return LinkSuggestionSerializer(rows, many=True, context=context).data

    def _confirmed(self, result: ConfirmResult) -> dict[str, Any]:
        linked = company_bodies(self.request, [link.company_id for link in result.links])
        runs = run_bodies(self.request, result.sync_runs)
        rejected = RejectedPairSerializer(result.rejected, many=True).data
        run = runs[0] if runs else None
        batch = str(result.batch.pk) if result.batch else ""
        return {
            "linked": linked,
            "rejected": rejected,
            "sync_run": run,
            "sync_runs": runs,
            "batch": batch,
        }

    def _changed(self, result: DismissResult) -> Response:
        rejected = RejectedPairSerializer(result.rejected, many=True).data
        return Response({"suggestions": self._shown(result.suggestions), "rejected": rejected})

    def list(self, request: Request) -> Response:
        """List pairs that are probably the same, best first; never one of two equally good ones."""
        return self.paged(self.get_queryset(), self._shown)
