from __future__ import annotations

from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from agreements.mrr import LedgerRow
from agreements.selectors import AgreementRow, CompanyFigure
from audit_site.api.serializers import MoneySerializer, ReasonSerializer
from companies.models import Company


class AverageSerializer(serializers.Serializer[Any]):
    trailing12 = serializers.CharField()
    forward12 = serializers.CharField()


class TotalSerializer(MoneySerializer):
    average = AverageSerializer()


class TenantMrrSerializer(serializers.Serializer[Any]):
    as_of = serializers.DateField()
    totals = TotalSerializer(many=True)
    companies = serializers.IntegerField(help_text="How many companies count.")


def reason_of(row: AgreementRow) -> dict[str, str] | None:
    code = row.summary.reason
    return None if code is None else {"code": code, "message": row.sentence}


class AgreementSerializer(serializers.Serializer[Any]):
    """An agreement with what it comes to; `status` is the PSA's own word."""

    id = serializers.CharField(source="agreement.id")
    external_id = serializers.CharField(source="agreement.external_id")
    name = serializers.CharField(source="agreement.name")
    type = serializers.CharField(source="agreement.type")
    status = serializers.CharField(source="agreement.status")
    recurring = serializers.SerializerMethodField()
    start_date = serializers.DateField(source="agreement.start_date", allow_null=True)
    end_date = serializers.SerializerMethodField()
    currency = serializers.CharField(source="summary.currency")
    billing_cycle = serializers.CharField(source="agreement.cycle_label")
    included = serializers.BooleanField(source="summary.included")
    reason = serializers.SerializerMethodField()
    mrr = serializers.SerializerMethodField()
    gone_at = serializers.DateTimeField(source="agreement.gone_at", allow_null=True)

    def get_recurring(self, row: AgreementRow) -> bool:
        return row.summary.reason not in {"not_recurring", "one_time"}

    @extend_schema_field(serializers.DateField(allow_null=True))
    def get_end_date(self, row: AgreementRow) -> str | None:
        agreement = row.agreement
        has_end = agreement.end_date and not agreement.no_end
        return agreement.end_date.isoformat() if has_end and agreement.end_date else None

    @extend_schema_field(ReasonSerializer(allow_null=True))
    def get_reason(self, row: AgreementRow) -> dict[str, str] | None:
        return reason_of(row)

    @extend_schema_field(MoneySerializer)
    def get_mrr(self, row: AgreementRow) -> dict[str, str]:
        return dict(row.money)  # type: ignore[arg-type]


class MrrAgreementSerializer(serializers.Serializer[AgreementRow]):
    id = serializers.CharField(source="agreement.id")
    external_id = serializers.CharField(source="agreement.external_id")
    mrr = MoneySerializer(source="money")
    included = serializers.BooleanField(source="summary.included")
    reason = serializers.SerializerMethodField()

    @extend_schema_field(ReasonSerializer(allow_null=True))
    def get_reason(self, row: AgreementRow) -> dict[str, str] | None:
        return reason_of(row)


class LedgerRowSerializer(serializers.Serializer[LedgerRow]):
    """One entry of the ledger. `agreement` and `line` are our ids, null where there is none."""

    row_id = serializers.CharField()
    agreement = serializers.CharField(source="agreement_ref.pk", default=None, allow_null=True)
    line = serializers.CharField(source="line_ref.pk", default=None, allow_null=True)
    agreement_id = serializers.CharField(allow_null=True)
    company_id = serializers.CharField(allow_null=True)
    parent_id = serializers.CharField(allow_null=True)
    source = serializers.CharField(allow_null=True)  # type: ignore[assignment]
    kind = serializers.ChoiceField(("flat", "addition", "service", "bundle", "rounding"))
    currency = serializers.CharField()
    included = serializers.BooleanField()
    reason = serializers.CharField(allow_null=True)
    through = serializers.DateField(source="last_day", allow_null=True)
    cycle = serializers.CharField(allow_null=True)
    factor = serializers.CharField(allow_null=True)
    per_cycle_exact = serializers.CharField(allow_null=True)
    rate_exact = serializers.CharField(allow_null=True)
    mrr_exact = serializers.CharField(allow_null=True)
    mrr = serializers.CharField()
    formula = serializers.CharField(allow_blank=True)
    sentence = serializers.CharField()
    warnings = serializers.ListField(child=serializers.CharField())

    def get_fields(self) -> dict[str, Any]:
        """`from` is a word of Python's: it joins the others here."""
        fields = super().get_fields()
        first_day = serializers.DateField(source="first_day", allow_null=True)
        ordered: dict[str, Any] = {}
        for name, field in fields.items():
            if name == "through":
                ordered["from"] = first_day
            ordered[name] = field
        return ordered


class SourceSerializer(serializers.Serializer[Any]):
    psa = serializers.CharField(allow_null=True)
    integration = serializers.CharField(allow_null=True)
    last_synced_at = serializers.DateTimeField(allow_null=True)


class CompanyMrrSerializer(serializers.Serializer[CompanyFigure]):
    as_of = serializers.DateField()
    company = serializers.SerializerMethodField()
    totals = TotalSerializer(many=True)
    agreements = MrrAgreementSerializer(many=True)
    ledger = LedgerRowSerializer(many=True)
    source = serializers.SerializerMethodField()  # type: ignore[assignment]

    def get_company(self, figure: CompanyFigure) -> str:
        return str(self.context["company"].pk)

    @extend_schema_field(SourceSerializer)
    def get_source(self, figure: CompanyFigure) -> dict[str, Any]:
        company: Company = self.context["company"]
        link = company.current_link
        return SourceSerializer(
            {
                "psa": link.integration.psa if link else None,
                "integration": str(link.integration_id) if link else None,
                "last_synced_at": link.last_synced_at if link else None,
            }
        ).data
