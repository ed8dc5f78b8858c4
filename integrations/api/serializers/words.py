"""Bodies of what a PSA's words mean."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers
from rest_framework.request import Request

from audit_site.api.abilities import CanField
from audit_site.api.permissions import IsAdmin
from audit_site.api.serializers import MoneySerializer, StrictSerializer
from audit_site.db.lengths import length_of
from integrations.models import PsaWord
from integrations.words.kinds import KIND_NAMES
from integrations.words.saying import MOST_NOTE_LENGTH
from integrations.words.selectors import WaitingWord

#: A name, or how often in a structure.
NAME_OR_STRUCTURE: list[dict[str, Any]] = [
    {"type": "string"},
    {
        "type": "object",
        "properties": {
            "every": {"type": "integer", "minimum": 1},
            "unit": {"type": "string", "enum": ["day", "week", "month", "year"]},
        },
        "required": ["every", "unit"],
        "additionalProperties": False,
    },
]
MEANING: dict[str, Any] = {
    "description": "By kind: `cycle` a canonical cycle or a structure; `currency` a code of ISO "
    "4217; `status` `active` or `not_active`; `agreement_type` `count` or `leave_out`; `product` "
    "`recurring`, `usage` or `one_time`; `company_type` `client` or `prospect`.",
    "oneOf": NAME_OR_STRUCTURE,
}


@extend_schema_field(MEANING)
class MeaningField(serializers.JSONField):
    """What a word means: a text, or how often in a structure."""


class WaitingSerializer(serializers.Serializer[Any]):
    records = serializers.IntegerField(help_text="Agreements, lines and companies that have it.")
    money = MoneySerializer(
        many=True,
        help_text="What it keeps out today: an amount a cycle for a cycle, else a month.",
    )


class WordSerializer(serializers.Serializer[Any]):
    """What a person said that a word means, or a word that waits for it: then `id`, `meaning`,
    `by` and `at` are null and `waiting` says what waits.
    """

    id = serializers.UUIDField(read_only=True, allow_null=True)
    kind = serializers.ChoiceField(KIND_NAMES)
    word = serializers.CharField()
    meaning = MeaningField(
        allow_null=True, help_text="What it means; null as long as nobody said it."
    )
    note = serializers.CharField(allow_blank=True)
    by = serializers.CharField(allow_null=True)
    at = serializers.DateTimeField(allow_null=True)
    waiting = WaitingSerializer(allow_null=True)
    can = CanField(
        {
            "say": (IsAdmin, lambda row: row["id"] is None),
            "edit": (IsAdmin, lambda row: row["id"] is not None),
            "delete": (IsAdmin, lambda row: row["id"] is not None),
        }
    )


class WordCreateSerializer(StrictSerializer):
    kind = serializers.ChoiceField(KIND_NAMES)
    word = serializers.CharField(max_length=length_of(PsaWord, "word"))
    meaning = MeaningField()
    note = serializers.CharField(required=False, allow_blank=True, max_length=MOST_NOTE_LENGTH)


class WordUpdateSerializer(StrictSerializer):
    meaning = MeaningField(required=False)
    note = serializers.CharField(required=False, allow_blank=True, max_length=MOST_NOTE_LENGTH)


def said_body(request: Request, word: PsaWord) -> dict[str, Any]:
    """A word of which somebody said the meaning."""
    row = {
        "id": word.pk,
        "kind": word.kind,
        "word": word.word,
        "meaning": word.meaning,
        "note": word.note,
        "by": word.by_name or None,
        "at": word.at,
        "waiting": None,
    }
    return dict(WordSerializer(row, context={"request": request}).data)


def waiting_body(request: Request, word: WaitingWord) -> dict[str, Any]:
    """A word that waits for somebody who says it."""
    nobody = dict.fromkeys(("id", "meaning", "by", "at"))
    waiting = {"records": word.records, "money": word.money}
    row = {"kind": word.kind, "word": word.word, "note": "", "waiting": waiting, **nobody}
    return dict(WordSerializer(row, context={"request": request}).data)


def word_bodies(request: Request, words: Iterable[PsaWord | WaitingWord]) -> list[dict[str, Any]]:
    return [
        said_body(request, word) if isinstance(word, PsaWord) else waiting_body(request, word)
        for word in words
    ]
