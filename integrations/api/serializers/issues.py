"""Bodies of issues."""

from __future__ import annotations

from rest_framework import serializers

from integrations.models import (
    Issue,
)


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
