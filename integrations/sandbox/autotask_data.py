"""The MSP in the sandbox Autotask: its companies, contacts, contracts and unit rows, by seed.

Unit rows are many (one for each billing period and each change), so a line keeps the plan they
follow, and they are written out when somebody asks for them.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date, timedelta
from decimal import ROUND_HALF_UP, Decimal
from random import Random
from typing import Any, Final

from integrations.sandbox.autotask_renewals import day_of, let_wizard_act, renew
from integrations.sandbox.dates import changed_on, midnight_utc, months_on
from integrations.sandbox.names import (
    CITIES,
    ascii_letters,
    domain_of,
    firm_name,
    person_name,
    phone_number,
)

Record = dict[str, Any]

OWN_COMPANY: Final = 0
DEMO_COMPANY: Final = 174
FIRST_COMPANY: Final = 29683000
FIRST_CONTACT: Final = 30684000
FIRST_CONTRACT: Final = 29700000
FIRST_LINE: Final = 8000
EARLY: Final = 7  # the id, after those of a company's other contracts, of one renewed early
ROWS_PER_LINE: Final = 1000  # unit rows of a line have ids from its id times this
RECURRING, TIME_AND_MATERIALS, FIXED_PRICE = 7, 1, 3
LATEST: Final = "2026-01-05T09:00:00.120+00:00"

COMPANY_TYPES: Final = (
    (1, "Customer"), (2, "Lead"), (3, "Prospect"), (6, "Cancellation"), (7, "Vendor"),
)  # fmt: skip
#: contractPeriodType → months of a period
PERIOD_MONTHS: Final = {2: 1, 3: 3, 4: 6, 5: 12}
CURRENCIES: Final = ((1, "USD", True), (3, "EUR", True), (9, "CAD", False), (12, "JPY", True))
#: id, name, price of a unit a month
SERVICES: Final = (
    (45, "Managed Endpoint", "25.00"),
    (46, "Managed Server", "145.00"),
    (47, "Microsoft 365 Business Premium", "22.00"),
    (61, "Cloud Backup 1 TB", "90.00"),
    (62, "Endpoint detection and response", "6.75"),
    (63, "Firewall care", "45.00"),
    (78, "Domain & TLS care", "20.00"),
    (79, "E-mail filtering", "2.40"),
    (80, "Awareness training", "3.33"),
)
LOYALTY: Final = (99, "Loyalty discount")
BUNDLES: Final = ((2, "Professional Seat", "65.00"), (3, "Essentials Seat", "40.00"))

COMPANY: Final[Record] = {
    "additionalAddressInformation": "", "address1": "", "address2": "", "alternatePhone1": "",
    "assetValue": None, "billToCity": "", "city": "", "classification": None,
    "companyName": "", "companyNumber": None, "companyType": 1, "countryID": 237,
    "createDate": "2021-03-02T14:11:08.457Z", "currencyID": 1, "fax": "", "isActive": True,
    "isClientPortalActive": False, "isTaxExempt": False,
    "lastActivityDate": "2026-11-20T16:02:44Z", "lastTrackedModifiedDateTime": None,
    "ownerResourceID": 4, "parentCompanyID": None, "phone": "", "postalCode": "",
    "sicCode": "", "state": "", "taxID": "", "webAddress": None,
}  # fmt: skip
CONTACT: Final[Record] = {
    "addressLine": "", "alternatePhone": "", "city": "", "companyID": None,
    "companyLocationID": None, "createDate": "2021-03-02T14:20:00.12Z", "emailAddress": None,
    "emailAddress2": None, "emailAddress3": None, "extension": "", "firstName": "", "isActive": 1,
    "isOptedOutFromBulkEmail": False, "lastActivityDate": None, "lastModifiedDate": None,
    "lastName": "", "middleInitial": None, "mobilePhone": "", "note": "", "phone": "",
    "primaryContact": None, "solicitationOptOut": False, "surveyOptOut": False, "title": "",
}  # fmt: skip
CONTRACT: Final[Record] = {
    "billingPreference": 2, "billToCompanyID": None, "companyID": None, "contactID": None,
    "contactName": None, "contractCategory": 13, "contractName": "", "contractNumber": None,
    "contractPeriodType": None, "contractType": RECURRING, "description": None, "endDate": None,
    "estimatedCost": Decimal(0), "estimatedHours": Decimal(0), "estimatedRevenue": Decimal(0),
    "internalCurrencySetupFee": Decimal(0), "isCompliant": False, "isDefaultContract": False,
    "purchaseOrderNumber": "", "renewedContractID": None, "serviceLevelAgreementID": None,
    "setupFee": Decimal(0), "startDate": None, "status": 1,
    "timeReportingRequiresStartAndStopTimes": 0,
}  # fmt: skip
UNITS: Final[Record] = {
    "approveAndPostDate": None, "contractID": None, "cost": Decimal(0), "endDate": None,
    "internalCurrencyPrice": Decimal(0), "organizationalLevelAssociationID": None,
    "price": Decimal(0), "startDate": None, "units": 0,
}  # fmt: skip


@dataclass(slots=True)
class Line:
    """A contract service or bundle, and the plan of its units: from which day how many, at which
    price of a unit for a full period. It is sold from `begins` through `ends`.
    """

    id: int
    record: Record
    is_bundle: bool
    changes: list[tuple[date, int, Decimal]]
    begins: date
    ends: date
    shares_a_day: bool = False

    def plan_on(self, day: date) -> tuple[int, Decimal] | None:
        """Units and price that hold on a day; None outside of the line's time."""
        if not self.begins <= day <= self.ends:
            return None
        found = None
        for since, units, price in self.changes:
            if since <= day:
                found = (units, price)
        return found


