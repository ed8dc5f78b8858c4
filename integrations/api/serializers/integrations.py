"""Bodies of PSAs, integrations and connection tests."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from drf_spectacular.utils import (
    extend_schema_field,
)
from rest_framework import serializers
from rest_framework.request import Request

from audit_site.api.abilities import CanField
from audit_site.api.permissions import IsAdmin, IsMember
from audit_site.api.serializers import (
    StrictSerializer,
)
from audit_site.db.counting import NEW_LIMIT
from audit_site.error_codes import CODES
from integrations.api.serializers.connection_parts import (
    ListCountsSerializer,
    StoredSecretSerializer,
)
from integrations.api.serializers.runs import SyncRunSerializer
from integrations.connecting.checks import NAMES
from integrations.connecting.guides import filled_in
from integrations.connecting.health import TITLES, Health
from integrations.importing.connection_cards import ConnectionCard
from integrations.models import (
    ConnectionTest,
    Integration,
)
from integrations.psa import registry
from integrations.psa.contract import GuideStep
from integrations.runs.schedule import next_at
from integrations.runs.speed import measure


@extend_schema_field({"type": "string", "enum": [info.key for info in registry.infos()]})
class PsaField(serializers.CharField):
    """The key of a PSA."""


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
    """A PSA that can be connected: its form and the way to its keys."""

    def get_fields(self) -> dict[str, Any]:
        # declared here and not in the class: `fields` is a name of DRF's own there
        return {
            "psa": PsaField(source="key"),
            "name": serializers.CharField(),
            "fields": CredentialFieldSerializer(many=True),
            "guide": GuideStepSerializer(many=True),
        }


class CheckSerializer(serializers.Serializer[Any]):
    """One check: true = seen, false = refused, null = not tried or nothing to see."""

    name = serializers.ChoiceField(NAMES)
    ok = serializers.BooleanField(
        allow_null=True,
        help_text="True only for what was seen, false when it was refused, null when it was not "
        "tried or there was nothing to see.",
    )
    seen = serializers.SerializerMethodField(
        help_text="How many records are shown, of lines how many were tried; null = not known."
    )
    code = serializers.ChoiceField(list(CODES), allow_blank=True)
    message = serializers.CharField(allow_blank=True)
    fix = serializers.CharField(allow_blank=True)

    @extend_schema_field(serializers.IntegerField(allow_null=True))
    def get_seen(self, check: dict[str, Any]) -> int | None:
        seen: int | None = check.get("seen")  # tests of earlier releases have none
        return seen


class ConnectionTestSerializer(serializers.ModelSerializer[ConnectionTest]):
    """One test of keys: ask again until its state is `done`."""

    code = serializers.ChoiceField(list(CODES), allow_blank=True)
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


@extend_schema_field({"type": "string", "pattern": "^([01][0-9]|2[0-3]):[0-5][0-9]$"})
class ClockField(serializers.TimeField):
    """Hours and minutes."""


class ScheduleSerializer(serializers.Serializer[Any]):
    every = serializers.ChoiceField(Integration.Schedule.choices)
    at = ClockField(format="%H:%M", help_text="For every night: HH:MM by the tenant's clock.")
    next_at = serializers.DateTimeField(allow_null=True)


class ScheduleChangeSerializer(StrictSerializer):
    """What is left out stays as it is."""

    every = serializers.ChoiceField(Integration.Schedule.choices, required=False)
    at = ClockField(
        required=False,
        input_formats=["%H:%M"],
        help_text="For every night: HH:MM by the tenant's clock.",
        error_messages={"invalid": "Write the time as HH:MM, such as 02:00."},
    )


class HealthSerializer(serializers.Serializer[Health]):
    """How a connection is right now, the same on every page."""

    state = serializers.ChoiceField(list(TITLES))
    since = serializers.DateTimeField(allow_null=True)
    message = serializers.CharField()
    fix = serializers.CharField(allow_blank=True)
    until = serializers.DateTimeField(allow_null=True)


def _is_there(card: ConnectionCard) -> bool:
    return not card.integration.is_disconnected


def _is_read(card: ConnectionCard) -> bool:
    return _is_there(card) and not card.integration.is_paused


def _is_on_pause(card: ConnectionCard) -> bool:
    return _is_there(card) and card.integration.is_paused


class IntegrationSerializer(serializers.Serializer[Any]):
    """One connection to a PSA account."""

    # of a ConnectionCard; the context has the `request` and `speeds` of SyncRunSerializer

    id = serializers.UUIDField(source="integration.id", read_only=True)
    psa = PsaField(source="integration.psa", read_only=True)
    name = serializers.CharField(source="integration.name", read_only=True)
    status = serializers.ChoiceField(
        Integration.Status.choices, source="integration.status", read_only=True
    )
    credentials = serializers.SerializerMethodField()
    candidate = serializers.SerializerMethodField()
    last_test = ConnectionTestSerializer(source="latest.test", read_only=True, allow_null=True)
    last_sync = SyncRunSerializer(source="latest.run", read_only=True, allow_null=True)
    health = HealthSerializer(read_only=True)
    schedule = serializers.SerializerMethodField()
    next_sync_at = serializers.SerializerMethodField()
    last_success_at = serializers.DateTimeField(
        read_only=True,
        allow_null=True,
        help_text="When a sync of everything last ended well; null = never.",
    )
    paused_until = serializers.SerializerMethodField(
        help_text="When the pause under way ends by itself; null = never, or there is none "
        "(`health.state` is `paused` or not)."
    )
    companies = serializers.SerializerMethodField()
    open_issues = serializers.SerializerMethodField(help_text="Issues that wait for a person.")
    new_psa_companies = serializers.SerializerMethodField(
        help_text="PSA companies that came since you last looked at the import list, counted up to "
        f"{NEW_LIMIT}; null = you never looked."
    )
    created_at = serializers.DateTimeField(source="integration.created_at", read_only=True)
    updated_at = serializers.DateTimeField(source="integration.updated_at", read_only=True)
    can = CanField(
        {
            "edit": (IsAdmin, _is_there),
            "delete": (IsAdmin, _is_there),
            "test": (IsMember, _is_there),
            "sync": (IsMember, _is_read),
            "import": (IsMember, _is_there),
            "pause": (IsAdmin, _is_there),
            "resume": (IsAdmin, _is_on_pause),
        }
    )

    @extend_schema_field(serializers.DateTimeField(allow_null=True))
    def get_next_sync_at(self, card: ConnectionCard) -> str | None:
        planned = next_at(card.integration)
        return serializers.DateTimeField().to_representation(planned) if planned else None

    def get_open_issues(self, card: ConnectionCard) -> int:
        return card.open_issues

    def get_new_psa_companies(self, card: ConnectionCard) -> int | None:
        arrived = card.new_companies
        return None if arrived is None else min(arrived.number, arrived.limit)

    @extend_schema_field(serializers.DateTimeField(allow_null=True))
    def get_paused_until(self, card: ConnectionCard) -> str | None:
        until = card.integration.on_pause_until if card.integration.is_paused else None
        return serializers.DateTimeField().to_representation(until) if until else None

    @extend_schema_field(ListCountsSerializer)
    def get_companies(self, card: ConnectionCard) -> dict[str, Any]:
        counts = card.companies
        return {
            "found": counts.found,
            "importable": counts.importable,
            "linked": counts.linked,
            "ignored": counts.ignored,
            "new": self.get_new_psa_companies(card),
            "hidden": dict(counts.by_rule),
        }

    @extend_schema_field(
        {
            "type": "object",
            "additionalProperties": {
                "oneOf": [
                    {"type": "string"},
                    {
                        "type": "object",
                        "properties": {
                            "set": {"type": "boolean"},
                            "saved_at": {"type": ["string", "null"], "format": "date-time"},
                            "saved_by": {
                                "type": ["object", "null"],
                                "properties": {
                                    "id": {"type": "string"},
                                    "name": {"type": "string"},
                                },
                                "required": ["id", "name"],
                            },
                        },
                        "required": ["set", "saved_at", "saved_by"],
                    },
                ]
            },
        }
    )
    def get_credentials(self, card: ConnectionCard) -> dict[str, Any]:
        """The values as they are stored; of a secret only that it is, since when, by whom."""
        stored = card.integration.credentials
        return {
            field.name: self._secret(card, field.name)
            if field.type == "secret"
            else stored.get(field.name, "")
            for field in card.integration.psa_info.fields
        }

    def _secret(self, card: ConnectionCard, name: str) -> dict[str, Any]:
        saved = card.secrets.get(name)
        shown: dict[str, Any] = StoredSecretSerializer(
            {
                "set": saved is not None,
                "saved_at": saved.saved_at if saved else None,
                "saved_by": saved.saved_by if saved else None,
            }
        ).data
        return shown

    @extend_schema_field(CandidateSerializer(allow_null=True))
    def get_candidate(self, card: ConnectionCard) -> dict[str, Any] | None:
        candidate, test = card.integration.candidate, card.latest.candidate_test
        if candidate is None or test is None:
            return None
        return {"state": candidate["state"], "test": ConnectionTestSerializer(test).data}

    @extend_schema_field(ScheduleSerializer)
    def get_schedule(self, card: ConnectionCard) -> dict[str, Any]:
        integration = card.integration
        shown: dict[str, Any] = ScheduleSerializer(
            {
                "every": integration.schedule,
                "at": integration.nightly_at,
                "next_at": next_at(integration),
            }
        ).data
        return shown


def connection_bodies(request: Request, cards: Sequence[ConnectionCard]) -> Any:
    """The bodies of connections of one tenant, in their order. Two statements at the most."""
    speeds = measure(card.latest.run for card in cards if card.latest.run)
    return IntegrationSerializer(
        cards, many=True, context={"request": request, "speeds": speeds}
    ).data


class CredentialsField(serializers.DictField):
    child = serializers.CharField(allow_blank=True, trim_whitespace=False, max_length=2000)


class IntegrationCreateSerializer(StrictSerializer):
    """Which fields `credentials` has is what `GET /psas/` says of the PSA."""

    psa = PsaField()
    credentials = CredentialsField()
    name = serializers.CharField(required=False, allow_blank=True, max_length=255)
    schedule = ScheduleChangeSerializer(required=False)


class PauseSerializer(StrictSerializer):
    until = serializers.DateTimeField(
        required=False,
        allow_null=True,
        help_text="When the pause ends by itself; left out: when somebody resumes it.",
    )


class IntegrationUpdateSerializer(StrictSerializer):
    credentials = CredentialsField(required=False)
    name = serializers.CharField(required=False, max_length=255)
    schedule = ScheduleChangeSerializer(required=False)
