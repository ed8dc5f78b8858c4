"""Bodies of what people decided."""

from __future__ import annotations

from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from agreements.decision_rules import RIGHT_OF_AGREEMENTS, RIGHT_OF_LINES
from agreements.decisions import MOST_NOTE_LENGTH, chosen_renewals
from agreements.models import Agreement, AgreementLine, ChoiceRecord
from audit_site.api.serializers import (
    StrictSerializer,
    ValuesField,
)
from integrations.api.serializers.words import NAME_OR_STRUCTURE


@extend_schema_field({"oneOf": [*NAME_OR_STRUCTURE, {"type": "null"}]})
class CycleField(serializers.JSONField):
    """What a billing cycle is: a name, or how often in a structure; null = as the PSA says."""


#: More codes of warnings there are not, said twice or not.
MOST_SAID_RIGHT = 3
#: No agreement replaces more.
MOST_RENEWED = 50


@extend_schema_field(
    {
        "oneOf": [
            {"type": "array", "items": {"type": "string"}, "maxItems": MOST_RENEWED},
            {"type": "string"},
            {"type": "null"},
        ]
    }
)
class IdsField(serializers.ListField):
    """A list of ids, or one of them."""

    child = serializers.CharField(max_length=100)

    def to_internal_value(self, data: Any) -> Any:
        return super().to_internal_value([data] if isinstance(data, str) else data)


def _right_field(codes: tuple[str, ...]) -> Any:
    return serializers.ListField(
        child=serializers.ChoiceField(codes),
        required=False,
        max_length=MOST_SAID_RIGHT,
        help_text="Of which warnings it is right as it is: they are in doubt no more.",
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
        help_text="Why. What changes a figure is refused without it (`required`).",
    )
    cycle = CycleField(
        required=False,
        allow_null=True,
        help_text="What its billing cycle is: a name, or every so many days, weeks, months or "
        "years; null = what the PSA says.",
    )
    right = _right_field(RIGHT_OF_LINES)


class AgreementChoicesWriteSerializer(LineChoicesWriteSerializer):
    force_include = serializers.BooleanField(
        required=False, help_text="It counts in spite of its type or status."
    )
    assume_renewal = serializers.BooleanField(required=False)
    renews = IdsField(
        required=False,
        allow_null=True,
        max_length=MOST_RENEWED,
        help_text="The agreements that this one replaces; one id is taken as a list of one, null "
        "and an empty list as what the PSA says.",
    )
    right = _right_field(RIGHT_OF_AGREEMENTS)


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
    cycle = serializers.SerializerMethodField()
    right = serializers.SerializerMethodField()

    @extend_schema_field(CycleField())
    def get_cycle(self, row: AgreementLine | Agreement) -> Any:
        return self._choice(row, "cycle")

    def get_right(self, row: AgreementLine | Agreement) -> list[str]:
        return self._choice(row, "right") or []

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

    def get_renews(self, row: Agreement) -> list[str]:
        return [str(one.pk) for one in chosen_renewals(row, getattr(row, "choices", None))]
