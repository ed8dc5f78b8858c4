"""What is typed about tenants and people, cleaned and refused in one place."""

from __future__ import annotations

from typing import Any
from zoneinfo import available_timezones

from django.conf import settings
from django.db import models

from audit_site.db.folded_text import is_storable
from audit_site.db.lengths import length_of
from audit_site.errors import FieldErrors
from audit_site.tenants.models import Role, Tenant, User


def invalid(field: str, message: str) -> FieldErrors:
    return FieldErrors([{"field": field, "code": "invalid", "message": message}])


def clean_role(role: str) -> str:
    if role not in Role.values:
        raise invalid("role", f"A role is one of {', '.join(Role.values)}.")
    return role


def clean_person_name(name: str) -> str:
    """A person's name as it is kept, on one line; it may be empty."""
    return _clean_text(User, "name", name)


def clean_tenant_name(name: str) -> str:
    cleaned = _clean_text(Tenant, "name", name)
    if not cleaned:
        raise invalid("name", "A tenant needs a name.")
    return cleaned


def _clean_text(model: type[models.Model], field: str, text: Any) -> str:
    cleaned, longest = " ".join(str(text).split()), length_of(model, field)
    if not is_storable(cleaned):
        raise invalid(field, "The name has characters that can't be kept.")
    if len(cleaned) > longest:
        raise invalid(field, f"A name has at most {longest} characters.")
    return cleaned


def clean_time_zone(time_zone: str) -> str:
    if time_zone not in available_timezones():
        shown = time_zone[:64]
        raise invalid("timezone", f"“{shown}” is no time zone; write it as America/New_York.")
    return time_zone


def clean_currency(currency: str) -> str:
    currency = currency.strip().upper()
    if currency not in settings.CURRENCIES:
        raise invalid("currency", "A currency is an ISO 4217 code such as USD.")
    return currency
