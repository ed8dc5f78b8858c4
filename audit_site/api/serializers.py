"""What the serializers of all apps are made of."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, Final

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from audit_site.error_codes import CODES, ErrorCode

PROBLEM_TYPE: Final = "application/problem+json"
#: No problem names more things that are wrong than this.
MOST_ERRORS: Final = 50


class StrictSerializer(serializers.Serializer[Any]):
    """A request body. A field it does not know is an error, not silence; nested ones too.

    `only_read` names fields that answers show and that no request sets.
    """

    only_read: ClassVar[frozenset[str]] = frozenset()

    def to_internal_value(self, data: Any) -> Any:
        if isinstance(data, Mapping):
            writable = {name for name, field in self.fields.items() if not field.read_only}
            unknown = {
                name: [serializers.ErrorDetail(self._refusal(name), code="unknown_field")]
                for name in data
                if name not in writable
            }
            if unknown:
                raise serializers.ValidationError(unknown)
        return super().to_internal_value(data)

    def _refusal(self, name: Any) -> str:
        if name in self.only_read:
            return "This can be read, and not changed here."
        return "There is no such field here."


def with_from(fields: dict[str, Any], before: str, field: Any) -> dict[str, Any]:
    """`from` is a word of Python's: it joins the other fields here, in front of one of them."""
    ordered: dict[str, Any] = {}
    for name, other in fields.items():
        if name == before:
            ordered["from"] = field
        ordered[name] = other
    return ordered


class MoneySerializer(serializers.Serializer[Any]):
    currency = serializers.CharField(help_text="ISO 4217, such as USD.")
    amount = serializers.CharField(help_text="With as many places as the currency has.")


@extend_schema_field({"type": "object", "additionalProperties": True})
class ValuesField(serializers.JSONField):
    """Values by the names of their fields, whichever those are."""


class ReasonSerializer(serializers.Serializer[Any]):
    """Why, in one word and in a sentence."""

    code = serializers.ChoiceField(list(CODES))
    message = serializers.CharField()


class FixableReasonSerializer(ReasonSerializer):
    fix = serializers.CharField(allow_blank=True)


class FieldProblemSerializer(serializers.Serializer[Any]):
    """What is wrong with one field or parameter."""

    field = serializers.CharField(
        allow_blank=True, help_text="Inner ones with dots; empty = the body as a whole."
    )
    code = serializers.ChoiceField(list(CODES))
    message = serializers.CharField()


class HolderSerializer(serializers.Serializer[Any]):
    """The audITee that has the link which stands in the way."""

    id = serializers.CharField()
    name = serializers.CharField()


class ProblemSerializer(serializers.Serializer[Any]):
    """An error (RFC 9457): show `detail` and `fix` to a person, and go by `code`."""

    type = serializers.CharField(help_text="Where the code is explained.")
    title = serializers.CharField(help_text="The same for each error of this code.")
    status = serializers.IntegerField(help_text="The HTTP status.")
    detail = serializers.CharField(help_text="What happened and what to do, for a person.")
    code = serializers.ChoiceField(list(CODES), help_text="Which error it is; see `/errors/`.")
    fix = serializers.CharField(
        allow_null=True, help_text="What to do; null = nothing can be done."
    )
    errors = FieldProblemSerializer(  # type: ignore[assignment]
        many=True, help_text=f"Field by field, the first {MOST_ERRORS}."
    )
    request_id = serializers.CharField(help_text="By which our log knows this request.")
    holder = HolderSerializer(required=False, help_text="With `already_linked` of a link alone.")


class PreconditionFailedSerializer(ProblemSerializer):
    """The object is not the one that `If-Match` names."""

    current = ValuesField(
        allow_null=True, help_text="The object as it is: what GET answers at this address."
    )


class ErrorCodeSerializer(serializers.Serializer[ErrorCode]):
    """A code that an error, a check or a reason may carry."""

    code = serializers.ChoiceField(list(CODES))
    title = serializers.CharField()
    meaning = serializers.CharField()
    fix = serializers.CharField(allow_blank=True, help_text="What to do; empty = nothing.")


class ErrorListSerializer(serializers.Serializer[Any]):
    next = serializers.CharField(allow_null=True)
    previous = serializers.CharField(allow_null=True)
    results = ErrorCodeSerializer(many=True)
