"""ConnectWise's records as JSON shows them: only the members that we use.

Their names are those of its OpenAPI document of 2025.1, in snake case here.
"""

from __future__ import annotations

from decimal import Decimal

import msgspec


class Wire(msgspec.Struct, rename="camel"):
    """A record on the wire. Empty fields are left out, null or "" there: all alike for us."""


class Ref(Wire):
    id: int | None = None
    name: str | None = None


class Stamp(Wire):
    last_updated: str | None = None


class WireCompany(Wire):
    id: int
    name: str | None = None
    status: Ref | None = None
    types: list[Ref] | None = None
    deleted_flag: bool | None = None
    default_contact: Ref | None = None
    info: Stamp | None = msgspec.field(name="_info", default=None)


class CommunicationItem(Wire):
    type: Ref | None = None
    value: str | None = None
    extension: str | None = None
    default_flag: bool | None = None
    communication_type: str | None = None


class WireContact(Wire):
    id: int
    first_name: str | None = None
    last_name: str | None = None
    company: Ref | None = None
    inactive_flag: bool | None = None
    default_flag: bool | None = None
    default_phone_nbr: str | None = None
    communication_items: list[CommunicationItem] | None = None
    info: Stamp | None = msgspec.field(name="_info", default=None)


class Currency(Wire):
    id: int | None = None
    symbol: str | None = None
    currency_code: str | None = None
    currency_identifier: str | None = None
    name: str | None = None


class OwnerOf(Wire):
    company: Ref | None = None
    deleted_flag: bool | None = None


class WireProbed(Wire):
    """An agreement whose additions are tried."""

    id: int
    type: Ref | None = None


class WireAgreement(Wire):
    id: int
    name: str | None = None
    type: Ref | None = None
    company: Ref | None = None
    start_date: str | None = None
    end_date: str | None = None
    no_ending_date_flag: bool | None = None
    cancelled_flag: bool | None = None
    date_cancelled: str | None = None
    agreement_status: str | None = None
    bill_amount: Decimal | None = None
    billing_cycle: Ref | None = None
    bill_one_time_flag: bool | None = None
    currency: Currency | None = None
    parent_agreement: Ref | None = None
    info: Stamp | None = msgspec.field(name="_info", default=None)


class Product(Wire):
    identifier: str | None = None


class WireAddition(Wire):
    id: int
    product: Product | None = None
    quantity: Decimal | None = None
    less_included: Decimal | None = None
    billed_quantity: Decimal | None = None
    unit_price: Decimal | None = None
    bill_customer: str | None = None
    effective_date: str | None = None
    cancelled_date: str | None = None
    description: str | None = None
    invoice_description: str | None = None
    info: Stamp | None = msgspec.field(name="_info", default=None)


class BillingCycle(Wire):
    id: int
    name: str | None = None
    billing_options: str | None = None


class CompanyInfo(msgspec.Struct, rename="pascal"):
    codebase: str | None = None
    site_url: str | None = None


class ErrorBody(Wire):
    code: str | None = None
    message: str | None = None


class CommunicationType(Wire):
    id: int
    email_flag: bool | None = None


class Count(Wire):
    count: int


def ref_id(reference: Ref | None) -> str:
    """The id that a reference names as text; "" when it names none."""
    return "" if reference is None or reference.id is None else str(reference.id)
