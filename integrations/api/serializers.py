"""What integrations, tests, runs and the import list look like to other programs."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from drf_spectacular.utils import (
    extend_schema_field,
)
from rest_framework import serializers, status
from rest_framework.response import Response

from audit_site.api.serializers import (
    FixableReasonSerializer,
    ReasonSerializer,
    StrictSerializer,
)
from audit_site.db.counting import NEW_LIMIT, CappedCount
from integrations.models import (
    FIGURES,
    KINDS,
    ConnectionTest,
    Integration,
    Issue,
    PsaCompanyRecord,
    SyncEvent,
    SyncRun,
)
from integrations.pace import pace_of, remaining_seconds
from integrations.psa.contract import GuideStep
from integrations.selectors import is_new, reasons_of
from integrations.services.psa_access import info_of
from integrations.services.schedule import next_at

pass


class CredentialFieldSerializer(serializers.Serializer[Any]):
    name = serializers.CharField()
    label = serializers.CharField()  # type: ignore[assignment]
    type = serializers.ChoiceField(("text", "url", "secret"))
    required = serializers.BooleanField()  # type: ignore[assignment]
    default = serializers.CharField()
    help = serializers.CharField()


class GuideValueSerializer(serializers.Serializer[Any]):
    label = serializers.CharField()  # type: ignore[assignment]
    value = serializers.CharField()


class GuideStepSerializer(serializers.Serializer[GuideStep]):
    title = serializers.CharField()
    text = serializers.CharField()
    values = serializers.SerializerMethodField()

    @extend_schema_field(GuideValueSerializer(many=True))
    def get_values(self, step: GuideStep) -> list[dict[str, str]]:
        return [{"label": label, "value": filled_in(value)} for label, value in step.values]


def filled_in(value: str) -> str:
    """A guide's literal value; names of settings in braces are filled in."""
    return value.replace("{help_email}", settings.HELP_EMAIL)


class PsaSerializer(serializers.Serializer[Any]):
    psa = serializers.CharField(source="key")
    name = serializers.CharField()
    fields = CredentialFieldSerializer(many=True)  # type: ignore[assignment]
    guide = GuideStepSerializer(many=True)

    def get_fields(self) -> dict[str, Any]:
        """DRF's own `fields` is taken: the wire name is put in here."""
        return {
            "psa": serializers.CharField(source="key"),
            "name": serializers.CharField(),
            "fields": CredentialFieldSerializer(many=True),
            "guide": GuideStepSerializer(many=True),
        }


class CheckSerializer(serializers.Serializer[Any]):
    name = serializers.CharField()
    ok = serializers.BooleanField(allow_null=True)
    code = serializers.CharField(allow_blank=True)
    message = serializers.CharField(allow_blank=True)
    fix = serializers.CharField(allow_blank=True)


class ConnectionTestSerializer(serializers.ModelSerializer[ConnectionTest]):
    checks = CheckSerializer(many=True)

    class Meta:
        model = ConnectionTest
        fields = (
            "id",
            "state",
            "ok",
            "code",
            "message",
            "fix",
            "checks",
            "started_at",
            "finished_at",
        )
        read_only_fields = fields


class CountsSerializer(serializers.Serializer[Any]):
    def get_fields(self) -> dict[str, Any]:
        return {name: serializers.IntegerField() for name in FIGURES}


class RunCountsSerializer(serializers.Serializer[Any]):
    def get_fields(self) -> dict[str, Any]:
        return {kind: CountsSerializer() for kind in KINDS}


class ProgressSerializer(serializers.Serializer[Any]):
    done = serializers.IntegerField()
    total = serializers.IntegerField(allow_null=True)


