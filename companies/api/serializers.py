"""Bodies of companies, contacts and imports."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers
from rest_framework.request import Request

from agreements.figures import company_totals
from audit_site.api.abilities import CanField, always
from audit_site.api.permissions import IsMember
from audit_site.api.requests import tenant_of
from audit_site.api.serializers import FixableReasonSerializer, MoneySerializer, StrictSerializer
from companies.models import Company, Contact
from integrations.api.serializers.connection_parts import NamedPersonSerializer
from integrations.api.serializers.integrations import PsaField
from integrations.api.serializers.runs import SyncRunSerializer
from integrations.importing.import_companies import MOST_IDS, REJECTIONS, ImportChoice
from integrations.importing.linking import link_of
from integrations.importing.primary_contact import WHY_CODES, why_primary
from integrations.importing.rules import REASONS, Reason, explain


class ContactSerializer(serializers.ModelSerializer[Contact]):
    """A person at a company."""

    class Meta:
        model = Contact
        fields = (
            "id",
            "external_id",
            "first_name",
            "last_name",
            "email",
            "phone",
            "is_active",
            "is_primary",
        )
        read_only_fields = fields
        extra_kwargs = {
            "external_id": {"help_text": "The PSA's id; empty = typed in here."},
            "is_primary": {"help_text": "Whether it is the one that the company is reached by."},
        }


class PrimaryWhySerializer(serializers.Serializer[Any]):
    """Why a primary contact is the one it is."""

    code = serializers.ChoiceField(WHY_CODES)
    message = serializers.CharField()


class LinkSerializer(serializers.Serializer[Any]):
    """What ties a company to its record in a PSA."""

    id = serializers.CharField()
    integration = serializers.CharField(help_text="Id of the integration.")
    psa = PsaField()
    external_id = serializers.CharField()
    linked_at = serializers.DateTimeField()
    linked_by = NamedPersonSerializer(allow_null=True, help_text="Null = audIT, or nobody knows.")
    active = serializers.BooleanField(
        help_text="Whether syncs keep it current; false while its PSA is disconnected."
    )
    problems = serializers.ListField(
        child=serializers.ChoiceField(list(REASONS)), help_text="The codes of `problems`."
    )


def _is_read(company: Company) -> bool:
    link = link_of(company)
    return link is not None and link.is_active and not link.integration.is_paused


class CompanySerializer(serializers.ModelSerializer[Company]):
    """A company: an audITee on screen."""

    # the context has `request`; `mrr`, `{company id: totals}`; and `why`, `{company id: reason}`

    primary_contact = ContactSerializer(source="primary", allow_null=True, read_only=True)
    primary_contact_why = serializers.SerializerMethodField(
        help_text="Why the primary contact is this one, or why there is none."
    )
    link = serializers.SerializerMethodField()
    problems = serializers.SerializerMethodField(
        help_text="Import rules that its PSA company breaks now; it stays linked."
    )
    mrr = serializers.SerializerMethodField()
    can = CanField(
        {
            "edit": (IsMember, always),
            "delete": (IsMember, lambda company: company.status == Company.Status.ACTIVE),
            "link": (IsMember, lambda company: link_of(company) is None),
            "unlink": (IsMember, lambda company: link_of(company) is not None),
            "undo_link": (IsMember, lambda company: company.can_undo_link),
            "sync": (IsMember, _is_read),
        }
    )
    last_synced_at = serializers.SerializerMethodField()

    class Meta:
        model = Company
        fields = (
            "id",
            "name",
            "status",
            "type",
            "primary_contact",
            "primary_contact_why",
            "link",
            "problems",
            "mrr",
            "last_synced_at",
            "created_at",
            "can",
        )
        read_only_fields = fields

    @extend_schema_field(PrimaryWhySerializer(allow_null=True))
    def get_primary_contact_why(self, company: Company) -> Any:
        why = self.context["why"].get(company.pk)
        return PrimaryWhySerializer(why).data if why else None

    @extend_schema_field(LinkSerializer(allow_null=True))
    def get_link(self, company: Company) -> dict[str, Any] | None:
        link = link_of(company)
        if link is None:
            return None
        return LinkSerializer(
            {
                "id": str(link.pk),
                "integration": str(link.integration_id),
                "psa": link.integration.psa,
                "external_id": link.external_id,
                "linked_at": link.linked_at,
                "linked_by": link.linked_by,
                "active": link.is_active,
                "problems": link.problem_codes,
            }
        ).data

    @extend_schema_field(FixableReasonSerializer(many=True))
    def get_problems(self, company: Company) -> list[Reason]:
        link = link_of(company)
        if link is None:
            return []
        return [explain(code, link.integration.psa_info) for code in link.problem_codes]

    @extend_schema_field(MoneySerializer(many=True))
    def get_mrr(self, company: Company) -> list[dict[str, str]]:
        return list(self.context["mrr"].get(company.pk, []))

    @extend_schema_field(serializers.DateTimeField(allow_null=True))
    def get_last_synced_at(self, company: Company) -> Any:
        link = link_of(company)
        if link is None or link.last_synced_at is None:
            return None
        return serializers.DateTimeField().to_representation(link.last_synced_at)


def company_bodies(request: Request, companies: Sequence[Company]) -> Any:
    """Companies of one tenant as they are shown, by `companies_with_links`."""
    tenant = tenant_of(request)
    totals = company_totals(tenant, [company.pk for company in companies])
    context = {"request": request, "mrr": totals, "why": why_primary(companies)}
    return CompanySerializer(companies, many=True, context=context).data


class ContactWriteSerializer(StrictSerializer):
    first_name = serializers.CharField(required=False, allow_blank=True, max_length=255)
    last_name = serializers.CharField(required=False, allow_blank=True, max_length=255)
    email = serializers.EmailField(required=False, allow_blank=True, max_length=254)
    phone = serializers.CharField(required=False, allow_blank=True, max_length=100)


class CompanyCreateSerializer(StrictSerializer):
    name = serializers.CharField(max_length=255)
    type = serializers.ChoiceField(Company.Type.choices, required=False)
    primary_contact = ContactWriteSerializer()


@extend_schema_field(
    {
        "oneOf": [
            {"type": "string", "description": "The id of one of its contacts."},
            {"$ref": "#/components/schemas/ContactWriteRequest"},
        ]
    }
)
class PrimaryContactField(serializers.Field[Any, Any, Any, Any]):
    """The id of one of the audITee's contacts, or what changes of its primary one."""

    def to_internal_value(self, given: Any) -> Any:
        if isinstance(given, str):
            return given
        inner = ContactWriteSerializer(data=given)
        inner.is_valid(raise_exception=True)
        return inner.validated_data

    def to_representation(self, value: Any) -> Any:
        return value


