"""`can`: what the caller may do with an object, so that buttons follow data."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from msgspec import Struct
from rest_framework import serializers

from audit_site.api.permissions import RolePermission

#: Who may, and of which objects it can be done at all.
Ability = tuple[type[RolePermission], Callable[[Any], bool]]


def always(_: Any) -> bool:
    return True


class CanField(serializers.ListField):
    """The verbs of an object's endpoints that its caller may use; the context has `request`."""

    def __init__(self, abilities: Mapping[str, Ability]) -> None:
        super().__init__(
            child=serializers.ChoiceField(list(abilities)),
            source="*",
            read_only=True,
            help_text="What you may do with it now: show the buttons of these alone.",
        )
        self.abilities = abilities

    def to_representation(self, shown: Any) -> list[str]:
        if isinstance(shown, Struct):  # it was worked out for a whole list
            return list(shown.can)  # type: ignore[attr-defined]
        return allowed(self.abilities, self.context["request"])(shown)


def allowed(abilities: Mapping[str, Ability], request: Any) -> Callable[[Any], list[str]]:
    """What whoever asks may do with each object of a list: their role is looked at once."""
    theirs = [
        (verb, is_possible) for verb, (who, is_possible) in abilities.items() if who.allows(request)
    ]
    return lambda shown: [verb for verb, is_possible in theirs if is_possible(shown)]