class SyncRunSerializer(serializers.ModelSerializer[SyncRun]):
    """A run. Whoever shows several measures their paces first, or each one asks for its own."""

    integration = serializers.CharField(source="integration_id", read_only=True)
    company = serializers.CharField(source="company_id", read_only=True, allow_null=True)
    progress = serializers.SerializerMethodField()
    counts = RunCountsSerializer(read_only=True)
    error = serializers.SerializerMethodField()
    rate = serializers.SerializerMethodField(
        help_text="Records a minute right now (companies, in the phase agreements); null when that "
        "is not known."
    )
    remaining_seconds = serializers.SerializerMethodField(
        help_text="Until the phase under way is done; null when that can't be known."
    )

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
        )
        read_only_fields = fields

    @extend_schema_field(ProgressSerializer)
    def get_progress(self, run: SyncRun) -> dict[str, int | None]:
        return {"done": run.progress_done, "total": run.progress_total}

    def get_rate(self, run: SyncRun) -> int | None:
        pace = pace_of(run)
        return pace.rate if pace else None

    def get_remaining_seconds(self, run: SyncRun) -> int | None:
        return remaining_seconds(run)

    @extend_schema_field(FixableReasonSerializer(allow_null=True))
    def get_error(self, run: SyncRun) -> dict[str, str] | None:
        if not run.error_code:
            return None
        return {"code": run.error_code, "message": run.error_message, "fix": run.error_fix}


class SyncEventSerializer(serializers.ModelSerializer[SyncEvent]):
    reason = serializers.SerializerMethodField()

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


class IssueSerializer(serializers.ModelSerializer[Issue]):
    """One of `selectors.list_issues`. `company` is the audITee that it is about, where linked."""

    company = serializers.UUIDField(source="linked_company_id", read_only=True, allow_null=True)
    state = serializers.ChoiceField(("open", "dismissed", "closed"), read_only=True)
    sync_run = serializers.UUIDField(source="run_id", read_only=True, allow_null=True)

    class Meta:
        model = Issue
        fields = (
            "id",
            "kind",
            "external_id",
            "company",
            "code",
            "name",
            "message",
            "fix",
            "times",
            "first_seen_at",
            "last_seen_at",
            "state",
            "sync_run",
        )
        read_only_fields = fields


class CandidateSerializer(serializers.Serializer[Any]):
    state = serializers.ChoiceField(("testing", "refused"))
    test = ConnectionTestSerializer()


class ScheduleSerializer(serializers.Serializer[Any]):
    every = serializers.ChoiceField(Integration.Schedule.choices)
    at = serializers.TimeField(
        format="%H:%M", help_text="For every night: HH:MM by the tenant's clock."
    )
    next_at = serializers.DateTimeField(allow_null=True)


class ScheduleChangeSerializer(StrictSerializer):
    """What is left out stays as it is."""

    every = serializers.ChoiceField(Integration.Schedule.choices, required=False)
    at = serializers.TimeField(
        required=False,
        input_formats=["%H:%M"],
        help_text="For every night: HH:MM by the tenant's clock.",
        error_messages={"invalid": "Write the time as HH:MM, such as 02:00."},
    )


class IntegrationSerializer(serializers.ModelSerializer[Integration]):
    credentials = serializers.SerializerMethodField()
    candidate = serializers.SerializerMethodField()
    last_test = ConnectionTestSerializer(source="latest_test", read_only=True, allow_null=True)
    last_sync = SyncRunSerializer(source="latest_run", read_only=True, allow_null=True)
    schedule = serializers.SerializerMethodField()
    open_issues = serializers.SerializerMethodField(help_text="Issues that wait for a person.")
    new_psa_companies = serializers.SerializerMethodField(
        help_text="PSA companies that came since you last looked at the import list, counted up to "
        f"{NEW_LIMIT}; null = you never looked."
    )

    class Meta:
        model = Integration
        fields = (
            "id",
            "psa",
            "name",
            "status",
            "credentials",
            "candidate",
            "last_test",
            "last_sync",
            "schedule",
            "open_issues",
            "new_psa_companies",
            "created_at",
            "updated_at",
        )
        read_only_fields = fields

    def get_open_issues(self, integration: Integration) -> int:
        """Needs `open_issues` (of the selectors) in the context."""
        return int(self.context["open_issues"].get(integration.pk, 0))

    def get_new_psa_companies(self, integration: Integration) -> int | None:
        """Needs `news` (of the selectors) in the context."""
        arrived: CappedCount | None = self.context["news"].get(integration.pk)
        return None if arrived is None else min(arrived.number, arrived.limit)

    @extend_schema_field(
        {
            "type": "object",
            "additionalProperties": {
                "oneOf": [
                    {"type": "string"},
                    {
                        "type": "object",
                        "properties": {"set": {"type": "boolean"}},
                        "required": ["set"],
                    },
                ]
            },
        }
    )
    def get_credentials(self, integration: Integration) -> dict[str, Any]:
        stored = integration.credentials
        return {
            field.name: {"set": field.name in stored}
            if field.type == "secret"
            else stored.get(field.name, "")
            for field in info_of(integration).fields
        }

    @extend_schema_field(CandidateSerializer(allow_null=True))
    def get_candidate(self, integration: Integration) -> dict[str, Any] | None:
        test = integration.candidate_test
        if integration.candidate is None or test is None:
            return None
        return {
            "state": integration.candidate["state"],
            "test": ConnectionTestSerializer(test).data,
        }

    @extend_schema_field(ScheduleSerializer)
    def get_schedule(self, integration: Integration) -> dict[str, Any]:
        shown: dict[str, Any] = ScheduleSerializer(
            {
                "every": integration.schedule,
                "at": integration.nightly_at,
                "next_at": next_at(integration),
            }
        ).data
        return shown


