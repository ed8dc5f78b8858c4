"""REST: issues."""

from __future__ import annotations

from django.db.models import QuerySet
from drf_spectacular.utils import extend_schema
from rest_framework import status
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from audit_site.api.idempotency import idempotent
from audit_site.api.permissions import IsAdmin, IsMember
from audit_site.api.views import PROBLEMS, TenantViewSet
from audit_site.limits import RESYNCS, SYNCS, limited
from integrations.api.serializers.issues import IssueSerializer
from integrations.api.serializers.runs import SyncRunSerializer, run_body, started
from integrations.api.views.integrations import STARTED
from integrations.issues import inbox
from integrations.issues.selectors import issue_rows, list_issues
from integrations.models import Issue


class IssueViewSet(TenantViewSet):
    """What to do about one issue of an integration's inbox."""

    serializer_class = IssueSerializer
    permission_classes = (IsMember,)

    def get_queryset(self) -> QuerySet[Issue]:
        return Issue.objects.none() if self.is_schema else list_issues(self.tenant)

    @extend_schema(request=None, responses=STARTED)
    @action(detail=True, methods=["post"])
    @limited(RESYNCS, SYNCS)
    @idempotent
    def retry(self, request: Request, pk: str) -> Response:
        """Read again just the PSA company that it is about, or everything where none is known."""
        return started(request, *inbox.retry(self.get_object(), actor=self.actor))

    @extend_schema(request=None, responses={200: IssueSerializer, **PROBLEMS})
    @action(detail=True, methods=["post"])
    @idempotent
    def dismiss(self, request: Request, pk: str) -> Response:
        """Put it aside for as long as its cause lasts."""
        issue = inbox.dismiss(self.get_object(), actor=self.actor)
        return Response(IssueSerializer(issue_rows([issue])[0], context={"request": request}).data)

    @extend_schema(
        request=None,
        responses={202: SyncRunSerializer, **PROBLEMS},
        operation_id="confirm_issue_gone",
    )
    @action(detail=True, methods=["post"], url_path="confirm-gone", permission_classes=[IsAdmin])
    @limited(SYNCS)
    @idempotent
    def confirm_gone(self, request: Request, pk: str) -> Response:
        """Say yes to `too_many_gone`: a full run marks what the PSA no longer shows as gone."""
        run = inbox.confirm_gone(self.get_object(), actor=self.actor)
        return Response(run_body(request, run), status=status.HTTP_202_ACCEPTED)
