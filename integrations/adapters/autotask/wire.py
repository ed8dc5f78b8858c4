"""Autotask's records as JSON shows them: only the members that we use.

Their names are those of its Swagger file, in snake case here.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Final

import msgspec

WIRE_NAMES: Final = {
    "company_id": "companyID",
    "currency_id": "currencyID",
    "contract_id": "contractID",
    "contract_service_id": "contractServiceID",
    "contract_service_bundle_id": "contractServiceBundleID",
    "service_id": "serviceID",
    "service_bundle_id": "serviceBundleID",
    "renewed_contract_id": "renewedContractID",
}


def wire_name(name: str) -> str:
    """How Autotask writes a member: camelCase, but `ID` in capitals where it stands last."""
    first, *rest = name.split("_")
    return WIRE_NAMES.get(name) or first + "".join(part.capitalize() for part in rest)


class Wire(msgspec.Struct, rename=wire_name):
    """A record on the wire. Every member but `id` may be null, "" or (rarely) missing."""

    id: int


Flag = bool | int | str | None
Pick = int | str | None


class WireCompany(Wire):
    company_name: str | None = None
    company_type: Pick = None
    is_active: Flag = None
    last_tracked_modified_date_time: str | None = None
    create_date: str | None = None


class WireContact(Wire):
    company_id: int | None = None
    first_name: str | None = None
    last_name: str | None = None
    email_address: str | None = None
    email_address2: str | None = None
    email_address3: str | None = None
    phone: str | None = None
    extension: str | None = None
    mobile_phone: str | None = None
    alternate_phone: str | None = None
    is_active: Flag = None
    primary_contact: Flag = None
    last_modified_date: str | None = None
    create_date: str | None = None


class WireContract(Wire):
    company_id: int | None = None
    contract_name: str | None = None
    contract_type: Pick = None
    contract_period_type: Pick = None
    status: Pick = None
    start_date: str | None = None
    end_date: str | None = None
    setup_fee: Decimal | None = None
    renewed_contract_id: int | None = None
    last_modified_date_time: str | None = None


class WireContractLine(Wire):
    """A contract service or a contract service bundle; the catalogue id is one of the two."""

    contract_id: int | None = None
    service_id: int | None = None
    service_bundle_id: int | None = None
    invoice_description: str | None = None
    internal_description: str | None = None


class WireUnits(Wire):
    """A unit row. `price` is the extended amount: all units, for the row's whole period."""

    contract_id: int | None = None
    contract_service_id: int | None = None
    contract_service_bundle_id: int | None = None
    service_id: int | None = None
    service_bundle_id: int | None = None
    start_date: str | None = None
    end_date: str | None = None
    units: Decimal | None = None
    price: Decimal | None = None


class WireCatalogue(Wire):
    name: str | None = None


class WireCurrencyOf(Wire):
    currency_id: int | None = None


class Item(msgspec.Struct):
    """A record that was asked for by its id; null = there is none."""

    item: msgspec.Raw = msgspec.Raw(b"null")


class PageDetails(msgspec.Struct, rename="camel"):
    request_count: int | None = None
    next_page_url: str | None = None


class Answer(msgspec.Struct, rename="camel"):
    items: list[msgspec.Raw] | None = None
    page_details: PageDetails | None = None


class ZoneInformation(msgspec.Struct, rename="camel"):
    url: str | None = None
    web_url: str | None = None


class PicklistValue(msgspec.Struct, rename="camel"):
    value: int | str | None = None
    label: str | None = None


class EntityField(msgspec.Struct, rename="camel"):
    name: str | None = None
    picklist_values: list[PicklistValue] | None = None


class EntityFields(msgspec.Struct):
    fields: list[EntityField] | None = None


class EntityInfo(msgspec.Struct, rename="camel"):
    can_query: bool | None = None
    user_access_for_query: str | None = None


class EntityInformation(msgspec.Struct):
    info: EntityInfo | None = None


class Threshold(msgspec.Struct, rename="camel"):
    external_request_threshold: int | None = None
    current_timeframe_request_count: int | None = None


class Count(msgspec.Struct, rename="camel"):
    query_count: int


def is_on(value: Flag) -> bool:
    """A flag that is a boolean here, 0 or 1 there, and a text in some clients' captures; null is
    no.
    """
    if isinstance(value, str):
        return value.strip().casefold() in {"1", "true"}
    return bool(value)


def id_of(row: msgspec.Raw) -> int | None:
    """The record's id, also where its other members are wrong."""
    return number_in(row, "id")


def contract_of(row: msgspec.Raw) -> int | None:
    """The contract that a line or a unit row names, also where its other members are wrong."""
    return number_in(row, "contractID")


def company_of(row: msgspec.Raw) -> int | None:
    """The company that a contact or a contract names."""
    return number_in(row, "companyID")


def number_in(row: msgspec.Raw, name: str) -> int | None:
    """A whole number of a record that may be wrong in any other way."""
    try:
        value = msgspec.json.decode(row, type=dict[str, msgspec.Raw]).get(name)
        return None if value is None else msgspec.json.decode(value, type=int | None)
    except msgspec.DecodeError:
        return None