@dataclass
class AutotaskData:
    """All records by id, in the order of ids, and what hangs on what. `today`: of when they are."""

    today: date
    companies: dict[int, Record] = field(default_factory=dict)
    contacts: dict[int, Record] = field(default_factory=dict)
    contracts: dict[int, Record] = field(default_factory=dict)
    lines: dict[int, Line] = field(default_factory=dict)
    contacts_of: dict[int, set[int]] = field(default_factory=lambda: defaultdict(set))
    contracts_of: dict[int, set[int]] = field(default_factory=lambda: defaultdict(set))
    lines_of: dict[int, list[int]] = field(default_factory=lambda: defaultdict(list))
    written: dict[int, list[Record]] = field(default_factory=dict)

    def unit_rows(self, line_id: int) -> list[Record]:
        """The unit rows of a line, written out once."""
        if line_id not in self.written:
            line = self.lines[line_id]
            contract = self.contracts[line.record["contractID"]]
            self.written[line_id] = list(unit_rows(contract, line))
        return self.written[line_id]


def build(*, seed: int, companies: int, today: date) -> AutotaskData:
    """Make the data: the same seed, number and day give the same, record by record."""
    data = AutotaskData(today)
    for number in range(companies):
        _Client(data, Random(f"autotask/{seed}/{number}"), number, today).add()
    return data


def period_of(contract: Record) -> int:
    """Months of a billing period; a contract without a type bills by the month."""
    return PERIOD_MONTHS.get(contract["contractPeriodType"], 1)


