"""Bodies of issues."""

from __future__ import annotations

from typing import Any

from rest_framework import serializers

from audit_site.api.abilities import CanField
from audit_site.api.permissions import IsAdmin, IsMember
from audit_site.error_codes import CODES
from integrations.issues.inbox import KINDS
from integrations.issues.selectors import IssueRow


def _is_open(row: IssueRow) -> bool:
    return row.issue.closed_at is None


class IssueSerializer(serializers.Serializer[Any]):
    """What a person should know of an integration, once for each cause.

    `company` is the audITee that it is about, where one is linked.
    """

    id = serializers.UUIDField(source="issue.id", read_only=True)
    kind = serializers.ChoiceField(KINDS, source="issue.kind", read_only=True)
    external_id = serializers.CharField(source="issue.external_id", read_only=True)
    company = serializers.UUIDField(source="linked_company_id", read_only=True, allow_null=True)
    code = serializers.ChoiceField(list(CODES), source="issue.code", read_only=True)
    name = serializers.CharField(source="issue.name", read_only=True)
    message = serializers.CharField(source="issue.message", read_only=True)
    fix = serializers.CharField(source="issue.fix", read_only=True)
    times = serializers.IntegerField(source="issue.times", read_only=True)
    first_seen_at = serializers.DateTimeField(source="issue.first_seen_at", read_only=True)
    last_seen_at = serializers.DateTimeField(source="issue.last_seen_at", read_only=True)
    state = serializers.ChoiceField(
        ("open", "dismissed", "closed"), source="issue.state", read_only=True
    )
    sync_run = serializers.UUIDField(source="issue.run_id", read_only=True, allow_null=True)
    can = CanField(
        {
            "retry": (IsMember, _is_open),
            "dismiss": (IsMember, lambda row: row.issue.state == "open"),
            "confirm_gone": (IsAdmin, lambda row: row.issue.asks_if_gone),
        }
    )
