"""The one error that our own rules raise; every door (page, REST, command) knows how to show it."""

from __future__ import annotations


class DomainError(Exception):
    """One of our rules said no.

    `code` is stable and machine-readable, `message` says what happened, `fix` what a person can
    do next. `status` is the HTTP status with which the REST API answers.
    """

    def __init__(self, code: str, message: str, fix: str = "", *, status: int = 409) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.fix = fix
        self.status = status

    @property
    def sentence(self) -> str:
        """Message and fix as one text for a person."""
        return f"{self.message} {self.fix}".strip()


class FieldErrors(DomainError):
    """What was typed in can't be taken; `errors` says so field by field.

    `errors` = `[{"field", "code", "message"}]`; a nested field is written with dots.
    """

    def __init__(self, errors: list[dict[str, str]]) -> None:
        super().__init__("invalid", "Some fields need another look.", status=400)
        self.errors = errors
