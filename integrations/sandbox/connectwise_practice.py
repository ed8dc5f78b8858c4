"""Agreements as MSPs really keep them in ConnectWise, and what makes their MRR hard to tell.

Each is in one company of sixty, chosen by its number.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import date, timedelta
from typing import Any, Final

from integrations.sandbox.dates import midnight_utc, months_on

Record = dict[str, Any]

MONTHLY: Final = {"id": 2, "name": "Monthly"}
YEARLY: Final = {"id": 8, "name": "Yearly"}
MANAGED: Final = {"id": 10, "name": "Managed Services"}
CLOUD: Final = {"id": 12, "name": "Cloud Services"}
BLOCK_TIME: Final = {"id": 13, "name": "Block Time"}
ONE_DAY: Final = timedelta(days=1)
#: What is written of an agreement or an addition; the rest of its members is the caller's.
Written = tuple[Record, list[Record]]


def written(number: int, today: date) -> Iterator[Written]:
    """What the company of this number has beside its other agreements: each with its additions."""
    practice = PRACTICES.get(number % 60)
    return practice(today) if practice else iter(())


def _catch_up(today: date) -> Iterator[Written]:
    """Two seats more: the count is raised, and the rest of the month is a line of its own."""
    first = today.replace(day=1)
    seats = _line("M365-BP", 12, 22.0, months_on(first, -12))
    rest = _line("M365-BP", 2, 22.0, first + ONE_DAY, months_on(first, 1) - ONE_DAY)
    yield _agreement("Cloud seats", CLOUD, months_on(first, -12)), [seats, rest]


def _part_of_a_year(today: date) -> Iterator[Written]:
    """A licence that joins in the middle of a year, priced for what is left of it."""
    start = months_on(today.replace(day=1), -7)
    year_ends = months_on(start, 12) - ONE_DAY
    seats = _line("M365-BP", 10, 264.0, start)
    joined = _line("EDR", 5, 33.75, months_on(start, 6), year_ends)
    yield _agreement("Yearly licences", CLOUD, start, billingCycle=YEARLY), [seats, joined]


def _forgotten_discount(today: date) -> Iterator[Written]:
    """The line has ended, and what was taken off it runs on."""
    first = today.replace(day=1)
    start, ended = months_on(first, -14), months_on(first, -2) - ONE_DAY
    lines = [_line("FW-SUB", 3, 45.0, start, ended), _line("DISCOUNT", 1, -60.0, start)]
    yield _agreement("Firewall rental", MANAGED, start), lines


def _renewed_by_hand(today: date) -> Iterator[Written]:
    """The old one was not ended when somebody typed in the new one."""
    first = today.replace(day=1)
    yield _agreement("Managed Workplace", MANAGED, months_on(first, -13), billAmount=1250.0), []
    name = "Renewal of Managed Workplace"
    yield _agreement(name, MANAGED, months_on(first, -1), billAmount=1300.0), []


def _prepaid_hours(today: date) -> Iterator[Written]:
    start = months_on(today.replace(day=1), -9)
    yield _agreement("Block of 10 hours", BLOCK_TIME, start, billAmount=1450.0), []
    yield _agreement("Retainer", BLOCK_TIME, start, billAmount=600.0), []


def _usage(today: date) -> Iterator[Written]:
    """Consumption, loaded as one line a month with what it came to."""
    first = today.replace(day=1)
    months = [months_on(first, -back) for back in (2, 1, 0)]
    lines = [
        _line("AZURE-USE", 1, price, month, months_on(month, 1) - ONE_DAY)
        for month, price in zip(months, (412.37, 398.04, 455.91), strict=True)
    ]
    yield _agreement("Azure", CLOUD, months[0], billAmount=120.0), lines


def _ended(today: date) -> Iterator[Written]:
    """It ran out some weeks ago, and nothing follows."""
    end = today - timedelta(days=45)
    start = months_on(end + ONE_DAY, -12)
    values = {"noEndingDateFlag": False, "endDate": midnight_utc(end), "agreementStatus": "Expired"}
    yield _agreement("Backup and recovery", MANAGED, start, billAmount=480.0, **values), []


def _agreement(name: str, kind: Record, start: date, **over: Any) -> Record:
    return {
        "name": name,
        "type": kind,
        "startDate": midnight_utc(start),
        "noEndingDateFlag": True,
        "cancelledFlag": False,
        "applicationUnits": "Hours" if kind is BLOCK_TIME else "Amount",
        "applicationCycle": "CalendarMonth",
        "oneTimeFlag": False,
        "billOneTimeFlag": False,
        "billingCycle": MONTHLY,
        "billAmount": 0.0,
        "prorateFlag": False,
        "currency": {"id": 7, "currencyCode": "USD"},
        "agreementStatus": "Active",
        **over,
    }


def _line(
    product: str, quantity: float, price: float, start: date, end: date | None = None
) -> Record:
    line: Record = {
        "product": {"id": 800, "identifier": product},
        "quantity": float(quantity),
        "lessIncluded": 0.0,
        "unitPrice": price,
        "billCustomer": "Billable",
        "effectiveDate": midnight_utc(start),
        "description": product,
        "invoiceDescription": product,
        "agreementStatus": "Active",
        "prorateCurrentPeriodFlag": False,
        "extPrice": round(quantity * price, 2),
    }
    return line if end is None else {**line, "cancelledDate": midnight_utc(end)}


#: By number of the company in its sixty.
PRACTICES: Final[dict[int, Callable[[date], Iterator[Written]]]] = {
    51: _catch_up,
    52: _part_of_a_year,
    53: _forgotten_discount,
    54: _renewed_by_hand,
    55: _prepaid_hours,
    57: _usage,
    58: _ended,
}
