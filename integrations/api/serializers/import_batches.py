"""Bodies of imports that a worker carries out row by row."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers
from rest_framework.request import Request

from audit_site.api.abilities import CanField
from audit_site.api.permissions import IsMember
from audit_site.api.serializers import ReasonSerializer, StrictSerializer
from audit_site.tenants.models import User
from integrations.api.serializers.connection_parts import NamedPersonSerializer
from integrations.importing.batch_counts import counts_of
from integrations.importing.rules import REASONS
from integrations.importing.selection import MOST_TICKS
from integrations.importing.table import UNCHECKED, Tab
from integrations.models import ImportBatch, ImportBatchRow


class PsaCompanyIdSerializer(StrictSerializer):
    """One PSA company of one integration."""

    integration = serializers.CharField()
    external_id = serializers.CharField(max_length=100)


class ImportFiltersSerializer(StrictSerializer):
    """Which companies of the import lists; what is left out does not narrow them."""

    tab = serializers.ChoiceField(
        [Tab.ADD.value, Tab.SUGGESTED.value],
        required=False,
        help_text="Those that can be added (default), or those that an audITee is suggested for; "
        "none is in both.",
    )
    integration = serializers.CharField(required=False)
    search = serializers.CharField(
        required=False, max_length=255, help_text="A part of the name, or of the PSA's id."
    )
    type = serializers.CharField(required=False, max_length=255)
    status = serializers.CharField(required=False, max_length=100)
    reason = serializers.ChoiceField([*sorted(REASONS), UNCHECKED], required=False)
    new = serializers.BooleanField(required=False, help_text="Came since you last looked.")


class ImportBatchCreateSerializer(StrictSerializer):
    """What to import: companies one by one, or all that match filters but some."""

    companies = serializers.ListField(
        child=PsaCompanyIdSerializer(), required=False, allow_empty=False, max_length=MOST_TICKS
    )
    all_that_match = ImportFiltersSerializer(required=False)
    exceptions = serializers.ListField(
        child=PsaCompanyIdSerializer(), required=False, max_length=MOST_TICKS
    )

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        if ("companies" in attrs) == ("all_that_match" in attrs):
            message = "Send either companies or all_that_match."
            raise serializers.ValidationError({"companies": [message]}, code="invalid")
        if "exceptions" in attrs and "companies" in attrs:
            message = "Exceptions are from all_that_match."
            raise serializers.ValidationError({"exceptions": [message]}, code="invalid")
        return attrs


class BatchProgressSerializer(serializers.Serializer[Any]):
    done = serializers.IntegerField(help_text="Rows that are carried out, well or not.")
    total = serializers.IntegerField()


class BatchCountsSerializer(serializers.Serializer[Any]):
    """Its rows in numbers; those that were unticked in the review are in `unticked` alone."""

    new = serializers.IntegerField(help_text="Become new audITees.")
    links = serializers.IntegerField(help_text="Are linked to audITees that are there.")
    waiting = serializers.IntegerField()
    done = serializers.IntegerField()
    failed = serializers.IntegerField()
    undoing = serializers.IntegerField()
    undone = serializers.IntegerField()
    unticked = serializers.IntegerField()
    archived = serializers.IntegerField(
        help_text="Of those that are undone: audITees that are archived and can be brought back."
    )
    unlinked = serializers.IntegerField(
        help_text="Of those that are undone: links that can be made again."
    )
    back = serializers.IntegerField(
        help_text="Of those that are done: what an undo had taken back and somebody brought back."
    )
    undoable = serializers.IntegerField(
        help_text="Of those that are done: what an undo takes back."
    )


class _CanField(CanField):
    """Of an import, only what is left to be done: the context has `counts`."""

    def to_representation(self, shown: Any) -> list[str]:
        counts = self.context["counts"][shown.pk]
        left = {"retry": counts.failed, "undo": counts.undoable, "bring_back": counts.can_come_back}
        return [verb for verb in super().to_representation(shown) if left[verb]]


def _has_ended(batch: ImportBatch) -> bool:
    return batch.state == ImportBatch.State.DONE


def _person(user: User | None) -> dict[str, str] | None:
    return None if user is None else {"id": str(user.pk), "name": str(user)}


class ImportBatchSerializer(serializers.ModelSerializer[ImportBatch]):
    """An import: ask again until its state is neither `queued` nor `running`."""

    # the context has `request`, and `counts`, `{batch id: BatchCounts}`: see `batch_bodies`

    started_by = serializers.SerializerMethodField()
    progress = serializers.SerializerMethodField()
    counts = serializers.SerializerMethodField()
    undo_by = serializers.SerializerMethodField(help_text="Who last had it undone.")
    back_by = serializers.SerializerMethodField(
        help_text="Who last had brought back what its undo had taken away."
    )
    can = _CanField(dict.fromkeys(("retry", "undo", "bring_back"), (IsMember, _has_ended)))

    class Meta:
        model = ImportBatch
        fields = (
            *("id", "state", "started_by", "progress", "counts"),
            *("created_at", "started_at", "finished_at", "undo_by", "back_by", "can"),
        )
        read_only_fields = fields
        extra_kwargs = {"state": {"help_text": "`review`: chosen on a page and not started yet."}}

    @extend_schema_field(NamedPersonSerializer(allow_null=True))
    def get_started_by(self, batch: ImportBatch) -> dict[str, str] | None:
        return _person(batch.started_by)

    @extend_schema_field(NamedPersonSerializer(allow_null=True))
    def get_undo_by(self, batch: ImportBatch) -> dict[str, str] | None:
        return _person(batch.undo_by)

    @extend_schema_field(NamedPersonSerializer(allow_null=True))
    def get_back_by(self, batch: ImportBatch) -> dict[str, str] | None:
        return _person(batch.back_by)

    @extend_schema_field(BatchProgressSerializer)
    def get_progress(self, batch: ImportBatch) -> dict[str, int]:
        counts = self.context["counts"][batch.pk]
        return {"done": counts.ended, "total": counts.chosen}

    @extend_schema_field(BatchCountsSerializer)
    def get_counts(self, batch: ImportBatch) -> Any:
        return BatchCountsSerializer(self.context["counts"][batch.pk]).data


class RowCompanySerializer(serializers.Serializer[Any]):
    id = serializers.CharField()
    name = serializers.CharField()


class ImportBatchRowSerializer(serializers.ModelSerializer[ImportBatchRow]):
    """What one PSA company was to become, and what became of it."""

    integration = serializers.CharField(source="integration_id", read_only=True)
    company = RowCompanySerializer(
        read_only=True,
        allow_null=True,
        help_text="The audITee that it is linked to, or that was made of it.",
    )
    reason = serializers.SerializerMethodField(help_text="Why it was not done; null = it was.")

    class Meta:
        model = ImportBatchRow
        fields = (
            *("id", "integration", "external_id", "name", "becomes", "chosen", "state"),
            *("company", "made", "reason", "done_at"),
        )
        read_only_fields = fields
        extra_kwargs = {
            "made": {"help_text": "Whether this import made the audITee."},
            "chosen": {"help_text": "False = it was unticked in the review."},
        }

    @extend_schema_field(ReasonSerializer(allow_null=True))
    def get_reason(self, row: ImportBatchRow) -> dict[str, str] | None:
        return {"code": row.code, "message": row.message} if row.code else None


def batch_bodies(request: Request, batches: Sequence[ImportBatch]) -> Any:
    """The bodies of imports of one tenant, in their order. One statement."""
    context = {"request": request, "counts": counts_of(batches)}
    return ImportBatchSerializer(batches, many=True, context=context).data
