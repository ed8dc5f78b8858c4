"""Parts of the body of an integration."""

from __future__ import annotations

from typing import Any

from rest_framework import serializers

from audit_site.db.counting import NEW_LIMIT


class NamedPersonSerializer(serializers.Serializer[Any]):
    id = serializers.CharField()
    name = serializers.CharField(source="*")


class StoredSecretSerializer(serializers.Serializer[Any]):
    """Of a secret only that it is stored, and who typed it when (null: not known)."""

    set = serializers.BooleanField()
    saved_at = serializers.DateTimeField(allow_null=True)
    saved_by = NamedPersonSerializer(allow_null=True)


class ListCountsSerializer(serializers.Serializer[Any]):
    """The import list in numbers: found = importable + linked + ignored + all hidden."""

    found = serializers.IntegerField()
    importable = serializers.IntegerField()
    linked = serializers.IntegerField()
    ignored = serializers.IntegerField()
    new = serializers.IntegerField(
        allow_null=True,
        help_text="How many of them came since you last looked at the import list, counted up to "
        f"{NEW_LIMIT}; null = you never looked.",
    )
    hidden = serializers.DictField(
        child=serializers.IntegerField(),
        help_text="How many can't be imported, by the code of the first reason; `unchecked`: read "
        "by a sync that has not come to the rules yet.",
    )
