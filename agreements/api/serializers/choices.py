"""Bodies of what people decided."""

from __future__ import annotations

from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from agreements.decisions import MOST_NOTE_LENGTH
from agreements.models import Agreement, AgreementLine, ChoiceRecord
from audit_site.api.serializers import (
    StrictSerializer,
    ValuesField,
)


class LineChoicesWriteSerializer(StrictSerializer):
    exclude = serializers.BooleanField(required=False)
    force_include = serializers.BooleanField(
        required=False, help_text="It recurs, whatever its dates say."
    )
    note = serializers.CharField(
        required=False,
        allow_blank=True,
        max_length=MOST_NOTE_LENGTH,
        help_text="Why. What changes anything is refused without it (`required`).",
    )


class AgreementChoicesWriteSerializer(LineChoicesWriteSerializer):
    force_include = serializers.BooleanField(
        required=False, help_text="It counts in spite of its type or status."
    )
    assume_renewal = serializers.BooleanField(required=False)
    renews = serializers.CharField(
        required=False, allow_null=True, help_text="The agreement that this one replaces."
    )


class ChoiceRecordSerializer(serializers.Serializer[ChoiceRecord]):
    id = serializers.CharField()
    at = serializers.DateTimeField()
    by = serializers.CharField(source="actor_name")
    note = serializers.CharField()
    before = ValuesField()
    after = ValuesField()


class _ChoicesSerializer(serializers.Serializer[Any]):
    """What people decided; `history` is newest first."""

    history = serializers.SerializerMethodField()

    @extend_schema_field(ChoiceRecordSerializer(many=True))
    def get_history(self, row: Any) -> Any:
        return ChoiceRecordSerializer(self.context["records"], many=True).data

    def _choice(self, row: Any, name: str) -> Any:
        return getattr(getattr(row, "choices", None), name, None)


class LineChoicesSerializer(_ChoicesSerializer):
    line = serializers.CharField(source="pk")
    exclude = serializers.SerializerMethodField()
    force_include = serializers.SerializerMethodField()

    def get_exclude(self, row: AgreementLine | Agreement) -> bool:
        return bool(self._choice(row, "exclude"))

    def get_force_include(self, row: AgreementLine | Agreement) -> bool:
        return bool(self._choice(row, "force_include"))


class AgreementChoicesSerializer(LineChoicesSerializer):
    line = None  # type: ignore[assignment]
    agreement = serializers.CharField(source="pk")
    assume_renewal = serializers.SerializerMethodField()
    renews = serializers.SerializerMethodField()

    def get_assume_renewal(self, row: Agreement) -> bool:
        return bool(self._choice(row, "assume_renewal"))

    def get_renews(self, row: Agreement) -> str | None:
        renews_id = self._choice(row, "renews_id")
        return str(renews_id) if renews_id else None
