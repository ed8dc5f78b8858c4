"""What was typed in as keys: checked, bound to where it was typed for, encrypted, opened."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final
from uuid import UUID

from django.utils import timezone

from audit_site import key_ring
from audit_site.errors import FieldErrors
from audit_site.tenants.models import User
from integrations import crypto
from integrations.models import Integration
from integrations.psa.addresses import read_address
from integrations.psa.contract import CredentialField, PsaInfo
from integrations.psa.decoding import clean
from integrations.psa.errors import KEY_MISSING, PsaRefused, PsaUnavailable

#: What to do while a key of CREDENTIAL_KEYS is missing.
KEY_MISSING_FIX: Final = (
    "Who runs this installation can bring the key back into CREDENTIAL_KEYS: syncs go on by "
    "themselves then. Or type the keys in again and save."
)


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


def refuse_unsaid_secrets(
    info: PsaInfo, typed: Mapping[str, str], stored: Mapping[str, str]
) -> None:
    """Refuse to send a stored secret to another host or account than it was typed for.

    `typed` is what `clean_credentials` gave; FieldErrors `secret_needed` names each secret that has
    to be typed again. Who takes over a session can't have the keys sent to an address of theirs.
    """
    moved = [field.label for field in info.fields if _says_otherwise(field, typed, stored)]
    unsaid = [field for field in info.fields if field.type == "secret" and field.name not in typed]
    if moved and unsaid:
        what = " and ".join(moved)
        raise secret_needed(
            unsaid, f"{what} changed, and a stored secret goes only to where it was typed for."
        )


def secret_needed(fields: Sequence[CredentialField], why: str) -> FieldErrors:
    """The error that asks for secrets; `why` is a sentence."""
    errors = [
        _field_error(field.name, "secret_needed", f"{why} Type it again.") for field in fields
    ]
    labels = " and ".join(field.label for field in fields)
    return FieldErrors(errors, "secret_needed", f"{why} Type again: {labels}.")


def _says_otherwise(
    field: CredentialField, typed: Mapping[str, str], stored: Mapping[str, str]
) -> bool:
    """Whether another host or account is named; another spelling of the same host is no other."""
    if field.type == "secret" or not field.says_where_or_who or field.name not in typed:
        return False
    new, old = typed[field.name], stored.get(field.name, "")
    if field.type == "url":
        return read_address(new).root != read_address(old).root
    return new != clean(old)


def open_fields(info: PsaInfo, sealed: Mapping[str, str]) -> dict[str, str]:
    """What may be shown of credentials: all but the secrets."""
    return {name: value for name, value in sealed.items() if name not in info.secret_fields}


def saved_now(
    info: PsaInfo, typed: Mapping[str, str], actor: User | None
) -> dict[str, dict[str, str | None]]:
    """What `Integration.secrets_saved` says of the secrets among typed-in values."""
    said = {"at": timezone.now().isoformat(), "by": str(actor.pk) if actor else None}
    return {name: said for name in typed if name in info.secret_fields}


@dataclass(frozen=True, slots=True)
class SavedSecret:
    """A stored secret: when it was typed (None = before that was noted), and by whom."""

    saved_at: datetime | None
    saved_by: User | None


def saved_secrets(integrations: Iterable[Integration]) -> dict[UUID, dict[str, SavedSecret]]:
    """The stored secrets of each integration, by its id and the name of the field. One statement
    at the most.
    """
    listed = list(integrations)
    ids = {said["by"] for row in listed for said in row.secrets_saved.values()} - {None}
    people = {str(user.pk): user for user in User.objects.filter(pk__in=ids)} if ids else {}
    return {row.pk: _saved(row, people) for row in listed}


def _saved(integration: Integration, people: Mapping[str, User]) -> dict[str, SavedSecret]:
    found = {}
    for name in integration.psa_info.secret_fields & integration.credentials.keys():
        said = integration.secrets_saved.get(name, {})
        at = datetime.fromisoformat(said["at"]) if said else None
        found[name] = SavedSecret(at, people.get(said.get("by")))
    return found


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
    """Decrypt stored credentials.

    A key of ours that is missing is no fault of the stored keys: they work again once it is back.
    """
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
    except crypto.KeyMissing:
        raise key_missing(integration) from None
    except crypto.SecretUnreadable:
        raise PsaRefused(
            "invalid_credentials",
            "The stored keys can't be opened: they are damaged.",
            "Type the keys in again and save.",
        ) from None


def key_missing(integration: Integration) -> PsaUnavailable:
    """What is wrong where `is_key_missing`."""
    return PsaUnavailable(
        KEY_MISSING,
        f"The key that protects the stored keys of {integration.name} is missing on this "
        "installation, so they can't be opened. Nothing is asked of the PSA.",
        KEY_MISSING_FIX,
    )


def is_key_missing(integration: Integration) -> bool:
    """Whether the keys in use need a key of ours that is not at hand. No query, opens nothing."""
    names = integration.psa_info.secret_fields & integration.credentials.keys()
    return crypto.is_key_missing(integration.credentials[name] for name in names)


def keys_mark(sealed: Mapping[str, str]) -> str:
    """The same text for the same typed-in keys, whichever key of ours protects them at the moment.

    Whether keys were saved meanwhile is asked by this and never by the ciphertext, which a rotation
    changes.
    """
    alike = {name: key_ring.same_whatever_the_key(value) for name, value in sealed.items()}
    text = json.dumps(alike, sort_keys=True)
    return hashlib.blake2b(text.encode(), digest_size=16).hexdigest()


def same_keys(one: Mapping[str, str], other: Mapping[str, str]) -> bool:
    """Whether both are the keys of one saving, also where one was encrypted again since."""
    return keys_mark(one) == keys_mark(other)