def unit_rows(contract: Record, line: Line) -> Iterator[Record]:
    """One row for each billing period, and one more for each change inside it.

    `price` is the extended amount: all units, for the days of the row.
    """
    start, end = day_of(contract, "startDate"), day_of(contract, "endDate")
    months, number, row_id = period_of(contract), 0, line.id * ROWS_PER_LINE
    while (begin := months_on(start, number * months)) <= min(end, line.ends):
        number += 1
        following = months_on(start, number * months)
        last = min(following - timedelta(days=1), end, line.ends)
        cuts = [since for since, _, _ in line.changes if begin < since <= last]
        firsts = [max(begin, line.begins), *(cut for cut in cuts if cut > line.begins)]
        for position, first in enumerate(firsts):
            plan = line.plan_on(first)
            until = firsts[position + 1] if position + 1 < len(firsts) else None
            through = last if until is None else until - timedelta(days=1)
            if plan is None or first > through:
                continue
            units, price = plan
            days, whole = (through - first).days + 1, (following - begin).days
            amount = (units * price * days / whole).quantize(Decimal("0.0001"), ROUND_HALF_UP)
            shown = until if until is not None and line.shares_a_day else through
            yield _unit_row(row_id, line, first, shown, units, amount)
            row_id += 1


def _unit_row(
    row_id: int, line: Line, first: date, last: date, units: int, amount: Decimal
) -> Record:
    owner = "contractServiceBundleID" if line.is_bundle else "contractServiceID"
    catalogue = "serviceBundleID" if line.is_bundle else "serviceID"
    return {
        "id": row_id,
        **UNITS,
        "contractID": line.record["contractID"],
        owner: line.id,
        catalogue: line.record[catalogue],
        "startDate": midnight_utc(first),
        "endDate": midnight_utc(last),
        "units": units,
        "price": amount,
        "internalCurrencyPrice": amount,
        "cost": (amount * Decimal("0.4")).quantize(Decimal("0.0001")),
    }


def line_id_of(contract: Record, slot: int) -> int:
    return FIRST_LINE + (int(contract["id"]) - FIRST_CONTRACT) * 10 + slot


def add_line(
    data: AutotaskData,
    contract: Record,
    line_id: int,
    sold: tuple[int, str],
    units: int,
    price: Decimal,
    is_bundle: bool = False,
) -> Line:
    """A line from its contract's first day through its last. `sold`: id of the service or bundle,
    and text; `price`: of a unit for a full period.
    """
    record: Record = {
        "id": line_id,
        "contractID": contract["id"],
        "internalCurrencyAdjustedPrice": price,
        "internalCurrencyUnitPrice": price,
        "internalDescription": "",
        "invoiceDescription": sold[1],
        "quoteItemID": None,
        "unitPrice": price,
    }
    if is_bundle:
        record |= {"serviceBundleID": sold[0], "adjustedPrice": price}
    else:
        record |= {"serviceID": sold[0], "unitCost": price * Decimal("0.4")}
    begin, end = day_of(contract, "startDate"), day_of(contract, "endDate")
    line = Line(line_id, record, is_bundle, [(begin, units, price)], begin, end)
    data.lines[line_id] = line
    data.lines_of[contract["id"]].append(line_id)
    return line


def instant(id_: int) -> str:
    """When a record was last changed, with as many fractions as Autotask happens to write."""
    return changed_on(id_, LATEST).strftime("%Y-%m-%dT%H:%M:%S.%f")[:-4] + "Z"


