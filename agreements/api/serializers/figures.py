"""Bodies of MRR as of a day: of the tenant, and of a company with its ledger."""

from __future__ import annotations

from datetime import date
from typing import Any

from drf_spectacular.utils import extend_schema_field
from msgspec import Struct
from rest_framework import serializers

from agreements.figures import AgreementRow, CompanyFigure, TenantFigure, Total
from agreements.mrr import LedgerRow
from agreements.mrr.doubts import DOUBTS
from agreements.mrr.ledger import CODES as LEFT_OUT
from agreements.mrr.ledger import WARNING_CODES
from audit_site.api.serializers import (
    MoneySerializer,
    with_from,
)
from companies.models import Company
from integrations.api.serializers.integrations import PsaField
from integrations.importing.linking import link_at, link_of


class AverageSerializer(serializers.Serializer[Any]):
    """What an average month brings."""

    trailing12 = serializers.CharField(help_text="Of the twelve months before that day.")
    forward12 = serializers.CharField(help_text="Of the twelve months from that day on.")


class TotalSerializer(MoneySerializer):
    average = AverageSerializer()


class KnownSerializer(serializers.Serializer[Any]):
    """What is said beside a figure that is asked for with `known_at`, and not otherwise."""

    known_at = serializers.DateTimeField(
        required=False, help_text="The moment of `known_at`, where it was given."
    )
    is_known = serializers.BooleanField(
        required=False,
        help_text="Whether anything was known at that moment; only where `known_at` was given.",
    )

    def to_representation(self, instance: Any) -> dict[str, Any]:
        found: dict[str, Any] = super().to_representation(instance)
        if found.get("known_at") is None:
            for name in ("known_at", "is_known"):
                found.pop(name, None)
        return found


class TenantMrrSerializer(KnownSerializer):
    as_of = serializers.DateField()
    totals = TotalSerializer(many=True)
    companies = serializers.IntegerField(help_text="How many companies count.")


class TenantBody(Struct):
    """A tenant's figure as of now, as `TenantMrrSerializer` describes it."""

    as_of: date
    totals: list[Total]
    companies: int


def tenant_body(figure: TenantFigure) -> TenantBody:
    return TenantBody(figure.as_of, figure.totals, figure.companies)


class LeftOutSerializer(serializers.Serializer[Any]):
    """Why an agreement does not count."""

    code = serializers.ChoiceField(LEFT_OUT)
    message = serializers.CharField()


def reason_of(row: AgreementRow) -> dict[str, str] | None:
    code = row.summary.reason
    return None if code is None else {"code": code, "message": row.sentence}


class MrrAgreementSerializer(serializers.Serializer[AgreementRow]):
    id = serializers.CharField(source="agreement.id")
    external_id = serializers.CharField(source="agreement.external_id")
    mrr = MoneySerializer(source="money")
    included = serializers.BooleanField(source="summary.included")
    reason = serializers.SerializerMethodField()

    @extend_schema_field(LeftOutSerializer(allow_null=True))
    def get_reason(self, row: AgreementRow) -> dict[str, str] | None:
        return reason_of(row)


class AwaitedWordSerializer(serializers.Serializer[Any]):
    kind = serializers.CharField()
    word = serializers.CharField()


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
    reason = serializers.ChoiceField(LEFT_OUT, allow_null=True)
    through = serializers.DateField(source="last_day", allow_null=True)
    cycle = serializers.CharField(allow_null=True)
    factor = serializers.CharField(allow_null=True)
    per_cycle_exact = serializers.CharField(
        allow_null=True, help_text="What a cycle brings, as a fraction."
    )
    rate_exact = serializers.CharField(
        allow_null=True, help_text="What a month brings, as a fraction."
    )
    mrr_exact = serializers.CharField(
        allow_null=True, help_text="What counts of it, as a fraction."
    )
    mrr = serializers.CharField()
    formula = serializers.CharField(allow_blank=True, help_text="How the amount comes about.")
    sentence = serializers.CharField(help_text="Why it counts or not, for a person.")
    warnings = serializers.ListField(child=serializers.ChoiceField(WARNING_CODES))
    right = serializers.ListField(
        child=serializers.ChoiceField(DOUBTS),
        help_text="Warnings of which somebody said that it is right as it is.",
    )
    awaits = AwaitedWordSerializer(
        source="awaited",
        allow_null=True,
        help_text="The word whose meaning nobody has said, where that keeps it out.",
    )

    def get_fields(self) -> dict[str, Any]:
        first_day = serializers.DateField(source="first_day", allow_null=True)
        return with_from(super().get_fields(), "through", first_day)


class SourceSerializer(serializers.Serializer[Any]):
    psa = PsaField(allow_null=True)
    integration = serializers.CharField(allow_null=True)
    last_synced_at = serializers.DateTimeField(allow_null=True)


class CompanyMrrSerializer(KnownSerializer):
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
        at = figure.known_at
        link = link_of(company) if at is None else link_at(company, at)
        synced_at = link.last_synced_at if link else None
        if at and synced_at and synced_at > at:
            synced_at = None  # when it was read before that is not kept
        return SourceSerializer(
            {
                "psa": link.integration.psa if link else None,
                "integration": str(link.integration_id) if link else None,
                "last_synced_at": synced_at,
            }
        ).data
