"""What an audITee was before a link, kept with the link so that it can be undone.

A `Kept` is JSON: `name`, `type`, the id of its `primary` contact, the `choice` of a person that it
is this one, all its `contacts` with their values, and of its `agreements`, by id, since when each
was gone; of those of the account that is linked, which a reading may write, also their `values`.
"""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime
from typing import Any, Final, NotRequired, TypedDict
from uuid import UUID

from agreements.models import Agreement
from agreements.stored_values import KeptValues, keep_values
from audit_site.db.bulk import AnyOf
from companies.models import Company, Contact, PrimaryChoice
from companies.services import CONTACT_FIELDS
from integrations.models import Integration

#: What is kept of a contact besides its id and since when it is gone.
KEPT_FIELDS: Final = ("external_id", *CONTACT_FIELDS, "is_active", "fingerprint")


class Left(TypedDict):
    """What a person may have changed since a link was ended."""

    type: str
    primary: str | None


class Kept(Left):
    """An audITee as it was."""

    name: str
    choice: dict[str, str | None] | None
    contacts: list[dict[str, Any]]
    agreements: dict[str, str | None]
    values: NotRequired[dict[str, KeptValues]]


def kept_of(integration: Integration, companies: Collection[Company]) -> dict[UUID, Kept]:
    """These audITees as they are now, to be linked to this account; five statements at the most,
    however many they are.
    """
    tenant = integration.tenant
    found: dict[UUID, Kept] = {
        company.pk: {
            "name": company.name,
            "type": company.type,
            "primary": None,
            "choice": None,
            "contacts": [],
            "agreements": {},
            "values": {},
        }
        for company in companies
    }
    for person in Contact.objects.for_tenant(tenant).filter(AnyOf("company_id", found)):
        kept = found[person.company_id]
        kept["contacts"].append(_contact(person))
        if person.is_primary:
            kept["primary"] = str(person.pk)
    for choice in PrimaryChoice.objects.for_tenant(tenant).filter(AnyOf("company_id", found)):
        found[choice.company_id]["choice"] = _choice(choice)
    rows = Agreement.objects.for_tenant(tenant).filter(AnyOf("company_id", found))
    for pk, company_id, gone_at in rows.values_list("pk", "company_id", "gone_at"):
        found[company_id]["agreements"][str(pk)] = moment_text(gone_at)
    of_account = {row.pk: row for row in rows.filter(integration=integration)}
    for pk, values in keep_values(tenant, of_account.values()).items():
        found[of_account[pk].company_id]["values"][str(pk)] = values
    return found


def left_of(company: Company) -> Left:
    """An audITee at the end of a link after which everything stays."""
    primary = company.primary
    return {"type": company.type, "primary": str(primary.pk) if primary else None}


def _contact(person: Contact) -> dict[str, Any]:
    values = {name: getattr(person, name) for name in KEPT_FIELDS}
    return {"id": str(person.pk), **values, "gone_at": moment_text(person.gone_at)}


def _choice(choice: PrimaryChoice) -> dict[str, str | None]:
    return {
        "contact": str(choice.contact_id) if choice.contact_id else None,
        "by": str(choice.chosen_by_id) if choice.chosen_by_id else None,
        "by_name": choice.chosen_by_name,
        "at": moment_text(choice.chosen_at),
        "gone_at": moment_text(choice.gone_at),
    }


def moment_text(at: datetime | None) -> str | None:
    return at.isoformat() if at else None


def moment_of(text: str | None) -> datetime | None:
    return datetime.fromisoformat(text) if text else None
