"""Bodies of MRR by month, and from one day to another."""

from __future__ import annotations

from functools import partial
from typing import Any

from rest_framework import serializers

from agreements import mrr
from agreements.api.serializers.figures import KnownSerializer
from agreements.restated import (
    CLASSES,
    RESTATED,
    RestatedCompany,
    RestatedMovement,
    mrr_in,
)
from audit_site.api.serializers import (
    MoneySerializer,
    with_from,
)


class MonthSerializer(serializers.Serializer[Any]):
    month = serializers.CharField(help_text="2026-06")
    recognized = MoneySerializer(many=True)


def ended_unread_field() -> serializers.IntegerField:
    return serializers.IntegerField(
        required=False,
        help_text="Of so many companies the agreements that have ended are not read yet: until "
        "they are, the past shows less than there was. Only while there are some.",
    )


class SeriesSerializer(KnownSerializer):
    to = serializers.CharField()
    months = MonthSerializer(many=True)
    ended_unread = ended_unread_field()

    def get_fields(self) -> dict[str, Any]:
        return with_from(super().get_fields(), "to", serializers.CharField())


class MovedRowSerializer(serializers.Serializer[Any]):
    """What a row brings a month before and after. Of class `restated`: a field of the row that
    became known to be another, with its values before and after.
    """

    row_id = serializers.CharField()
    before = serializers.CharField(allow_null=True)
    after = serializers.CharField(allow_null=True)
    field = serializers.CharField(required=False)
    name = serializers.CharField(required=False, help_text="What people call the row.")
    mrr_before = serializers.CharField(required=False)
    mrr_after = serializers.CharField(required=False)
    run = serializers.CharField(
        required=False, allow_null=True, help_text="The sync run that brought it."
    )
    at = serializers.DateTimeField(
        required=False, allow_null=True, help_text="When it became known."
    )
    cause = serializers.CharField(required=False, help_text="Of which kind the cause is.")


class MovedCompanySerializer(serializers.Serializer[Any]):
    company = serializers.CharField()
    amount = serializers.CharField()
    rows = MovedRowSerializer(many=True)

    def get_fields(self) -> dict[str, Any]:
        """`class` is a word of Python's too."""
        kinds = serializers.ChoiceField(CLASSES)
        fields = super().get_fields()
        return {"company": fields.pop("company"), "class": kinds, **fields}


class BridgeSerializer(serializers.Serializer[Any]):
    currency = serializers.CharField()
    opening = serializers.CharField()
    restated = serializers.CharField(
        required=False, help_text="Only where `known_from`, `known_to` or `known_at` is given."
    )
    new = serializers.CharField()
    reactivation = serializers.CharField()
    expansion = serializers.CharField()
    contraction = serializers.CharField()
    churn = serializers.CharField()
    closing = serializers.CharField()
    rounding_difference = serializers.CharField()
    companies = MovedCompanySerializer(many=True)


class MovementSerializer(serializers.Serializer[Any]):
    to = serializers.DateField()
    known_from = serializers.DateTimeField(
        required=False, help_text="As known when the opening is, where that was asked for."
    )
    known_to = serializers.DateTimeField(
        required=False, help_text="As known when all else is, where that was asked for."
    )
    currencies = BridgeSerializer(many=True)
    ended_unread = ended_unread_field()

    def get_fields(self) -> dict[str, Any]:
        return with_from(super().get_fields(), "to", serializers.DateField())


def shown_bridge(bridge: mrr.Movement) -> dict[str, Any]:
    """A bridge with its amounts as text; printed parts may miss the closing by a few cents."""
    return {
        "currency": bridge.currency,
        **{name: part.amount for name, part in bridge.parts.items()},
        "rounding_difference": bridge.rounding_difference,
        "companies": [_moved(bridge.currency, company) for company in bridge.companies],
    }


def _moved(currency: str, company: mrr.CompanyMovement) -> dict[str, Any]:
    text = partial(mrr.money_text, currency)
    rows = [
        {"row_id": row_id, "before": text(before), "after": text(after)}
        for row_id, before, after in company.rows
    ]
    return {
        "company": company.company_id,
        "class": company.kind,
        "amount": text(company.exact),
        "rows": rows,
    }


def shown_restated_bridge(bridge: RestatedMovement) -> dict[str, Any]:
    """As `shown_bridge`, with what was restated before all else."""
    restated = [_restated(bridge.currency, company) for company in bridge.restated_companies]
    return {
        "currency": bridge.currency,
        **{name: part.amount for name, part in bridge.parts.items()},
        "rounding_difference": bridge.rounding_difference,
        "companies": [
            *restated,
            *(_moved(bridge.currency, company) for company in bridge.companies),
        ],
    }


def _restated(currency: str, company: RestatedCompany) -> dict[str, Any]:
    text = partial(mrr.money_text, currency)
    rows = []
    for change in company.changes:
        mrr_before, mrr_after = mrr_in(currency, change)
        rows.append(
            {
                "row_id": change.row_id,
                "field": change.field,
                "before": change.before,
                "after": change.after,
                "name": change.label,
                "mrr_before": text(mrr_before),
                "mrr_after": text(mrr_after),
                "run": change.by.run,
                "at": change.by.at,
                "cause": change.by.kind,
            }
        )
    amount = text(company.exact)
    return {"company": company.company_id, "class": RESTATED, "amount": amount, "rows": rows}
