"""Bodies of companies, contacts and imports."""

from __future__ import annotations

from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from audit_site.api.abilities import CanField, always
from audit_site.api.permissions import IsMember
from audit_site.api.serializers import FixableReasonSerializer, MoneySerializer, StrictSerializer
from companies.models import Company, Contact
from integrations.api.serializers.connection_parts import PersonSerializer
from integrations.api.serializers.integrations import PsaField
from integrations.api.serializers.runs import SyncRunSerializer
from integrations.importing.import_companies import MOST_IDS
from integrations.importing.linking import link_of
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


class LinkSerializer(serializers.Serializer[Any]):
    """What ties a company to its record in a PSA."""

    id = serializers.CharField()
    integration = serializers.CharField(help_text="Id of the integration.")
    psa = PsaField()
    external_id = serializers.CharField()
    linked_at = serializers.DateTimeField()
    linked_by = PersonSerializer(allow_null=True, help_text="Null = audIT, or nobody knows.")
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

    # the context has `request`, and `mrr`, `{company id: totals}`

    primary_contact = ContactSerializer(source="primary", allow_null=True, read_only=True)
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
            "link",
            "problems",
            "mrr",
            "last_synced_at",
            "created_at",
            "can",
        )
        read_only_fields = fields

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


class ContactWriteSerializer(StrictSerializer):
    first_name = serializers.CharField(required=False, allow_blank=True, max_length=255)
    last_name = serializers.CharField(required=False, allow_blank=True, max_length=255)
    email = serializers.EmailField(required=False, allow_blank=True, max_length=254)
    phone = serializers.CharField(required=False, allow_blank=True, max_length=100)


class CompanyCreateSerializer(StrictSerializer):
    name = serializers.CharField(max_length=255)
    type = serializers.ChoiceField(Company.Type.choices, required=False)
    primary_contact = ContactWriteSerializer()


class CompanyUpdateSerializer(StrictSerializer):
    name = serializers.CharField(required=False, max_length=255)
    primary_contact = ContactWriteSerializer(required=False)
    status = serializers.ChoiceField(Company.Status.choices, required=False)
    type = serializers.ChoiceField(Company.Type.choices, required=False)


class LinkWriteSerializer(StrictSerializer):
    integration = serializers.CharField()
    external_id = serializers.CharField(max_length=100)


class ImportSerializer(StrictSerializer):
    integration = serializers.CharField()
    external_ids = serializers.ListField(
        child=serializers.CharField(max_length=100), allow_empty=False, max_length=MOST_IDS
    )


class RejectedImportSerializer(serializers.Serializer[Any]):
    external_id = serializers.CharField()
    code = serializers.ChoiceField(list(REASONS))
    message = serializers.CharField()


class ImportResultSerializer(serializers.Serializer[Any]):
    imported = CompanySerializer(many=True)
    rejected = RejectedImportSerializer(many=True)
    sync_run = SyncRunSerializer(allow_null=True)
