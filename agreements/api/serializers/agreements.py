"""Bodies of agreements with what they come to, and of those that people type."""

from __future__ import annotations

from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from agreements.api.serializers.figures import LeftOutSerializer, reason_of
from agreements.figures import AgreementRow, company_figure
from agreements.models import Agreement, TypedAgreement
from agreements.mrr.doubts import DOUBTS
from agreements.to_check import Checked
from agreements.typed import change_agreement, refuse_psas
from agreements.typed_values import CYCLES, LONGEST_NAME, LONGEST_NOTE, amount_text
from audit_site.api.abilities import CanField
from audit_site.api.permissions import IsMember
from audit_site.api.requests import actor_of, read_body
from audit_site.api.serializers import (
    MoneySerializer,
    StrictSerializer,
)


class TypedSerializer(serializers.Serializer[TypedAgreement]):
    """What people typed: the amount of a billing cycle, why, who and when."""

    amount = serializers.SerializerMethodField(help_text="What a billing cycle brings.")
    note = serializers.CharField(allow_blank=True)
    by = serializers.CharField(source="typed_by_name")
    at = serializers.DateTimeField(source="typed_at")
    changed_by = serializers.CharField(source="changed_by_name", allow_blank=True)
    changed_at = serializers.DateTimeField(allow_null=True)
    set_aside_at = serializers.DateTimeField(
        allow_null=True, help_text="Since when it waits for somebody to count it beside a PSA's."
    )

    def get_amount(self, typed: TypedAgreement) -> str:
        return amount_text(typed.agreement)


def _is_there(row: AgreementRow) -> bool:
    """One as it was known is in no table, and nothing can be done with it."""
    return not row.agreement._state.adding


def _is_typed(row: AgreementRow) -> bool:
    return row.agreement.is_typed and _is_there(row)


class AgreementSerializer(serializers.Serializer[Any]):
    """An agreement with what it comes to; `status` is the PSA's own word.

    The context has `request`.
    """

    id = serializers.CharField(source="agreement.id")
    external_id = serializers.CharField(source="agreement.external_id")
    name = serializers.CharField(source="agreement.name")
    type = serializers.CharField(source="agreement.type")
    status = serializers.CharField(source="agreement.status")
    recurring = serializers.BooleanField(source="is_recurring")
    start_date = serializers.DateField(source="agreement.start_date", allow_null=True)
    end_date = serializers.SerializerMethodField()
    currency = serializers.CharField(source="summary.currency", help_text="ISO 4217.")
    billing_cycle = serializers.CharField(
        source="agreement.cycle_label", help_text="As the PSA calls it."
    )
    included = serializers.BooleanField(source="summary.included")
    reason = serializers.SerializerMethodField()
    mrr = serializers.SerializerMethodField()
    gone_at = serializers.DateTimeField(
        source="agreement.gone_at",
        allow_null=True,
        help_text="Since when the PSA no longer shows it; null = it does.",
    )
    source = serializers.CharField(  # type: ignore[assignment]
        source="agreement.source", help_text="The PSA that it comes from; `manual` = typed in here."
    )
    set_aside = serializers.BooleanField(
        source="agreement.set_aside",
        help_text="It was typed in and a PSA is linked: it counts once somebody says so.",
    )
    typed = serializers.SerializerMethodField()
    can = CanField(
        {
            "edit": (IsMember, _is_typed),
            "delete": (IsMember, _is_typed),
            "choose": (IsMember, _is_there),
        }
    )

    @extend_schema_field(TypedSerializer(allow_null=True))
    def get_typed(self, row: AgreementRow) -> Any:
        typed = getattr(row.agreement, "typed", None) if row.agreement.is_typed else None
        return TypedSerializer(typed).data if typed else None

    @extend_schema_field(serializers.DateField(allow_null=True))
    def get_end_date(self, row: AgreementRow) -> str | None:
        agreement = row.agreement
        has_end = agreement.end_date and not agreement.no_end
        return agreement.end_date.isoformat() if has_end and agreement.end_date else None

    @extend_schema_field(LeftOutSerializer(allow_null=True))
    def get_reason(self, row: AgreementRow) -> dict[str, str] | None:
        return reason_of(row)

    @extend_schema_field(MoneySerializer)
    def get_mrr(self, row: AgreementRow) -> dict[str, str]:
        return dict(row.money)  # type: ignore[arg-type]


class ListedAgreementSerializer(AgreementSerializer):
    """An agreement in the list of all companies' agreements."""

    company = serializers.CharField(source="agreement.company_id")
    company_name = serializers.CharField(source="agreement.company.name")
    rate = MoneySerializer(help_text="What it brings a month, or brought on its last day.")
    last_day = serializers.DateField(
        allow_null=True, help_text="The last day that it is in force; null = no end is known."
    )
    warnings = serializers.ListField(
        child=serializers.ChoiceField(DOUBTS),
        source="doubts",
        help_text="What makes its amount doubtful, as long as nobody has settled it.",
    )
    overlaps = serializers.ListField(
        child=serializers.CharField(),
        source="overlap_ids",
        help_text="The agreements that `possible_overlap` is about, by their ids.",
    )
    lines = serializers.SerializerMethodField(
        help_text="The lines that `part_of_cycle` is about, by their ids."
    )

    @extend_schema_field(serializers.ListField(child=serializers.CharField()))
    def get_lines(self, checked: Checked) -> list[str]:
        return [str(line.pk) for line in checked.lines]


class TypedWriteSerializer(StrictSerializer):
    """An agreement as people type it."""

    name = serializers.CharField(max_length=LONGEST_NAME)
    amount = serializers.CharField(
        help_text="What a billing cycle brings, with no more places than the currency has; a "
        "credit is below zero.",
        max_length=40,
    )
    currency = serializers.CharField(help_text="ISO 4217.", max_length=10)
    billing_cycle = serializers.CharField(help_text=f"One of {', '.join(CYCLES)}.", max_length=40)
    start_date = serializers.DateField(help_text="The first day that it is in force.")
    end_date = serializers.DateField(
        required=False, allow_null=True, help_text="The last day that it is in force."
    )
    note = serializers.CharField(required=False, allow_blank=True, max_length=LONGEST_NOTE)


class TypedUpdateSerializer(TypedWriteSerializer):
    """What changes of it."""

    def get_fields(self) -> dict[str, Any]:
        fields = super().get_fields()
        for field in fields.values():
            field.required = False
        return fields


def agreement_body(request: Request, agreement: Agreement) -> Any:
    """An agreement with what it comes to today."""
    rows = {row.agreement.pk: row for row in company_figure(agreement.company).agreements}
    return AgreementSerializer(rows[agreement.pk], context={"request": request}).data


def changed_agreement(request: Request, agreement: Agreement) -> Response:
    """Change a typed agreement as a body says; whose it is goes before what is in it."""
    refuse_psas(agreement)
    values = read_body(TypedUpdateSerializer, request)
    stored = change_agreement(agreement=agreement, actor=actor_of(request), changes=values)
    return Response(agreement_body(request, stored))
