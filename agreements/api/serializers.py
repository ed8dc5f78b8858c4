"""Bodies of agreements, of MRR as of a day, by month and from day to day, and of choices."""

from __future__ import annotations

from functools import partial
from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from agreements import mrr
from agreements.causes import KINDS
from agreements.decisions import MOST_NOTE_LENGTH, chosen_renewals
from agreements.figures import AgreementRow, CompanyFigure, company_figure
from agreements.history import ShownVersion
from agreements.models import Agreement, AgreementLine, ChoiceRecord, TypedAgreement
from agreements.mrr import LedgerRow
from agreements.mrr.ledger import CODES as LEFT_OUT
from agreements.mrr.ledger import WARNING_CODES
from agreements.restated import (
    CLASSES,
    RESTATED,
    RestatedCompany,
    RestatedMovement,
    mrr_in,
)
from agreements.typed import change_agreement, refuse_psas
from agreements.typed_values import CYCLES, LONGEST_NAME, LONGEST_NOTE, amount_text
from audit_site.api.abilities import CanField, always
from audit_site.api.permissions import IsMember
from audit_site.api.requests import actor_of, read_body
from audit_site.api.serializers import (
    MoneySerializer,
    StrictSerializer,
    ValuesField,
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


class LeftOutSerializer(serializers.Serializer[Any]):
    """Why an agreement does not count."""

    code = serializers.ChoiceField(LEFT_OUT)
    message = serializers.CharField()


def reason_of(row: AgreementRow) -> dict[str, str] | None:
    code = row.summary.reason
    return None if code is None else {"code": code, "message": row.sentence}


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


def _is_typed(row: AgreementRow) -> bool:
    return row.agreement.is_typed


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
            "choose": (IsMember, always),
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


class CauseSerializer(serializers.Serializer[Any]):
    """What changed a book: a run, or a person."""

    kind = serializers.ChoiceField(KINDS)
    run = serializers.CharField(allow_null=True)
    user = serializers.CharField(allow_null=True)
    name = serializers.CharField(allow_blank=True)


class BookVersionSerializer(serializers.Serializer[ShownVersion]):
    """What was known of a company from a moment on, until the next version."""

    id = serializers.CharField(source="version.id")
    known_from = serializers.DateTimeField(source="version.known_from")
    known_to = serializers.DateTimeField(allow_null=True, help_text="null = until now.")
    cause = CauseSerializer()
    mrr_before = TotalSerializer(
        many=True, help_text="As of the day of `known_from`, as it was known just before."
    )
    mrr_after = TotalSerializer(many=True, help_text="As of the day of `known_from`.")


# By month, and from one day to another


class MonthSerializer(serializers.Serializer[Any]):
    month = serializers.CharField(help_text="2026-06")
    recognized = MoneySerializer(many=True)


class SeriesSerializer(KnownSerializer):
    to = serializers.CharField()
    months = MonthSerializer(many=True)

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


# Choices

#: No agreement replaces more.
MOST_RENEWED = 50


class IdsField(serializers.ListField):
    """A list of ids, or one of them."""

    child = serializers.CharField(max_length=100)

    def to_internal_value(self, data: Any) -> Any:
        return super().to_internal_value([data] if isinstance(data, str) else data)


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
    renews = IdsField(
        required=False,
        allow_null=True,
        max_length=MOST_RENEWED,
        help_text="The agreements that this one replaces; one id is taken as a list of one, null "
        "and an empty list as what the PSA says.",
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

    def get_renews(self, row: Agreement) -> list[str]:
        return [str(one.pk) for one in chosen_renewals(row, getattr(row, "choices", None))]
