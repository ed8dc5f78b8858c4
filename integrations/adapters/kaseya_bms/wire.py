"""BMS's records as JSON shows them: only the members that we use.

Their names are those of its OpenAPI document (product 5.58), in snake case here.
"""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import Any

import msgspec

from integrations.adapters.kaseya_bms.guide import NAME
from integrations.psa.decoding import instant
from integrations.psa.errors import PsaBadResponse
from integrations.psa.refusals import REPORT


class Wire(msgspec.Struct, rename=lambda name: name.replace("_", "")):
    """A record on the wire. Keys are read in lower case: camelCase there, PascalCase elsewhere."""


class WireAccount(Wire):
    id: int
    account_name: str | None = None
    account_type: str | None = None
    currency_name: str | None = None
    is_active: bool | None = None
    modified_on: str | None = None
    created_on: str | None = None


class Address(Wire):
    id: int = 0
    email_address: str | None = None
    phone: str | None = None
    is_default: bool | None = None


class WireContact(Wire):
    id: int
    account_id: int | None = None
    first_name: str | None = None
    last_name: str | None = None
    is_poc: bool | None = None
    is_active: bool | None = None
    emails: list[Address] | None = None
    phones: list[Address] | None = None
    modified_on: str | None = None
    created_on: str | None = None


class WireContract(Wire):
    id: int
    contract_name: str | None = None
    account_name: str | None = None
    contract_type: str | None = None
    contract_billing_price: Decimal | None = None
    status: str | None = None
    billing_cycle: str | None = None
    start_date: str | None = None
    end_date: str | None = None


class WireLookup(Wire):
    id: int


class WireFound(Wire):
    """A record that is asked for by its id; only contacts name an account."""

    id: int
    account_id: int | None = None


class Tokens(Wire):
    access_token: str | None = None
    refresh_token: str | None = None
    access_token_expire_on: str | None = None


class UserInfo(Wire):
    currency_code: str | None = None
    olson_time_zone_name: str | None = None


class ErrorInfo(Wire):
    code: int | str | None = None
    message: str | None = None
    details: str | None = None


class Envelope(Wire):
    """What stands around every answer but two. `result` is as it came, with keys in lower case."""

    success: bool | None = None
    error: ErrorInfo | None = None
    result: Any = None
    total_records: int | None = None

    @property
    def is_one(self) -> bool:
        """Whether it says what all of BMS's envelopes say."""
        return self.success is not None


def rows_of(envelope: Envelope) -> list[Any]:
    """The rows of a list; null means an empty one."""
    if envelope.result is None:
        return []
    if not isinstance(envelope.result, list):
        raise PsaBadResponse(f"{NAME} sent an answer of an unexpected shape.", REPORT)
    return envelope.result


def record_id(record: Any) -> str:
    """The id of a record, or of what it is built from."""
    return str(getattr(record, "external_id", None) or record.id)


def record_stamp(record: Any) -> datetime | None:
    """When a record was changed, or what it is built from; contracts have no stamp."""
    if hasattr(record, "changed_at"):
        stamp: datetime | None = record.changed_at
        return stamp
    texts = (getattr(record, "modified_on", None), getattr(record, "created_on", None))
    return next((moment for text in texts if (moment := instant(text))), None)


def ids_of(rows: list[Any]) -> list[Any]:
    """The ids that rows have, also where their other members are wrong."""
    return [row["id"] for row in rows if isinstance(row, dict) and row.get("id") is not None]
