"""The MSP in the sandbox Kaseya BMS: its accounts, contacts and contracts, by seed."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from datetime import date, timedelta
from random import Random
from typing import Any, Final

from integrations.sandbox.dates import changed_on, months_on
from integrations.sandbox.names import (
    CITIES,
    ascii_letters,
    domain_of,
    firm_name,
    person_name,
    phone_number,
)

Record = dict[str, Any]

FIRST_ACCOUNT: Final = 34000
FIRST_CONTACT: Final = 700_000
FIRST_CONTRACT: Final = 51_000
LEFT: Final = 7  # the id, after those of an account's other contracts, of one that ran out
CREATED: Final = "2021-03-02T15:20:11.44"
LATEST: Final = "2026-08-19T09:41:02.887"
TENANT: Final = "Harbor Point IT"

ACCOUNT_TYPES: Final = (
    (1, "Client", True, False), (2, "Prospect", False, False), (3, "Vendor", False, True),
    (6, "Former Client", False, False),
)  # fmt: skip
#: As accounts name their currency: a code, a plain name, or nothing (the tenant's own, USD).
CURRENCIES: Final = ("USD",) * 8 + ("", "", "US Dollar", "CAD", "Canadian Dollar", "eur")
CYCLES: Final = ("Monthly", "Quarterly", "Yearly", "Weekly", "Contract Length", "Annually", None)
CYCLE_WEIGHTS: Final = (55, 12, 12, 6, 8, 4, 3)
OTHER_TYPES: Final = ("Time and Material", "Fixed Price", "Retainer by Hours", "Retainer by Amount")
SERVICES: Final = (
    "Managed IT - Complete", "Microsoft 365 licences", "Backup and DR", "Managed firewall",
    "Hosted phones", "Security awareness",
)  # fmt: skip


@dataclass
class BmsData:
    """All records by id, in the order of ids, and what hangs on what. `today`: of when they are."""

    today: date
    accounts: dict[int, Record] = field(default_factory=dict)
    contacts: dict[int, Record] = field(default_factory=dict)
    contracts: dict[int, Record] = field(default_factory=dict)
    #: contract → account: the list of contracts does not say it
    account_of: dict[int, int] = field(default_factory=dict)
    contracts_of: dict[int, set[int]] = field(default_factory=lambda: defaultdict(set))
    contacts_of: dict[int, set[int]] = field(default_factory=lambda: defaultdict(set))


def build(*, seed: int, companies: int, today: date) -> BmsData:
    """Make the data: the same seed, number and day give the same, record by record."""
    data = BmsData(today)
    for number in range(companies):
        _Client(data, Random(f"kaseya_bms/{seed}/{number}"), number, today).add()
    return data


def stamps(id_: int = 0) -> Record:
    """Who made a record and when, and who changed it when (`id_` 0 = nobody has)."""
    modified = changed_on(id_, LATEST).isoformat(timespec="milliseconds") if id_ else None
    return {
        "createdBy": 11,
        "createdOn": CREATED,
        "modifiedBy": 11 if modified else None,
        "modifiedOn": modified,
    }


def midnight(day: date) -> str:
    """A calendar date as BMS writes it: without a zone."""
    return f"{day.isoformat()}T00:00:00"


class _Client:
    """One account with its people and contracts."""

    def __init__(self, data: BmsData, random: Random, number: int, today: date) -> None:
        self.data, self.random, self.number, self.today = data, random, number, today
        self.id = FIRST_ACCOUNT + number
        self.name = firm_name(random, number)
        if number % 25 == 1:  # two accounts of one name: joined by name they would be mixed up
            self.name = data.accounts[self.id - 1]["accountName"]
        self.domain = domain_of(self.name, number)

    def add(self) -> None:
        random = self.random
        type_id, kind, _, _ = random.choices(ACCOUNT_TYPES, (76, 12, 6, 6))[0]
        currency = random.choice(CURRENCIES)
        self.data.accounts[self.id] = {
            "id": self.id,
            **stamps(self.id if random.random() < 0.5 else 0),
            "parentId": None,
            "accountCode": f"A{self.id}" if random.random() < 0.5 else None,
            "accountTypeId": type_id,
            "accountType": kind,
            "accountName": self.name,
            "businessTypeId": 4,
            "businessType": "General",
            "serviceTypeId": None,
            "serviceType": None,
            "accountManagerId": None,
            "accountManagerUserName": None,
            "currencyId": 1 if currency else None,
            "currencyName": currency or None,
            "creditLimit": None,
            "netDays": 30.0,
            "website": f"https://{self.domain}",
            "description": None,
            "isActive": random.random() < 0.92,
            "isBilling": True,
            "acquiredDate": None,
            "tenantName": TENANT,
            "locations": [self._location()],
        }
        self._contacts()
        if kind != "Prospect":
            for position in range(random.choice((0, 1, 2, 2, 3, 4))):
                self._contract(position)
        if self.number % 60 == 53:
            self._ran_out()

    def _location(self) -> Record:
        return {
            "id": self.id + 11_000,
            **stamps(),
            "locationName": "Main",
            "isMain": True,
            "isActive": True,
            "addresses": [
                {
                    "id": self.id + 47_000,
                    **stamps(),
                    "city": self.random.choice(CITIES),
                    "phone": phone_number(self.random),
                    "emailAddress": None,
                    "isMain": True,
                    "isBilling": True,
                }
            ],
        }

    def _contacts(self) -> None:
        random = self.random
        roll = random.random()
        count = 0 if roll < 0.06 else random.choice((1, 2, 3, 3, 4, 5))
        inactive, unreachable = 0.06 <= roll < 0.10, 0.10 <= roll < 0.13
        for position in range(count):
            id_ = FIRST_CONTACT + self.number * 10 + position
            first, last = person_name(random)
            self.data.contacts[id_] = {
                "id": id_,
                **stamps(),
                "accountId": self.id,
                "accountName": self.name,
                "locationId": self.id + 11_000,
                "locationName": "Main",
                "firstName": first,
                "lastName": last if random.random() < 0.97 else None,
                "jobTitle": None,
                "isPoc": position == 0 and random.random() < 0.8,
                "isActive": not inactive and (position == 0 or random.random() < 0.9),
                "effectiveDate": None,
                "isBillable": True,
                **self._methods(id_, first, last, reachable=not unreachable),
                "canRecieveInvoices": True,
            }
            self.data.contacts_of[self.id].add(id_)

    def _methods(self, id_: int, first: str, last: str, *, reachable: bool) -> Record:
        random = self.random
        emails: list[Record] = []
        phones: list[Record] | None = []
        address = f"{ascii_letters(first)}.{ascii_letters(last)}@{self.domain}"
        has_phone = reachable and random.random() < 0.7
        if has_phone:
            phones = [self._item("phone", id_ * 10, phone_number(random), default=True)]
        if reachable and (random.random() < 0.9 or not has_phone):
            emails.append(self._item("email", id_ * 10 + 2, address, default=True))
            if random.random() < 0.2:
                other = self._item("email", id_ * 10 + 1, f"alt.{address}", default=False)
                emails.append(other)
            if random.random() < 0.05:  # the default one is blank
                emails.insert(0, self._item("email", id_ * 10, "", default=True))
                emails[1]["isDefault"] = False
        if not phones and random.random() < 0.1:
            phones = None
        return {"emails": emails, "phones": phones}

    @staticmethod
    def _item(kind: str, id_: int, value: str, *, default: bool) -> Record:
        member = "emailAddress" if kind == "email" else "phone"
        return {
            "id": id_,
            **stamps(),
            member: value,
            f"{kind}TypeId": 1,
            f"{kind}Type": "Work Email" if kind == "email" else "Work Phone",
            "isDefault": default,
        }

    def _contract(self, position: int) -> None:
        random = self.random
        id_ = FIRST_CONTRACT + self.number * 10 + position
        start = months_on(self.today.replace(day=random.choice((1, 1, 1, 10, 17))), 0)
        start = months_on(start, -random.randint(1, 20))
        if random.random() < 0.07:
            start = self.today + timedelta(days=random.randint(1, 60))
        end = months_on(start, random.choice((12, 12, 24, 36))) - timedelta(days=1)
        if random.random() < 0.1:
            end += timedelta(days=random.randint(1, 20))
        roll = random.random()
        others = ("New", "Inactive", " active ", "Expired")
        status = "Active" if roll < 0.85 else random.choice(others)
        if end < self.today and status == "Active" and id_ % 2 == 0:
            status = "Inactive"  # it ran out, and somebody noted that
        recurring = random.random() < 0.85
        cycle = random.choices(CYCLES, CYCLE_WEIGHTS)[0]
        self.data.contracts[id_] = {
            "id": id_,
            "contractName": random.choice(SERVICES),
            "accountName": self.name,
            "contractType": "Recurring Services" if recurring else random.choice(OTHER_TYPES),
            "contractBillingPrice": random.choice(
                (0.0, 120.0, 449.95, 897.0, 1950.5, 2450.0, 5399.4, -75.0)
            ),
            "status": status,
            "contractNumber": f"N-{id_}",
            "billingCycle": cycle,
            "startDate": midnight(start),
            "endDate": midnight(end) if random.random() < 0.97 else "0001-01-01T00:00:00",
        }
        self._keep(id_)

    def _ran_out(self) -> None:
        """A client that left some weeks ago: the contract ran out, its status says so."""
        id_ = FIRST_CONTRACT + self.number * 10 + LEFT
        end = self.today - timedelta(days=40)
        self.data.contracts[id_] = {
            "id": id_,
            "contractName": "Managed IT - Complete",
            "accountName": self.name,
            "contractType": "Recurring Services",
            "contractBillingPrice": 1950.5,
            "status": "Inactive",
            "contractNumber": f"N-{id_}",
            "billingCycle": "Monthly",
            "startDate": midnight(months_on(end + timedelta(days=1), -12)),
            "endDate": midnight(end),
        }
        self._keep(id_)

    def _keep(self, contract_id: int) -> None:
        self.data.account_of[contract_id] = self.id
        self.data.contracts_of[self.id].add(contract_id)
