"""What was typed in as keys: checked, encrypted, opened."""

from __future__ import annotations

from collections.abc import Mapping

from audit_site.errors import FieldErrors
from integrations import crypto
from integrations.models import Integration
from integrations.psa.contract import PsaInfo
from integrations.psa.decoding import clean
from integrations.psa.errors import PsaRefused


def clean_credentials(
    info: PsaInfo, typed: Mapping[str, str], *, stored: Mapping[str, str] | None = None
) -> dict[str, str]:
    """Check what was typed against the PSA's fields; blanks around a value are forgiven, and so are
    invisible characters in all but a password.

    With `stored` (names that already have a value), a secret left out or empty stays as it is and
    is missing from the result.
    """
    fields = {field.name: field for field in info.fields}
    errors = [
        _field_error(name, "unknown_field", f"{info.name} has no field “{name}”.")
        for name in typed
        if name not in fields
    ]
    values: dict[str, str] = {}
    for name, field in fields.items():
        value = typed.get(name, "")
        if not isinstance(value, str) or "\x00" in value:
            errors.append(_field_error(name, "invalid", f"{field.label} must be text."))
            continue
        value = (value.strip() if field.is_password else clean(value)) or field.default
        keeps = (
            stored is not None and name in stored and (field.type == "secret" or name not in typed)
        )
        if value and (name in typed or not keeps):
            values[name] = value
        elif field.required and not keeps:
            errors.append(_field_error(name, "required", f"{field.label} is needed."))
    if errors:
        raise FieldErrors(errors)
    return values


def _field_error(name: str, code: str, message: str) -> dict[str, str]:
    return {"field": f"credentials.{name}", "code": code, "message": message}


def seal_credentials(
    integration: Integration, values: Mapping[str, str], info: PsaInfo
) -> dict[str, str]:
    """Encrypt the secret ones among typed-in values, bound to this integration."""
    return {
        name: crypto.encrypt_secret(
            value, tenant_id=integration.tenant_id, integration_id=integration.pk, field=name
        )
        if name in info.secret_fields
        else value
        for name, value in values.items()
    }


def open_credentials(integration: Integration, sealed: Mapping[str, str]) -> dict[str, str]:
    """Decrypt stored credentials; a key that is missing is an error a person can act on."""
    secrets = integration.psa_info.secret_fields
    try:
        return {
            name: crypto.decrypt_secret(
                value, tenant_id=integration.tenant_id, integration_id=integration.pk, field=name
            )
            if name in secrets
            else value
            for name, value in sealed.items()
        }
    except crypto.SecretUnreadable:
        raise PsaRefused(
            "invalid_credentials",
            "The stored keys can't be opened: the encryption key they were saved with is missing.",
            "Type the keys in again and save, or bring the missing key back into CREDENTIAL_KEYS.",
        ) from None
