"""What is typed about tenants and people, cleaned and refused in one place."""

from __future__ import annotations

from django.core.exceptions import ValidationError
from django.core.validators import validate_email

from audit_site.errors import FieldErrors


def invalid(field: str, message: str) -> FieldErrors:
    return FieldErrors([{"field": field, "code": "invalid", "message": message}])


def clean_email(email: str) -> str:
    email = email.strip().lower()
    try:
        validate_email(email)
    except ValidationError:
        raise invalid("email", f"“{email}” is not an e-mail address.") from None
    return email