class CredentialsField(serializers.DictField):
    child = serializers.CharField(allow_blank=True, trim_whitespace=False, max_length=2000)


class IntegrationCreateSerializer(StrictSerializer):
    psa = serializers.CharField()
    credentials = CredentialsField()
    name = serializers.CharField(required=False, allow_blank=True, max_length=255)
    schedule = ScheduleChangeSerializer(required=False)


class IntegrationUpdateSerializer(StrictSerializer):
    credentials = CredentialsField(required=False)
    name = serializers.CharField(required=False, max_length=255)
    schedule = ScheduleChangeSerializer(required=False)


class PsaCompanySerializer(serializers.ModelSerializer[PsaCompanyRecord]):
    importable = serializers.SerializerMethodField()
    reasons = serializers.SerializerMethodField()
    linked_company = serializers.CharField(source="linked_company_id", allow_null=True)
    suggested_company = serializers.SerializerMethodField()
    new = serializers.SerializerMethodField(
        help_text="Whether it came since you last looked at the import list."
    )
    seen_at = serializers.SerializerMethodField()

    class Meta:
        model = PsaCompanyRecord
        fields = (
            "external_id",
            "name",
            "status",
            "type",
            "contact_count",
            "importable",
            "reasons",
            "linked_company",
            "suggested_company",
            "url",
            "new",
            "first_seen_at",
            "seen_at",
        )
        read_only_fields = fields

    def get_importable(self, record: PsaCompanyRecord) -> bool:
        return record.importable and not getattr(record, "linked_company_id", None)

    @extend_schema_field(FixableReasonSerializer(many=True))
    def get_reasons(self, record: PsaCompanyRecord) -> list[dict[str, str]]:
        return [dict(reason) for reason in reasons_of(record)]  # type: ignore[arg-type]

    @extend_schema_field(
        {
            "type": ["object", "null"],
            "properties": {
                "id": {"type": "string"},
                "name": {"type": "string"},
                "score": {"type": "number"},
            },
        }
    )
    def get_suggested_company(self, record: PsaCompanyRecord) -> None:
        """No company is suggested unless the product is sure enough to say why."""

    def get_new(self, record: PsaCompanyRecord) -> bool:
        """Needs `since` in the context: up to when the person has seen the list."""
        return is_new(record, self.context["since"])

    @extend_schema_field(serializers.DateTimeField())
    def get_seen_at(self, record: PsaCompanyRecord) -> str:
        """When the PSA showed it last: the last complete pass saw all that are not gone."""
        passed = record.integration.companies_read_at
        seen = record.seen_at if record.gone_at or passed is None else max(record.seen_at, passed)
        return serializers.DateTimeField().to_representation(seen)


class DiagnosisSerializer(serializers.Serializer[Any]):
    importable = serializers.BooleanField()
    checks = CheckSerializer(many=True)


def started(run: SyncRun, is_new: bool) -> Response:
    """Answer with a run: 202 when it is new, 200 when it was under way."""
    code = status.HTTP_202_ACCEPTED if is_new else status.HTTP_200_OK
    return Response(SyncRunSerializer(run).data, status=code)
