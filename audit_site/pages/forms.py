"""What forms of all pages share."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from django import forms

from audit_site.errors import DomainError, FieldErrors

NOWHERE: Final[Mapping[str, str]] = MappingProxyType({})


def add_refusal(
    form: forms.Form, error: DomainError, *, at: Mapping[str, str] = NOWHERE, prefix: str = ""
) -> None:
    """Show a "no" of a service at the field that it is about; what was typed stays.

    `at`: code of a "no" that names no field → the field; `prefix`: what the names of fields begin
    with in the error alone.
    """
    if not isinstance(error, FieldErrors):
        form.add_error(at.get(error.code), error.sentence)
        return
    for entry in error.errors:
        name = entry["field"].removeprefix(prefix)
        form.add_error(name if name in form.fields else None, entry["message"])
