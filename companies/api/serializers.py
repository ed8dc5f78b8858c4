"""Bodies of companies, contacts and imports."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from drf_spectacular.utils import extend_schema_field
from msgspec import Struct
from rest_framework import serializers
from rest_framework.request import Request

from agreements.figures import Money, company_totals
from audit_site.api.abilities import Ability, CanField, allowed, always
from audit_site.api.permissions import IsMember
from audit_site.api.requests import tenant_of
from audit_site.api.serializers import FixableReasonSerializer, MoneySerializer, StrictSerializer
from companies.models import Company, Contact
from integrations.api.serializers.connection_parts import NamedPersonSerializer
from integrations.api.serializers.integrations import PsaField
from integrations.api.serializers.runs import SyncRunSerializer
from integrations.importing.import_companies import MOST_IDS, REJECTIONS, ImportChoice
from integrations.importing.primary_contact import WHY_CODES, Why
from integrations.importing.rules import REASONS, Reason
from integrations.importing.shown_companies import ShownCompany, shown_companies


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


COMPANY_ABILITIES: Final[Mapping[str, Ability]] = {
    "edit": (IsMember, always),
    "delete": (IsMember, lambda company: company.is_active),
    "link": (IsMember, lambda company: not company.is_linked),
    "unlink": (IsMember, lambda company: company.is_linked),
    "undo_link": (IsMember, lambda company: company.can_undo_link),
    "sync": (IsMember, lambda company: company.is_read),
}


class CompanySerializer(serializers.ModelSerializer[Company]):
    """A company: an audITee on screen."""

    # the schema of `CompanyBody`, which is what is written

    primary_contact = ContactSerializer(allow_null=True, read_only=True)
    primary_contact_why = PrimaryWhySerializer(
        allow_null=True,
        read_only=True,
        help_text="Why the primary contact is this one, or why there is none.",
    )
    link = LinkSerializer(allow_null=True, read_only=True)
    problems = FixableReasonSerializer(
        many=True,
        read_only=True,
        help_text="Import rules that its PSA company breaks now; it stays linked.",
    )
    mrr = MoneySerializer(many=True, read_only=True)
    can = CanField(COMPANY_ABILITIES)
    last_synced_at = serializers.DateTimeField(allow_null=True, read_only=True)

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


class ContactBody(Struct):
    id: str
    external_id: str
    first_name: str
    last_name: str
    email: str
    phone: str
    is_active: bool
    is_primary: bool


class PersonBody(Struct):
    id: str
    name: str

    def __str__(self) -> str:
        return self.name


class LinkBody(Struct):
    id: str
    integration: str
    psa: str
    external_id: str
    linked_at: datetime
    linked_by: PersonBody | None
    active: bool
    problems: list[str]


class CompanyBody(Struct):
    """A company as `CompanySerializer` describes it."""

    id: UUID
    name: str
    status: str
    type: str
    primary_contact: ContactBody | None
    primary_contact_why: Why | None
    link: LinkBody | None
    problems: list[Reason]
    mrr: list[Money]
    last_synced_at: datetime | None
    created_at: datetime
    can: list[str]


def _contact_body(row: ShownCompany) -> ContactBody | None:
    if row.contact_id is None:
        return None
    return ContactBody(
        row.contact_id,
        row.contact_external_id,
        row.first_name,
        row.last_name,
        row.email,
        row.phone,
        row.contact_is_active,
        is_primary=True,
    )


def _link_body(row: ShownCompany) -> LinkBody | None:
    if row.link_id is None or row.integration is None:
        return None
    return LinkBody(
        row.link_id,
        row.integration,
        row.psa,
        row.external_id,
        row.linked_at,
        PersonBody(row.linked_by_id, row.linked_by) if row.linked_by_id else None,
        row.link_is_active,
        row.problem_codes,
    )


def company_bodies(request: Request, ids: Sequence[UUID]) -> list[CompanyBody]:
    """The tenant's own companies of these, as they are shown and in their order. Two statements."""
    tenant = tenant_of(request)
    shown, can = shown_companies(tenant, ids), allowed(COMPANY_ABILITIES, request)
    rows = [shown[pk] for pk in ids if pk in shown]
    totals = company_totals(tenant, [row.id for row in rows]) if rows else {}
    return [
        CompanyBody(
            row.id,
            row.name,
            row.status,
            row.type,
            _contact_body(row),
            row.why,
            _link_body(row),
            row.problems,
            totals[row.id],
            row.last_synced_at,
            row.created_at,
            can(row),
        )
        for row in rows
    ]


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
