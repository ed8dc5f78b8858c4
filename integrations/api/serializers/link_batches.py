"""Bodies of links that were made together."""

from __future__ import annotations

from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from audit_site.api.abilities import CanField
from audit_site.api.permissions import IsMember
from integrations.api.serializers.connection_parts import NamedPersonSerializer
from integrations.api.serializers.links import PastLinkSerializer
from integrations.api.serializers.suggestions import NamedSerializer
from integrations.models import LinkBatch


class LinkBatchCountsSerializer(serializers.Serializer[Any]):
    linked = serializers.IntegerField(help_text="Links that were made.")
    standing = serializers.IntegerField(help_text="Those of them that are not undone.")
    back = serializers.IntegerField(
        help_text="Those of them that stand again, as somebody brought them back."
    )
    unlinked = serializers.IntegerField(
        help_text="Of those that were undone together: links that can be made again."
    )
    rejected = serializers.IntegerField(source="refused", help_text="Pairs that were not linked.")


class LeftLinkSerializer(serializers.Serializer[Any]):
    """A link that could not be undone, or not be made again, and why."""

    name = serializers.CharField(help_text="Of the audITee.")
    code = serializers.CharField()
    message = serializers.CharField()


class BatchUndoSerializer(serializers.Serializer[Any]):
    state = serializers.ChoiceField(("running", "done"), source="undo_state")
    by = NamedPersonSerializer(source="undo_by", allow_null=True)
    finished_at = serializers.DateTimeField(source="undo_done_at", allow_null=True)
    left = LeftLinkSerializer(many=True, help_text="What could not be undone, and stays.")


class BatchBackSerializer(serializers.Serializer[Any]):
    by = NamedPersonSerializer(source="back_by", allow_null=True)
    at = serializers.DateTimeField(source="back_at")
    left = LeftLinkSerializer(
        many=True, source="not_back", help_text="What could not be linked again, and stays undone."
    )


def _can_be_undone(batch: LinkBatch) -> bool:
    standing: int = batch.standing  # type: ignore[attr-defined]
    return standing > 0 and not batch.is_being_undone


def _can_come_back(batch: LinkBatch) -> bool:
    unlinked: int = batch.unlinked  # type: ignore[attr-defined]
    return unlinked > 0 and not batch.is_being_undone


class LinkBatchSerializer(serializers.ModelSerializer[LinkBatch]):
    """Suggestions that were confirmed together; while its undo is `running`, ask again."""

    # the context has `request`

    made_by = serializers.CharField(source="made_by_name", allow_blank=True, read_only=True)
    counts = LinkBatchCountsSerializer(source="*", read_only=True)
    undo = serializers.SerializerMethodField(help_text="Null = nobody has undone all of it.")
    back = serializers.SerializerMethodField(
        help_text="Null = nobody has had linked again what the last undo undid."
    )
    can = CanField({"undo": (IsMember, _can_be_undone), "bring_back": (IsMember, _can_come_back)})

    class Meta:
        model = LinkBatch
        fields = ("id", "made_at", "made_by", "counts", "undo", "back", "can")
        read_only_fields = fields

    @extend_schema_field(BatchUndoSerializer(allow_null=True))
    def get_undo(self, batch: LinkBatch) -> Any:
        return BatchUndoSerializer(batch).data if batch.undo_state else None

    @extend_schema_field(BatchBackSerializer(allow_null=True))
    def get_back(self, batch: LinkBatch) -> Any:
        return BatchBackSerializer(batch).data if batch.back_at else None


class RejectedRowSerializer(serializers.Serializer[Any]):
    name = serializers.CharField(allow_blank=True, help_text="Of the audITee.")
    theirs = serializers.CharField(allow_blank=True, help_text="Name of the PSA company.")
    code = serializers.CharField()
    message = serializers.CharField()


class WholeLinkBatchSerializer(LinkBatchSerializer):
    """As in the list, with what was rejected."""

    rejected = RejectedRowSerializer(many=True, read_only=True)

    class Meta(LinkBatchSerializer.Meta):
        fields = (*LinkBatchSerializer.Meta.fields, "rejected")  # type: ignore[assignment]
        read_only_fields = fields  # type: ignore[assignment]


class BatchLinkSerializer(PastLinkSerializer):
    """A link of a batch: it can be undone by itself, too (`/companies/{id}/unlink/`)."""

    company = NamedSerializer()
