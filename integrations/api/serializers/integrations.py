"""Bodies of PSAs, integrations and connection tests."""

from __future__ import annotations

from typing import Any

from drf_spectacular.utils import (
    extend_schema_field,
)
from rest_framework import serializers

from audit_site.api.serializers import (
    StrictSerializer,
)
from audit_site.db.counting import NEW_LIMIT, CappedCount
from integrations.api.serializers.runs import SyncRunSerializer
from integrations.connecting.guides import filled_in
from integrations.models import (
    ConnectionTest,
    Integration,
)
from integrations.psa.contract import GuideStep
from integrations.runs.schedule import next_at


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
            for field in integration.psa_info.fields
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
