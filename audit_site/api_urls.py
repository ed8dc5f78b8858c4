"""Every route of the REST API."""

from __future__ import annotations

from django.contrib.auth.decorators import login_not_required
from django.urls import include, path
from drf_spectacular.views import SpectacularSwaggerSplitView
from rest_framework.routers import SimpleRouter

from agreements.api.views import (
    AgreementLineViewSet,
    AgreementViewSet,
    MovementView,
    SeriesView,
    TenantMrrView,
)
from audit_site.account.api.audit_trail import AuditEventViewSet
from audit_site.account.api.people import PersonViewSet
from audit_site.account.api.sessions import SessionViewSet
from audit_site.account.api.tenant_settings import TenantSettingsView
from audit_site.account.api.tokens import TokenViewSet
from audit_site.api.documents import ErrorListView, SchemaView
from audit_site.me import MeView
from companies.api.views import CompanyViewSet
from integrations.api.views.import_batches import ImportBatchViewSet
from integrations.api.views.integrations import IntegrationViewSet, PsaListView
from integrations.api.views.issues import IssueViewSet
from integrations.api.views.link_batches import LinkBatchViewSet
from integrations.api.views.runs import SyncRunViewSet
from integrations.api.views.suggestions import LinkSuggestionViewSet
from integrations.api.views.words import WordViewSet

router = SimpleRouter()
router.register("integrations", IntegrationViewSet, basename="integration")
router.register("import-batches", ImportBatchViewSet, basename="import-batch")
router.register("issues", IssueViewSet, basename="issue")
router.register("sync-runs", SyncRunViewSet, basename="sync-run")
router.register("link-suggestions", LinkSuggestionViewSet, basename="link-suggestion")
router.register("link-batches", LinkBatchViewSet, basename="link-batch")
router.register("companies", CompanyViewSet, basename="company")
router.register("agreements", AgreementViewSet, basename="agreement")
router.register("agreement-lines", AgreementLineViewSet, basename="agreement-line")
router.register("users", PersonViewSet, basename="user")
router.register("tokens", TokenViewSet, basename="token")
router.register("audit-events", AuditEventViewSet, basename="audit-event")

urlpatterns = [
    path("me/", MeView.as_view(), name="me"),
    path("tenant/", TenantSettingsView.as_view(), name="tenant"),
    path("psas/", PsaListView.as_view(), name="psas"),
    path("mrr/", TenantMrrView.as_view(), name="tenant-mrr"),
    path("mrr/series/", SeriesView.as_view(), name="mrr-series"),
    path("mrr/movement/", MovementView.as_view(), name="mrr-movement"),
    path(
        "integrations/<str:pk>/words/",
        WordViewSet.as_view({"get": "list", "post": "create"}),
        name="words",
    ),
    path(
        "integrations/<str:pk>/words/<str:word_id>/",
        WordViewSet.as_view({"get": "retrieve", "patch": "partial_update", "delete": "destroy"}),
        name="word",
    ),
    path(
        "sessions/",
        SessionViewSet.as_view({"get": "list", "delete": "destroy_others"}, basename="session"),
        name="sessions",
    ),
    path(
        "sessions/<str:pk>/",
        SessionViewSet.as_view({"get": "retrieve", "delete": "destroy"}, basename="session"),
        name="session",
    ),
    path("errors/", ErrorListView.as_view(), name="errors"),
    path("schema/", SchemaView.as_view(), name="schema"),
    path(
        "docs/",
        login_not_required(SpectacularSwaggerSplitView.as_view(url_name="schema")),
        name="api-docs",
    ),
    path("", include(router.urls)),
]
