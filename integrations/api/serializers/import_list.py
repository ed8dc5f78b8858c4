"""Bodies of the import list."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from msgspec import Struct
from rest_framework import serializers

from audit_site.api.abilities import Ability, CanField, always
from audit_site.api.permissions import IsMember, IsViewer
from audit_site.api.serializers import (
    FixableReasonSerializer,
)
from integrations.api.serializers.integrations import CheckSerializer
from integrations.importing.import_rows import ImportRow
from integrations.importing.rules import CHECK_NAMES, Reason, has_method
from integrations.importing.suggested import Suggestion
from integrations.models import PsaCompanyRecord, PsaContactRecord


class SuggestedCompanySerializer(serializers.Serializer[Any]):
    id = serializers.CharField()
    name = serializers.CharField()
    score = serializers.IntegerField(min_value=0, max_value=100)


class IgnoredSerializer(serializers.Serializer[Any]):
    at = serializers.DateTimeField()
    by = serializers.CharField()


ROW_ABILITIES: Final[Mapping[str, Ability]] = {
    "import": (IsMember, lambda row: row.is_importable),
    "link": (IsMember, lambda row: row.linked is None),
    "ignore": (IsMember, lambda row: row.linked is None and not row.is_ignored),
    "unignore": (IsMember, lambda row: row.is_ignored),
    "diagnosis": (IsViewer, always),
}


class PsaCompanySerializer(serializers.Serializer[Any]):
    """A company as the PSA shows it, imported or not."""

    # the schema of `PsaCompanyBody`, which is what is written

    external_id = serializers.CharField(read_only=True)
    name = serializers.CharField(read_only=True)
    status = serializers.CharField(read_only=True)
    type = serializers.CharField(read_only=True)
    contact_count = serializers.IntegerField(read_only=True)
    importable = serializers.BooleanField(read_only=True)
    reasons = FixableReasonSerializer(many=True, read_only=True)
    linked_company = serializers.CharField(allow_null=True)
    suggested_company = SuggestedCompanySerializer(allow_null=True, read_only=True)
    ignored = IgnoredSerializer(
        allow_null=True,
        read_only=True,
        help_text="When and by whom it was put aside; null = it is not. Linked ones are not.",
    )
    url = serializers.CharField(read_only=True)
    new = serializers.BooleanField(
        read_only=True, help_text="Whether it came since you last looked at the import list."
    )
    first_seen_at = serializers.DateTimeField(read_only=True)
    seen_at = serializers.DateTimeField(read_only=True)
    can = CanField(ROW_ABILITIES)


class SuggestedBody(Struct):
    id: UUID
    name: str
    score: int


class IgnoredBody(Struct):
    at: datetime
    by: str


class PsaCompanyBody(Struct):
    """A row of the import list as `PsaCompanySerializer` describes it."""

    external_id: str
    name: str
    status: str
    type: str
    contact_count: int
    importable: bool
    reasons: list[Reason]
    linked_company: UUID | None
    suggested_company: SuggestedBody | None
    ignored: IgnoredBody | None
    url: str
    new: bool
    first_seen_at: datetime
    seen_at: datetime
    can: list[str]


def psa_company_body(
    row: ImportRow, suggestion: Suggestion | None, can: list[str]
) -> PsaCompanyBody:
    record, suggested, ignored = row.record, None, None
    if suggestion is not None:
        suggested = SuggestedBody(suggestion.company_id, suggestion.company_name, suggestion.score)
    if row.is_ignored and record.ignored_at is not None:
        ignored = IgnoredBody(record.ignored_at, record.ignored_by_name)
    return PsaCompanyBody(
        record.external_id,
        record.name,
        record.status,
        record.type,
        record.contact_count,
        row.is_importable,
        row.reasons,
        row.linked_id,
        suggested,
        ignored,
        record.url,
        row.is_new,
        record.first_seen_at,
        _seen_at(record),
        can,
    )


def _seen_at(record: PsaCompanyRecord) -> datetime:
    """When the PSA showed it last: the last complete pass saw all that are not gone."""
    passed = record.integration.companies_read_at
    return record.seen_at if record.gone_at or passed is None else max(record.seen_at, passed)


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
