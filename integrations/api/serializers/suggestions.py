"""Bodies of link suggestions."""

from __future__ import annotations

from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from audit_site.api.abilities import CanField
from audit_site.api.permissions import IsMember
from audit_site.api.serializers import ReasonSerializer, StrictSerializer
from companies.api.serializers import CompanySerializer
from integrations.api.serializers.runs import SyncRunSerializer
from integrations.matching.pairs import MOST_PAIRS
from integrations.models import LinkMatching, LinkSuggestion, SuggestionKind

#: Why a pair was not taken.
CODES = (
    *("already_linked", "does_not_exist", "internal_error", "moved_before", "named_twice"),
    *("not_connected", "not_suggested", "suggestion_changed", "unknown_company"),
)


class NamedSerializer(serializers.Serializer[Any]):
    id = serializers.CharField(source="pk")
    name = serializers.CharField()


class PsaSideSerializer(serializers.Serializer[Any]):
    integration = serializers.CharField(source="integration_id", help_text="Id of it.")
    external_id = serializers.CharField()
    name = serializers.CharField()


class DismissedSerializer(serializers.Serializer[Any]):
    at = serializers.DateTimeField(source="dismissed_at")
    by = serializers.CharField(source="dismissed_by_name", allow_blank=True)


class LinkSuggestionSerializer(serializers.ModelSerializer[LinkSuggestion]):
    """An audITee and a PSA company that are probably the same."""

    # the context has `request`

    kind = serializers.ChoiceField(
        SuggestionKind.choices,
        read_only=True,
        help_text="`move`: the audITee leaves the account `from` for this one.",
    )
    company = NamedSerializer(read_only=True)
    psa_company = PsaSideSerializer(source="record", read_only=True)
    score = serializers.IntegerField(min_value=0, max_value=100, read_only=True)
    reasons = ReasonSerializer(many=True, read_only=True)
    rivals = serializers.IntegerField(
        read_only=True, help_text="How many others came into question; none was as good."
    )
    sure = serializers.BooleanField(
        source="is_sure", read_only=True, help_text="Good enough to be confirmed with others."
    )
    dismissed = serializers.SerializerMethodField(
        help_text="When and by whom it was called wrong; null = it was not."
    )
    can = CanField(
        {
            "confirm": (IsMember, lambda row: row.dismissed_at is None),
            "dismiss": (IsMember, lambda row: row.dismissed_at is None),
            "restore": (IsMember, lambda row: row.dismissed_at is not None),
        }
    )

    class Meta:
        model = LinkSuggestion
        fields = (
            "id",
            "kind",
            "company",
            "psa_company",
            "score",
            "reasons",
            "rivals",
            "sure",
            "found_at",
            "dismissed",
            "can",
        )
        read_only_fields = fields

    def get_fields(self) -> dict[str, Any]:
        leaves = serializers.CharField(
            source="source_id",
            read_only=True,
            allow_null=True,
            help_text="Id of the integration that the audITee leaves; null for links.",
        )
        return {**super().get_fields(), "from": leaves}

    @extend_schema_field(DismissedSerializer(allow_null=True))
    def get_dismissed(self, row: LinkSuggestion) -> Any:
        return DismissedSerializer(row).data if row.dismissed_at else None


class PairSerializer(StrictSerializer):
    company = serializers.CharField(max_length=100)
    integration = serializers.CharField(max_length=100)
    external_id = serializers.CharField(max_length=100)


class PairsSerializer(StrictSerializer):
    pairs = serializers.ListField(child=PairSerializer(), allow_empty=False, max_length=MOST_PAIRS)


class RejectedPairSerializer(serializers.Serializer[Any]):
    company = serializers.CharField(source="pair.company")
    integration = serializers.CharField(source="pair.integration")
    external_id = serializers.CharField(source="pair.external_id")
    code = serializers.ChoiceField(CODES)
    message = serializers.CharField()


class ConfirmedSerializer(serializers.Serializer[Any]):
    linked = CompanySerializer(many=True)
    rejected = RejectedPairSerializer(many=True)
    sync_run = SyncRunSerializer(
        allow_null=True, help_text="Reads the agreements; the first, where there are several."
    )
    sync_runs = SyncRunSerializer(many=True, help_text="One for each account.")
    batch = serializers.CharField(
        help_text="Id of these links as they were made together: see `/link-batches/{id}/`."
    )


class SuggestionsChangedSerializer(serializers.Serializer[Any]):
    suggestions = LinkSuggestionSerializer(many=True)
    rejected = RejectedPairSerializer(many=True)


class MoveSerializer(StrictSerializer):
    to = serializers.CharField(max_length=100, help_text="Id of the integration to move to.")


class LinkMatchingSerializer(serializers.ModelSerializer[LinkMatching]):
    """Proposals being worked out; once `done`, they are among the suggestions of kind `move`."""

    to = serializers.CharField(source="target_id", read_only=True)
    state = serializers.ChoiceField(("queued", "running", "done"), read_only=True)
    found = serializers.IntegerField(read_only=True, help_text="Proposals, once it is done.")

    class Meta:
        model = LinkMatching
        fields = ("id", "to", "state", "found", "wanted_at", "done_at")
        read_only_fields = fields

    def get_fields(self) -> dict[str, Any]:
        source = serializers.CharField(source="source_id", read_only=True)
        return {**super().get_fields(), "from": source}
