"""Bodies of links: previews, ended and undone ones."""

from __future__ import annotations

from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from agreements.api.serializers import TotalSerializer
from audit_site.api.abilities import CanField
from audit_site.api.permissions import IsMember
from audit_site.api.serializers import FixableReasonSerializer, StrictSerializer
from integrations.api.serializers.connection_parts import NamedPersonSerializer
from integrations.api.serializers.integrations import PsaField
from integrations.links.comparison import WARNING_CODES, side_of
from integrations.links.previewing import expires_at
from integrations.models import LinkPreview


class UnlinkSerializer(StrictSerializer):
    """How a link ends."""

    undo = serializers.BooleanField(
        default=False,
        help_text="True = as if the link had never been; else all stays as it was last seen.",
    )
    link = serializers.CharField(
        required=False,
        help_text="Id of the link to undo, of those at `links`; without it, the newest.",
    )


class SidePersonSerializer(serializers.Serializer[Any]):
    first_name = serializers.CharField(allow_blank=True)
    last_name = serializers.CharField(allow_blank=True)
    email = serializers.CharField(allow_blank=True)
    phone = serializers.CharField(allow_blank=True)


class SideSerializer(serializers.Serializer[Any]):
    """One of the two sides."""

    external_id = serializers.CharField(allow_blank=True, help_text="Empty on our side.")
    name = serializers.CharField()
    type = serializers.CharField(allow_blank=True, help_text="Theirs in the PSA's own word.")
    status = serializers.CharField(allow_blank=True)
    url = serializers.CharField(allow_blank=True)
    primary_contact = SidePersonSerializer(allow_null=True)
    contacts = serializers.IntegerField()
    agreements = serializers.IntegerField()


class ChangeSerializer(serializers.Serializer[Any]):
    field = serializers.ChoiceField(("name", "primary_contact", "contacts"))
    before = serializers.CharField(allow_blank=True)
    after = serializers.CharField(allow_blank=True)


class BeforeAfterSerializer(serializers.Serializer[Any]):
    before = TotalSerializer(many=True)
    after = TotalSerializer(many=True)


class WarningSerializer(serializers.Serializer[Any]):
    code = serializers.ChoiceField(WARNING_CODES)
    message = serializers.CharField()
    fix = serializers.CharField(allow_blank=True)


class LinkPreviewSerializer(serializers.Serializer[LinkPreview]):
    """What a link would change: ask again until its state is `done`.

    Then either all of it is known, or `error` says why not: PSA down, record gone, keys refused.
    """

    id = serializers.CharField()
    state = serializers.ChoiceField(LinkPreview.State.choices)
    integration = serializers.CharField(source="integration_id")
    external_id = serializers.CharField()
    ours = serializers.SerializerMethodField()
    theirs = serializers.SerializerMethodField()
    changes = serializers.SerializerMethodField(help_text="Fields of ours that become theirs.")
    mrr = serializers.SerializerMethodField(help_text="As of today; null until it is known.")
    agreements = serializers.SerializerMethodField(help_text="How many come.")
    contacts = serializers.SerializerMethodField(help_text="How many come.")
    warnings = serializers.SerializerMethodField()
    error = serializers.SerializerMethodField(
        help_text="Why it could not be worked out; while it waits, for what."
    )
    queued_at = serializers.DateTimeField()
    finished_at = serializers.DateTimeField(allow_null=True)
    expires_at = serializers.SerializerMethodField()
    can = CanField({"link": (IsMember, lambda preview: preview.found is not None)})

    def _found(self, preview: LinkPreview, name: str) -> Any:
        return (preview.found or {}).get(name)

    @extend_schema_field(SideSerializer())
    def get_ours(self, preview: LinkPreview) -> Any:
        return self._found(preview, "ours") or side_of(preview.company)

    @extend_schema_field(SideSerializer(allow_null=True))
    def get_theirs(self, preview: LinkPreview) -> Any:
        return self._found(preview, "theirs")

    @extend_schema_field(ChangeSerializer(many=True))
    def get_changes(self, preview: LinkPreview) -> Any:
        return self._found(preview, "changes") or []

    @extend_schema_field(BeforeAfterSerializer(allow_null=True))
    def get_mrr(self, preview: LinkPreview) -> Any:
        return self._found(preview, "mrr")

    @extend_schema_field(serializers.IntegerField(allow_null=True))
    def get_agreements(self, preview: LinkPreview) -> Any:
        return self._found(preview, "agreements")

    @extend_schema_field(serializers.IntegerField(allow_null=True))
    def get_contacts(self, preview: LinkPreview) -> Any:
        return self._found(preview, "contacts")

    @extend_schema_field(WarningSerializer(many=True))
    def get_warnings(self, preview: LinkPreview) -> Any:
        return self._found(preview, "warnings") or []

    @extend_schema_field(FixableReasonSerializer(allow_null=True))
    def get_error(self, preview: LinkPreview) -> dict[str, str] | None:
        if not preview.code:
            return None
        return {"code": preview.code, "message": preview.message, "fix": preview.fix}

    @extend_schema_field(serializers.DateTimeField())
    def get_expires_at(self, preview: LinkPreview) -> str | None:
        return serializers.DateTimeField().to_representation(expires_at(preview))


class PastLinkSerializer(serializers.Serializer[Any]):
    """A link of an audITee, in force, ended or undone."""

    # of CompanyLinkQuerySet.undoable_first

    id = serializers.CharField()
    integration = serializers.CharField(source="integration_id")
    psa = PsaField(source="integration.psa")
    external_id = serializers.CharField()
    linked_at = serializers.DateTimeField()
    linked_by = NamedPersonSerializer(allow_null=True)
    active = serializers.BooleanField(source="is_active")
    unlinked_at = serializers.DateTimeField(allow_null=True)
    undone_at = serializers.DateTimeField(allow_null=True)
    can = CanField({"undo": (IsMember, lambda link: link.can_undo)})
