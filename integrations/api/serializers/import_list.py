"""Bodies of the import list."""

from __future__ import annotations

from typing import Any

from drf_spectacular.utils import (
    extend_schema_field,
)
from rest_framework import serializers

from audit_site.api.abilities import CanField, always
from audit_site.api.permissions import IsMember, IsViewer
from audit_site.api.serializers import (
    FixableReasonSerializer,
)
from integrations.api.serializers.integrations import CheckSerializer
from integrations.importing.import_rows import ImportRow
from integrations.importing.rules import CHECK_NAMES, Reason, has_method
from integrations.models import PsaContactRecord


class SuggestedCompanySerializer(serializers.Serializer[Any]):
    id = serializers.CharField(source="company_id")
    name = serializers.CharField(source="company_name")
    score = serializers.IntegerField(min_value=0, max_value=100)


class IgnoredSerializer(serializers.Serializer[Any]):
    at = serializers.DateTimeField(source="ignored_at")
    by = serializers.CharField(source="ignored_by_name")


class PsaCompanySerializer(serializers.Serializer[Any]):
    """A company as the PSA shows it, imported or not."""

    # the context has `request`, and `suggested`, the suggestions by the row's id

    external_id = serializers.CharField(source="record.external_id", read_only=True)
    name = serializers.CharField(source="record.name", read_only=True)
    status = serializers.CharField(source="record.status", read_only=True)
    type = serializers.CharField(source="record.type", read_only=True)
    contact_count = serializers.IntegerField(source="record.contact_count", read_only=True)
    importable = serializers.BooleanField(source="is_importable", read_only=True)
    reasons = serializers.SerializerMethodField()
    linked_company = serializers.CharField(source="linked_id", allow_null=True)
    suggested_company = serializers.SerializerMethodField()
    ignored = serializers.SerializerMethodField(
        help_text="When and by whom it was put aside; null = it is not. Linked ones are not."
    )
    url = serializers.CharField(source="record.url", read_only=True)
    new = serializers.SerializerMethodField(
        help_text="Whether it came since you last looked at the import list."
    )
    first_seen_at = serializers.DateTimeField(source="record.first_seen_at", read_only=True)
    seen_at = serializers.SerializerMethodField()
    can = CanField(
        {
            "import": (IsMember, lambda row: row.is_importable),
            "link": (IsMember, lambda row: row.linked is None),
            "ignore": (IsMember, lambda row: row.linked is None and not row.is_ignored),
            "unignore": (IsMember, lambda row: row.is_ignored),
            "diagnosis": (IsViewer, always),
        }
    )

    @extend_schema_field(FixableReasonSerializer(many=True))
    def get_reasons(self, row: ImportRow) -> list[Reason]:
        return row.reasons

    @extend_schema_field(SuggestedCompanySerializer(allow_null=True))
    def get_suggested_company(self, row: ImportRow) -> Any:
        suggestion = self.context["suggested"].get(row.record.pk)
        return SuggestedCompanySerializer(suggestion).data if suggestion else None

    @extend_schema_field(IgnoredSerializer(allow_null=True))
    def get_ignored(self, row: ImportRow) -> Any:
        return IgnoredSerializer(row.record).data if row.is_ignored else None

    def get_new(self, row: ImportRow) -> bool:
        return row.is_new

    @extend_schema_field(serializers.DateTimeField())
    def get_seen_at(self, row: ImportRow) -> str:
        """When the PSA showed it last: the last complete pass saw all that are not gone."""
        record = row.record
        passed = record.integration.companies_read_at
        seen = record.seen_at if record.gone_at or passed is None else max(record.seen_at, passed)
        return serializers.DateTimeField().to_representation(seen)


class PsaContactSerializer(serializers.Serializer[Any]):
    """A contact of a PSA company; the context has `primary`, the id of the preselected one."""

    external_id = serializers.CharField()
    first_name = serializers.CharField(allow_blank=True)
    last_name = serializers.CharField(allow_blank=True)
    email = serializers.CharField(allow_blank=True)
    phone = serializers.CharField(allow_blank=True)
    is_active = serializers.BooleanField()
    is_primary = serializers.SerializerMethodField(
        help_text="Whether an import makes it the primary one, unless another is chosen."
    )
    can_be_primary = serializers.SerializerMethodField(
        help_text="Whether it is active, with an e-mail address or a phone number."
    )

    def get_is_primary(self, person: PsaContactRecord) -> bool:
        return bool(person.external_id == self.context["primary"])

    def get_can_be_primary(self, person: PsaContactRecord) -> bool:
        return person.is_active and has_method(person)


class ImportCheckSerializer(CheckSerializer):
    """One check on the way to an import."""

    name = serializers.ChoiceField(CHECK_NAMES)


class DiagnosisSerializer(serializers.Serializer[Any]):
    """Whether a PSA company can be imported right now, and where it fails."""

    importable = serializers.BooleanField()
    checks = ImportCheckSerializer(many=True)


class HitSerializer(serializers.Serializer[Any]):
    """A company that the PSA has right now; texts are empty where its record can't be read."""

    external_id = serializers.CharField()
    name = serializers.CharField(allow_blank=True)
    status = serializers.CharField(allow_blank=True)
    type = serializers.CharField(allow_blank=True)
    url = serializers.CharField(
        allow_blank=True, help_text="Opens it in the PSA's own pages; empty = not known."
    )
    listed = serializers.BooleanField(
        source="is_listed", help_text="Whether a sync has read it, so that it can be imported."
    )
    diagnosis = DiagnosisSerializer()


class HitsSerializer(serializers.Serializer[Any]):
    """What the PSA found, at most 10 companies."""

    hits = HitSerializer(many=True)
    has_more = serializers.BooleanField(
        help_text="The PSA was not looked through to its end: ask with more of the name."
    )