class _Client:
    """One company with its people and contracts."""

    def __init__(self, data: AutotaskData, random: Random, number: int, today: date) -> None:
        self.data, self.random, self.number, self.today = data, random, number, today
        special = {0: OWN_COMPANY, 1: DEMO_COMPANY}
        self.id = special.get(number, FIRST_COMPANY + number)
        names = {0: "Harbourline IT Services", 1: "Autotask Corporation"}
        self.name = names.get(number) or firm_name(random, number)
        self.domain = domain_of(self.name, number)

    def add(self) -> None:
        random = self.random
        kind = 1 if random.random() < 0.8 else random.choice(COMPANY_TYPES)[0]
        self.data.companies[self.id] = {
            "id": self.id,
            **COMPANY,
            "companyName": self.name,
            "lastTrackedModifiedDateTime": instant(self.id),
            "companyType": kind,
            "companyNumber": f"C-{self.number}" if random.random() < 0.6 else None,
            "city": random.choice(CITIES),
            "phone": phone_number(random),
            "webAddress": f"www.{self.domain}" if random.random() < 0.5 else None,
            "isActive": self.number != 1 and random.random() < 0.93,
            "currencyID": random.choice((1,) * 17 + (3, 9, 12)),
            "userDefinedFields": [
                {"name": "Support Tier", "value": random.choice(("Gold", "Silver", None))}
            ],
        }
        self._contacts()
        if kind != 3 and self.number > 1:
            self._contracts()
        if self.number % 60 == 51:
            self._renewed_early()

    def _contacts(self) -> None:
        random = self.random
        roll = random.random()
        count = 0 if roll < 0.06 else random.choice((1, 2, 3, 3, 4, 5))
        inactive, unreachable = 0.06 <= roll < 0.10, 0.10 <= roll < 0.13
        for position in range(count):
            id_ = FIRST_CONTACT + self.number * 10 + position
            first, last = person_name(random)
            person = {"id": id_, **CONTACT, "companyID": self.id, "userDefinedFields": []}
            person["lastModifiedDate"] = instant(id_)
            person |= {"firstName": first, "lastName": last if random.random() < 0.97 else ""}
            is_active = not inactive and (position == 0 or random.random() < 0.9)
            person["isActive"] = int(is_active)
            person["primaryContact"] = position == 0 if random.random() < 0.8 else None
            if not unreachable:
                self._reach(person, f"{ascii_letters(first)}.{ascii_letters(last)}@{self.domain}")
            self.data.contacts[id_] = person
            self.data.contacts_of[self.id].add(id_)

    def _reach(self, person: Record, address: str) -> None:
        """An address in any of three members, padded now and then; a phone in any of three."""
        random = self.random
        has_phone = random.random() < 0.7
        if has_phone:
            member = random.choice(("phone", "phone", "mobilePhone", "alternatePhone"))
            person[member] = phone_number(random)
            if member == "phone" and random.random() < 0.3:
                person["extension"] = str(random.randint(10, 99))
        if random.random() < 0.9 or not has_phone:
            member = random.choice(("emailAddress",) * 8 + ("emailAddress2", "emailAddress3"))
            person[member] = f" {address} " if random.random() < 0.05 else address
            if member != "emailAddress":
                person["emailAddress"] = random.choice(("", None))

    # Contracts

    def _contracts(self) -> None:
        number = 0
        for _ in range(self.random.choice((0, 1, 2, 2, 2, 3))):
            contract = self._contract(number)
            number += 1
            if contract["contractType"] == RECURRING and self.random.random() < 0.15:
                self._renewal(contract, number)
                number += 1

    def _contract(self, position: int) -> Record:
        random = self.random
        kind = RECURRING if random.random() < 0.88 else random.choice((TIME_AND_MATERIALS, 3))
        period = random.choices((2, 3, 4, 5, None), (62, 14, 6, 14, 4))[0]
        start = self._first_day()
        months = random.choice((12, 12, 24, 36)) + random.choice((0, 0, 0, 1))
        contract = self._blank(position, start, months_on(start, months) - timedelta(days=1))
        contract |= {
            "contractType": kind,
            "contractPeriodType": period if kind == RECURRING else None,
            "estimatedRevenue": Decimal(random.choice((0, 0, 9999))),
        }
        if random.random() < 0.12:
            contract["setupFee"] = Decimal(random.choice((250, 495, 995)))
        if random.random() < 0.06:
            contract["status"] = 0
        if kind == RECURRING:
            for slot in range(random.choice((0, 1, 2, 3, 3, 4, 5))):
                self._line(contract, slot)
        return contract

    def _first_day(self) -> date:
        """Contracts start on the 1st, the 17th or a month's last days; some have not started."""
        random = self.random
        roll = random.random()
        back = random.randint(1, 24) if roll < 0.93 else -random.randint(1, 3)
        month = months_on(self.today.replace(day=1), -back)
        day = random.choice((1, 1, 1, 1, 17, 29, 30, 31))
        return (
            date(month.year, month.month, min(day, 28))
            if day <= 28
            else (months_on(date(2024, 1, day), (month.year - 2024) * 12 + month.month - 1))
        )

    def _blank(self, position: int, start: date, end: date) -> Record:
        id_ = FIRST_CONTRACT + self.number * 10 + position
        contract: Record = {
            "id": id_,
            **CONTRACT,
            "companyID": self.id,
            "contractName": f"Managed Workplace & Cloud FY{end.year % 100}",
            "startDate": midnight_utc(start),
            "endDate": midnight_utc(end),
            "userDefinedFields": [],
        }
        self.data.contracts[id_] = contract
        self.data.contracts_of[self.id].add(id_)
        return contract

    def _renewal(self, old: Record, position: int) -> None:
        """A contract that goes on where another ends, or a little before; linked either way."""
        random = self.random
        end = day_of(old, "endDate")
        start = end + timedelta(days=1) - timedelta(days=random.choice((0, 0, 0, 30)))
        new = self._blank(position, start, months_on(start, 12) - timedelta(days=1))
        new |= {"contractType": RECURRING, "contractPeriodType": old["contractPeriodType"]}
        first, second = (old, new) if random.random() < 0.5 else (new, old)
        first["renewedContractID"] = second["id"]
        for slot in range(random.choice((1, 2, 3))):
            self._line(new, slot)
        if (way := new["id"] % 3) < 2:  # every third was renewed by hand, and its old one left
            let_wizard_act(old, new, self.today, at_once=way == 0)

    def _renewed_early(self) -> None:
        """The wizard was used some weeks ahead, and inactivated what is still in force."""
        begin = months_on(self.today.replace(day=1), -10)
        end = months_on(begin, 12) - timedelta(days=1)
        old = self._blank(EARLY, begin, end)
        old["contractPeriodType"] = 2
        add_line(self.data, old, line_id_of(old, 0), SERVICES[0][:2], 20, Decimal("60.00"))
        renew(self.data, old, new_id=old["id"] + 1, today=self.today, increase=Decimal("5.00"))

    def _line(self, contract: Record, slot: int) -> None:
        random = self.random
        line_id = line_id_of(contract, slot)
        is_bundle = random.random() < 0.2
        catalogue = BUNDLES if is_bundle else SERVICES
        service_id, name, monthly = random.choice(catalogue)
        price = Decimal(monthly) * period_of(contract)
        units = random.choice((1, 2, 4, 8, 11, 18, 20, 48))
        if random.random() < 0.08 and not is_bundle:  # a standing credit
            (service_id, name), units, price = LOYALTY, 1, Decimal(-50)
        text = name if random.random() < 0.8 else ""
        line = add_line(self.data, contract, line_id, (service_id, text), units, price, is_bundle)
        line.shares_a_day = line.id % 2 == 0
        self._live(line, contract)

    def _live(self, line: Line, contract: Record) -> None:
        """Units change in the middle of a period, a price at its edge, and services end."""
        random, months = self.random, period_of(contract)
        periods = 0
        while months_on(line.begins, (periods + 1) * months) <= line.ends + timedelta(days=1):
            periods += 1
        if periods < 3:
            return
        at = random.randint(1, periods - 2)
        edge = months_on(line.begins, at * months)
        _, units, price = line.changes[0]
        roll = random.random()
        if roll < 0.30:
            inside = edge + timedelta(days=random.randint(2, 25))
            line.changes.append((inside, units + random.choice((1, 2, 5)), price))
        elif roll < 0.40:
            line.changes.append((edge, units, (price * Decimal("1.04")).quantize(Decimal("0.01"))))
        elif roll < 0.46:
            line.changes.append((edge, 0, price))
        elif roll < 0.52:
            line.ends = edge - timedelta(days=1)