class CompanyUpdateSerializer(StrictSerializer):
    name = serializers.CharField(required=False, max_length=255)
    primary_contact = PrimaryContactField(required=False)
    status = serializers.ChoiceField(Company.Status.choices, required=False)
    type = serializers.ChoiceField(Company.Type.choices, required=False)


class LinkWriteSerializer(StrictSerializer):
    integration = serializers.CharField()
    external_id = serializers.CharField(max_length=100)


class ImportChoiceSerializer(StrictSerializer):
    """A company to import, with what was chosen for it."""

    external_id = serializers.CharField(max_length=100)
    primary_contact = serializers.CharField(
        required=False, max_length=100, help_text="The PSA's id of one of its contacts."
    )
    type = serializers.ChoiceField(
        Company.Type.choices, required=False, help_text="Default: as the PSA's words say."
    )


class ImportSerializer(StrictSerializer):
    """Either `external_ids`, or `companies` with what was chosen for each."""

    integration = serializers.CharField()
    external_ids = serializers.ListField(
        child=serializers.CharField(max_length=100),
        allow_empty=False,
        max_length=MOST_IDS,
        required=False,
    )
    companies = serializers.ListField(
        child=ImportChoiceSerializer(), allow_empty=False, max_length=MOST_IDS, required=False
    )

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        named = [name for name in ("external_ids", "companies") if name in attrs]
        if not named:
            raise _wrong("external_ids", "Name the companies here, or in `companies`.", "required")
        if len(named) > 1:
            raise _wrong("companies", "Send this or `external_ids`, not both.", "invalid")
        choices: dict[str, Any] = {}
        for choice in attrs.get("companies", ()):
            if choices.setdefault(choice["external_id"], choice) != choice:
                message = f"{choice['external_id']} is named twice, each time otherwise."
                raise _wrong("companies", message, "invalid")
        return attrs

    @staticmethod
    def chosen(values: dict[str, Any]) -> tuple[list[str], list[ImportChoice]]:
        """The ids of a body, and what was chosen for some of them."""
        if "external_ids" in values:
            return values["external_ids"], []
        choices = [ImportChoice(**choice) for choice in values["companies"]]
        return [choice.external_id for choice in choices], choices


def _wrong(field: str, message: str, code: str) -> serializers.ValidationError:
    return serializers.ValidationError({field: [serializers.ErrorDetail(message, code=code)]})


class RejectedImportSerializer(serializers.Serializer[Any]):
    external_id = serializers.CharField()
    code = serializers.ChoiceField(REJECTIONS)
    message = serializers.CharField()


class ImportResultSerializer(serializers.Serializer[Any]):
    imported = CompanySerializer(many=True)
    rejected = RejectedImportSerializer(many=True)
    sync_run = SyncRunSerializer(allow_null=True)
