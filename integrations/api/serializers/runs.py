"""Bodies of sync runs and their events."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from drf_spectacular.utils import (
    extend_schema_field,
)
from msgspec import Struct
from rest_framework import serializers, status
from rest_framework.request import Request
from rest_framework.response import Response

from audit_site.api.abilities import Ability, CanField, allowed
from audit_site.api.permissions import IsMember
from audit_site.api.serializers import (
    FixableReasonSerializer,
    ReasonSerializer,
    ValuesField,
)
from integrations.kinds import WORDS
from integrations.models import (
    FIGURES,
    KINDS,
    SyncEvent,
    SyncRun,
)
from integrations.runs.speed import RunSpeed, measure, remaining_seconds
from integrations.sync.company_sync import CompanySync
from integrations.sync.full_sync import FullSync

#: What a run may be at.
PHASES = tuple(
    dict.fromkeys(phase.name for sync in (FullSync, CompanySync) for phase in sync.phases)
)


class CountsSerializer(serializers.Serializer[Any]):
    def get_fields(self) -> dict[str, Any]:
        return {name: serializers.IntegerField() for name in FIGURES}


class RunCountsSerializer(serializers.Serializer[Any]):
    def get_fields(self) -> dict[str, Any]:
        return {kind: CountsSerializer() for kind in KINDS}


class ProgressSerializer(serializers.Serializer[Any]):
    done = serializers.IntegerField(help_text="Records of the phase that are done.")
    total = serializers.IntegerField(allow_null=True, help_text="Null = not known.")


RUN_ABILITIES: Final[Mapping[str, Ability]] = {"cancel": (IsMember, lambda run: run.is_active)}


class SyncRunSerializer(serializers.ModelSerializer[SyncRun]):
    """A sync run: ask again until its state is neither `queued` nor `running`."""

    # what `RunBody` is written as; the context has `request`, and `speeds`, `{run id: RunSpeed}`

    integration = serializers.CharField(
        source="integration_id", read_only=True, help_text="Id of the integration."
    )
    company = serializers.CharField(
        source="company_id",
        read_only=True,
        allow_null=True,
        help_text="Id of the company that alone is re-read; null = not just one.",
    )
    progress = serializers.SerializerMethodField()
    phase = serializers.ChoiceField(
        PHASES, allow_blank=True, help_text="What it is at; empty before it begins and at its end."
    )
    counts = RunCountsSerializer(read_only=True)
    error = serializers.SerializerMethodField()
    resume_at = serializers.DateTimeField(source="resumes_at", read_only=True, allow_null=True)
    rate = serializers.SerializerMethodField(
        help_text="Records a minute right now (companies, in the phase agreements); null when that "
        "is not known."
    )
    remaining_seconds = serializers.SerializerMethodField(
        help_text="Until the phase under way is done; null when that can't be known."
    )

    can = CanField(RUN_ABILITIES)

    class Meta:
        model = SyncRun
        fields = (
            "id",
            "integration",
            "company",
            "trigger",
            "state",
            "phase",
            "reading",
            "progress",
            "rate",
            "remaining_seconds",
            "requests",
            "counts",
            "error",
            "waiting_for",
            "resume_at",
            "queued_at",
            "started_at",
            "finished_at",
            "can",
        )
        read_only_fields = fields
        extra_kwargs = {
            "reading": {"help_text": "All records, or what changed since the last run."},
            "requests": {"help_text": "Requests that the PSA was sent."},
            "waiting_for": {"help_text": "What it waits for, for a person; empty = nothing."},
            "resume_at": {"help_text": "When it goes on by itself; null = it does not wait."},
        }

    @extend_schema_field(ProgressSerializer)
    def get_progress(self, run: SyncRun) -> dict[str, int | None]:
        return {"done": run.progress_done, "total": run.progress_total}

    def get_rate(self, run: SyncRun) -> int | None:
        speed = self.context["speeds"].get(run.pk)
        return speed.rate if speed else None

    def get_remaining_seconds(self, run: SyncRun) -> int | None:
        return remaining_seconds(run, self.context["speeds"].get(run.pk))

    @extend_schema_field(FixableReasonSerializer(allow_null=True))
    def get_error(self, run: SyncRun) -> dict[str, str] | None:
        if not run.error_code:
            return None
        return {"code": run.error_code, "message": run.error_message, "fix": run.error_fix}


class SyncEventSerializer(serializers.ModelSerializer[SyncEvent]):
    """What a run did to one record, with the values before and after."""

    kind = serializers.ChoiceField(WORDS)
    reason = serializers.SerializerMethodField()
    before = ValuesField(allow_null=True)
    after = ValuesField(allow_null=True)

    class Meta:
        model = SyncEvent
        fields = (
            "id",
            "at",
            "kind",
            "external_id",
            "name",
            "change",
            "reason",
            "before",
            "after",
        )
        read_only_fields = fields

    @extend_schema_field(ReasonSerializer(allow_null=True))
    def get_reason(self, event: SyncEvent) -> dict[str, str] | None:
        if not event.reason_code:
            return None
        return {"code": event.reason_code, "message": event.reason_message}


class Progress(Struct):
    done: int
    total: int | None


class FixableReason(Struct):
    code: str
    message: str
    fix: str


class RunBody(Struct):
    """A run as `SyncRunSerializer` describes it."""

    id: UUID
    integration: UUID
    company: UUID | None
    trigger: str
    state: str
    phase: str
    reading: str
    progress: Progress
    rate: int | None
    remaining_seconds: int | None
    requests: int
    counts: dict[str, dict[str, int]]
    error: FixableReason | None
    waiting_for: str
    resume_at: datetime | None
    queued_at: datetime
    started_at: datetime | None
    finished_at: datetime | None
    can: list[str]


def _run_body(run: SyncRun, speed: RunSpeed | None, can: list[str]) -> RunBody:
    return RunBody(
        run.pk,
        run.integration_id,
        run.company_id,
        run.trigger,
        run.state,
        run.phase,
        run.reading,
        Progress(run.progress_done, run.progress_total),
        speed.rate if speed else None,
        remaining_seconds(run, speed),
        run.requests,
        {kind: {name: run.counts[kind][name] for name in FIGURES} for kind in KINDS},
        _error(run),
        run.waiting_for,
        run.resumes_at,
        run.queued_at,
        run.started_at,
        run.finished_at,
        can,
    )


def _error(run: SyncRun) -> FixableReason | None:
    if not run.error_code:
        return None
    return FixableReason(run.error_code, run.error_message, run.error_fix)


def run_bodies(request: Request, runs: Sequence[SyncRun]) -> list[RunBody]:
    """The bodies of runs of one tenant, in their order. Two statements at the most."""
    speeds, can = measure(runs), allowed(RUN_ABILITIES, request)
    return [_run_body(run, speeds.get(run.pk), can(run)) for run in runs]


def run_body(request: Request, run: SyncRun) -> RunBody:
    return run_bodies(request, [run])[0]


def started(request: Request, run: SyncRun, is_new: bool) -> Response:
    """Answer with a run: 202 when it is new, 200 when it was under way."""
    code = status.HTTP_202_ACCEPTED if is_new else status.HTTP_200_OK
    return Response(run_body(request, run), status=code)
