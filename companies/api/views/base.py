"""What all views of companies share."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.db.models import Q, QuerySet

from agreements.models import CompanyMrr
from agreements.overview import with_mrr
from audit_site.api.parameters import flag, read_id
from audit_site.api.permissions import ReadOrMember
from audit_site.api.views import TenantViewSet, owned_or_invalid
from companies.api.serializers import (
    CompanySerializer,
    company_bodies,
)
from companies.models import Company
from integrations.connecting.selectors import list_integrations
from integrations.importing.selectors import companies_with_links
from integrations.models import Integration


class CompanyViews(TenantViewSet):
    """Companies of the tenant, and how they are shown."""

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
        return company_bodies(self.request, [company.pk for company in companies])

    def _fresh(self, company: Company) -> Any:
        return self._shown([company])[0]

    def _integration(self, value: str) -> Integration:
        return owned_or_invalid(list_integrations(self.tenant), "integration", value)
