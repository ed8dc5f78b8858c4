"""Bodies of the import list."""

from __future__ import annotations

from typing import Any

from drf_spectacular.utils import (
    extend_schema_field,
)
from rest_framework import serializers

from audit_site.api.serializers import (
    FixableReasonSerializer,
)
from integrations.api.serializers.integrations import CheckSerializer
from integrations.importing.selectors import is_new, reasons_of
from integrations.models import (
    PsaCompanyRecord,
)


class PsaCompanySerializer(serializers.ModelSerializer[PsaCompanyRecord]):
    importable = serializers.SerializerMethodField()
    reasons = serializers.SerializerMethodField()
    linked_company = serializers.CharField(source="linked_company_id", allow_null=True)
    suggested_company = serializers.SerializerMethodField()
    new = serializers.SerializerMethodField(
        help_text="Whether it came since you last looked at the import list."
    )
    seen_at = serializers.SerializerMethodField()

    class Meta:
        model = PsaCompanyRecord
        fields = (
            "external_id",
            "name",
            "status",
            "type",
            "contact_count",
            "importable",
            "reasons",
            "linked_company",
            "suggested_company",
            "url",
            "new",
            "first_seen_at",
            "seen_at",
        )
        read_only_fields = fields

    def get_importable(self, record: PsaCompanyRecord) -> bool:
        return record.importable and not getattr(record, "linked_company_id", None)

    @extend_schema_field(FixableReasonSerializer(many=True))
    def get_reasons(self, record: PsaCompanyRecord) -> list[dict[str, str]]:
        return [dict(reason) for reason in reasons_of(record)]  # type: ignore[arg-type]

    @extend_schema_field(
        {
            "type": ["object", "null"],
            "properties": {
                "id": {"type": "string"},
                "name": {"type": "string"},
                "score": {"type": "number"},
            },
        }
    )
    def get_suggested_company(self, record: PsaCompanyRecord) -> None:
        """No company is suggested unless the product is sure enough to say why."""

    def get_new(self, record: PsaCompanyRecord) -> bool:
        """Needs `since` in the context: up to when the person has seen the list."""
        return is_new(record, self.context["since"])

    @extend_schema_field(serializers.DateTimeField())
    def get_seen_at(self, record: PsaCompanyRecord) -> str:
        """When the PSA showed it last: the last complete pass saw all that are not gone."""
        passed = record.integration.companies_read_at
        seen = record.seen_at if record.gone_at or passed is None else max(record.seen_at, passed)
        return serializers.DateTimeField().to_representation(seen)


class DiagnosisSerializer(serializers.Serializer[Any]):
    importable = serializers.BooleanField()
    checks = CheckSerializer(many=True)
