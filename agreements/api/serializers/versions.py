"""Bodies of the versions of a book."""

from __future__ import annotations

from typing import Any

from rest_framework import serializers

from agreements.api.serializers.figures import TotalSerializer
from agreements.causes import KINDS
from agreements.history import ShownVersion


class CauseSerializer(serializers.Serializer[Any]):
    """What changed a book: a run, or a person."""

    kind = serializers.ChoiceField(KINDS)
    run = serializers.CharField(allow_null=True)
    user = serializers.CharField(allow_null=True)
    name = serializers.CharField(allow_blank=True)


class BookVersionSerializer(serializers.Serializer[ShownVersion]):
    """What was known of a company from a moment on, until the next version."""

    id = serializers.CharField(source="version.id")
    known_from = serializers.DateTimeField(source="version.known_from")
    known_to = serializers.DateTimeField(allow_null=True, help_text="null = until now.")
    cause = CauseSerializer()
    mrr_before = TotalSerializer(
        many=True, help_text="As of the day of `known_from`, as it was known just before."
    )
    mrr_after = TotalSerializer(many=True, help_text="As of the day of `known_from`.")
