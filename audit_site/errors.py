"""Errors that a person can act on: a code, what happened, and what to do next.

    Explained
    ├── DomainError      one of our rules said no
    │   └── FieldErrors  what was typed in can't be taken, field by field
    └── PsaError         a PSA could not be used (integrations.psa.errors)

Every door (page, REST, command) shows an `Explained` without knowing which one it is.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any


class Explained(Exception):
    """An error that a person can act on.

    `code` is stable and machine-readable, `message` says what happened, `fix` what a person can
    do next ("" = nothing). `status` is the HTTP status with which the REST API answers, `headers`
    are what its answer says beside the body, `more` what its body says besides.
    """

    status = 500
    headers: Mapping[str, str] = MappingProxyType({})
    more: Mapping[str, Any] = MappingProxyType({})

    def __init__(self, code: str, message: str, fix: str = "") -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.fix = fix

    @property
    def sentence(self) -> str:
        """Message and fix as one text for a person."""
        return f"{self.message} {self.fix}".strip()


class DomainError(Explained):
    """One of our rules said no; `status` is 409 unless another one fits better."""

    def __init__(self, code: str, message: str, fix: str = "", *, status: int = 409) -> None:
        super().__init__(code, message, fix)
        self.status = status


class FieldErrors(DomainError):
    """What was typed in can't be taken; `errors` says so field by field.

    `errors` = `[{"field", "code", "message"}]`; a nested field is written with dots.
    """

    def __init__(
        self,
        errors: list[dict[str, str]],
        code: str = "invalid",
        message: str = "Some fields need another look.",
    ) -> None:
        super().__init__(code, message, status=400)
        self.errors = errors
