"""The MSP in the sandbox ConnectWise: companies, contacts, agreements, additions, by seed."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from datetime import date, timedelta
from random import Random
from typing import Any, Final

from integrations.sandbox import connectwise_practice
from integrations.sandbox.dates import changed_on, midnight_utc
from integrations.sandbox.names import (
    CITIES,
    ascii_letters,
    domain_of,
    firm_name,
    person_name,
    phone_number,
)

Record = dict[str, Any]

FIRST_COMPANY: Final = 20001
FIRST_CONTACT: Final = 300001
FIRST_AGREEMENT: Final = 40001
FIRST_PRACTISED: Final = 5  # the ids after those of a company's other agreements
ADDITIONS_PER_AGREEMENT: Final = 100  # ids of one agreement's additions begin at its id times this

STATUSES: Final = (
    (1, "Active"),
    (2, "Inactive"),
    (3, "Not Approved"),
    (4, "Credit Hold"),
    (5, "Delinquent"),
)
COMPANY_TYPES: Final = ((1, "Client"), (2, "Prospect"), (3, "Vendor"), (4, "Owner"))
COMMUNICATION_TYPES: Final = (
    (1, "Email", "email"),
    (2, "Direct", "phone"),
    (3, "Cell", "phone"),
    (4, "Fax", "fax"),
    (5, "Home Email", "email"),
)
#: id, name as the MSP typed it, billingOptions
BILLING_CYCLES: Final = (
    (1, "Weekly", "Weekly"),
    (2, "Monthly", "Monthly"),
    (3, "Every two weeks", "BiWeekly"),
    (4, "Quarterly", "Quarterly"),
    (5, "Half-Yearly", "SemiAnnual"),
    (8, "Yearly", "Yearly"),
    (9, "Every 2 months", "BiMonthly"),
    (10, "None", "NotRecurring"),
)
#: Mostly monthly, as with real MSPs, and some of each of the others.
CYCLE_WEIGHTS: Final = {2: 60, 8: 14, 4: 10, 9: 4, 5: 4, 1: 3, 3: 3, 10: 2}
CURRENCIES: Final = ("USD",) * 17 + ("EUR", "CAD", "JPY")
PRODUCTS: Final = (
    ("MS-USER", "Managed user seat", "38.50"),
    ("MS-SRV", "Managed server", "145.00"),
    ("M365-BP", "Microsoft 365 Business Premium", "22.00"),
    ("BDR", "Backup and disaster recovery", "199.00"),
    ("EDR", "Endpoint detection and response", "6.75"),
    ("FW-SUB", "Firewall subscription", "45.00"),
    ("MAIL", "E-mail filtering", "2.40"),
    ("VOIP", "Hosted phone seat", "17.95"),
    ("NET", "Managed network device", "29.99"),
    ("TRAIN", "Security awareness training", "3.33"),
)
AGREEMENT_TYPES: Final = ("Managed Services", "Co-Managed IT", "Cloud Services", "Block Time")
LATEST: Final = "2026-01-05T09:00:00+00:00"


@dataclass
class ConnectWiseData:
    """All records by id, in the order of ids, and what hangs on what."""

    companies: dict[int, Record] = field(default_factory=dict)
    contacts: dict[int, Record] = field(default_factory=dict)
    agreements: dict[int, Record] = field(default_factory=dict)
    additions: dict[int, dict[int, Record]] = field(default_factory=dict)
    contacts_of: dict[int, set[int]] = field(default_factory=lambda: defaultdict(set))
    agreements_of: dict[int, set[int]] = field(default_factory=lambda: defaultdict(set))


def build(*, seed: int, companies: int, today: date) -> ConnectWiseData:
    """Make the data: the same seed, number and day give the same, record by record."""
    data = ConnectWiseData()
    for number in range(companies):
        random = Random(f"{seed}/{number}")
        _Client(data, random, number, today).add()
    return data


def reference(id_: int, name: str) -> Record:
    return {"id": id_, "name": name}


def stamp(id_: int) -> str:
    return changed_on(id_, LATEST).strftime("%Y-%m-%dT%H:%M:%SZ")


class _Client:
    """One company with its people and agreements."""

    def __init__(self, data: ConnectWiseData, random: Random, number: int, today: date) -> None:
        self.data, self.random, self.number, self.today = data, random, number, today
        self.id = FIRST_COMPANY + number
        self.name = firm_name(random, number) if number else "Catch-All"
        self.domain = domain_of(self.name, number)
        self.ref = {**reference(self.id, self.name), "identifier": f"C{self.id}"}

    def add(self) -> None:
        company = self._company()
        people = self._contacts()
        if people and self.random.random() < 0.8:
            chosen = people[0]
            name = f"{chosen.get('firstName', '')} {chosen.get('lastName', '')}".strip()
            company["defaultContact"] = reference(chosen["id"], name)
        self.data.companies[self.id] = company
        if company["types"][0]["name"] != "Prospect":
            self._agreements()
        self._practised()

    def _company(self) -> Record:
        roll = self.random.random()
        status = STATUSES[0] if roll < 0.85 else self.random.choice(STATUSES[1:])
        kind = (
            COMPANY_TYPES[0]
            if self.random.random() < 0.8
            else self.random.choice(COMPANY_TYPES[1:3])
        )
        company: Record = {
            "id": self.id,
            "identifier": f"C{self.id}",
            "name": self.name,
            "status": reference(*status),
            "types": [reference(*kind)],
            "city": self.random.choice(CITIES),
            "phoneNumber": phone_number(self.random),
            "faxNumber": "",
            "website": f"www.{self.domain}",
            "deletedFlag": self.number > 0 and self.random.random() < 0.02,
            "customFields": [{"id": 3, "caption": "Region", "type": "Text"}],
            "_info": {"lastUpdated": stamp(self.id), "updatedBy": "zAdmin"},
        }
        if self.number % 3 == 0:  # an empty value is left out
            company["customFields"][0]["value"] = self.random.choice(("East", "West"))
        if company["deletedFlag"] or self.random.random() < 0.03:
            company["dateDeleted"] = "2025-11-03T10:00:00Z"  # live companies have one too
        return company

    def _contacts(self) -> list[Record]:
        if self.number == 0:
            return []
        roll = self.random.random()
        count = 0 if roll < 0.06 else self.random.choice((1, 2, 3, 3, 4, 5))
        inactive, unreachable = 0.06 <= roll < 0.10, 0.10 <= roll < 0.13
        people = []
        for position in range(count):
            person = self._contact(position, is_inactive=inactive, has_method=not unreachable)
            self.data.contacts[person["id"]] = person
            self.data.contacts_of[self.id].add(person["id"])
            people.append(person)
        return people

    def _contact(self, position: int, *, is_inactive: bool, has_method: bool) -> Record:
        first, last = person_name(self.random)
        id_ = FIRST_CONTACT + self.number * 10 + position
        person: Record = {
            "id": id_,
            "firstName": first,
            "company": self.ref,
            "inactiveFlag": is_inactive or (position > 0 and self.random.random() < 0.1),
            "defaultFlag": position == 0,
            "_info": {"lastUpdated": stamp(id_)},
        }
        if self.random.random() < 0.97:
            person["lastName"] = last
        if has_method:
            person["communicationItems"] = self._items(id_, first, last)
        return person

    def _items(self, contact_id: int, first: str, last: str) -> list[Record]:
        address = f"{ascii_letters(first)}.{ascii_letters(last)}@{self.domain}"
        items: list[Record] = []
        number = phone_number(self.random)
        if self.random.random() < 0.7:
            items.append(self._item(contact_id, len(items), 1, number, "Phone", 2, "Direct"))
            if self.random.random() < 0.3:
                items[-1]["extension"] = str(self.random.randint(10, 99))
        if self.random.random() < 0.1:
            items.append(self._item(contact_id, len(items), 1, number, "Fax", 4, "Fax"))
        if self.random.random() < 0.2:
            other = self._item(
                contact_id, len(items), 0, f"alt.{address}", "Email", 5, "Home Email"
            )
            items.append(other)
        if self.random.random() < 0.9 or not items:
            text = f"{address}\u200e" if self.random.random() < 0.05 else address
            items.append(self._item(contact_id, len(items), 1, text, "Email", 1, "Email"))
            if self.random.random() < 0.04:
                del items[-1]["communicationType"]
        return items

    @staticmethod
    def _item(
        contact_id: int, position: int, default: int, value: str, kind: str, type_id: int, name: str
    ) -> Record:
        return {
            "id": contact_id * 10 + position,
            "type": reference(type_id, name),
            "value": value,
            "defaultFlag": bool(default),
            "communicationType": kind,
        }

    # Agreements

    def _agreements(self) -> None:
        count = self.random.choice((0, 1, 2, 2, 2, 3, 4))
        parent: Record | None = None
        for position in range(count):
            agreement = self._agreement(position, parent)
            self.data.agreements[agreement["id"]] = agreement
            self.data.agreements_of[self.id].add(agreement["id"])
            self.data.additions[agreement["id"]] = self._additions(agreement)
            parent = parent or agreement

    def _practised(self) -> None:
        """What is chosen by the company's number, and by no chance."""
        practised = connectwise_practice.written(self.number, self.today)
        for position, (values, lines) in enumerate(practised, FIRST_PRACTISED):
            id_ = FIRST_AGREEMENT + self.number * 10 + position
            info = {"lastUpdated": stamp(id_), "updatedBy": "billing"}
            own = {"id": id_, "company": self.ref, "_info": info}
            self.data.agreements[id_] = own | values
            self.data.agreements_of[self.id].add(id_)
            self.data.additions[id_] = {
                line_id: {"id": line_id, "agreementId": id_, **line, "_info": {**info}}
                for line_id, line in enumerate(lines, id_ * ADDITIONS_PER_AGREEMENT)
            }

    def _agreement(self, position: int, parent: Record | None) -> Record:
        random = self.random
        cycle_id = random.choices(list(CYCLE_WEIGHTS), weights=list(CYCLE_WEIGHTS.values()))[0]
        name = next(name for known, name, _ in BILLING_CYCLES if known == cycle_id)
        start = self.today.replace(day=1) - timedelta(days=random.randint(40, 1500))
        id_ = FIRST_AGREEMENT + self.number * 10 + position
        agreement: Record = {
            "id": id_,
            "name": f"{random.choice(AGREEMENT_TYPES)} {start.year}",
            "type": reference(10 + position, random.choice(AGREEMENT_TYPES)),
            "company": self.ref,
            "startDate": midnight_utc(start),
            "noEndingDateFlag": False,
            "cancelledFlag": False,
            "applicationUnits": "Hours",
            "applicationCycle": "CalendarMonth",
            "oneTimeFlag": random.random() < 0.05,
            "billOneTimeFlag": False,
            "billingCycle": reference(cycle_id, name),
            "billAmount": random.choice((0.0, 0.0, 99.0, 250.0, 499.5, 1250.0, 3125.25)),
            "prorateFlag": random.random() < 0.5,
            "currency": {"id": 7, "currencyCode": random.choice(CURRENCIES)},
            "agreementStatus": "Active",
            "_info": {"lastUpdated": stamp(id_), "updatedBy": "billing"},
        }
        self._give_it_a_life(agreement, start)
        if parent is not None and random.random() < 0.15:
            agreement["parentAgreement"] = reference(parent["id"], parent["name"])
            if random.random() < 0.5:
                agreement.pop("billingCycle", None)
        return agreement

    def _give_it_a_life(self, agreement: Record, start: date) -> None:
        """Most run on; some end, were cancelled, have not started, or are billed once."""
        random, today = self.random, self.today
        roll = random.random()
        if roll < 0.45:
            agreement["endDate"] = midnight_utc(today + timedelta(days=random.randint(1, 700)))
        elif roll < 0.60:
            agreement["noEndingDateFlag"] = True
            if random.random() < 0.3:
                agreement["endDate"] = midnight_utc(today - timedelta(days=400))  # an old one stays
        elif roll < 0.70:
            agreement["endDate"] = midnight_utc(
                max(start, today - timedelta(days=random.randint(1, 300)))
            )
            agreement["agreementStatus"] = "Expired"
        elif roll < 0.76:
            agreement["startDate"] = midnight_utc(today + timedelta(days=random.randint(1, 90)))
            agreement["agreementStatus"] = "Inactive"
        elif roll < 0.86:
            self._cancel(agreement, roll)
        elif roll < 0.89:
            agreement["billOneTimeFlag"] = True
            del agreement["billingCycle"]
        elif roll < 0.91:
            del agreement["billAmount"]

    def _cancel(self, agreement: Record, roll: float) -> None:
        """Cancelled: in the past, without a date, from a day ahead, or not any more."""
        past = midnight_utc(self.today - timedelta(days=self.random.randint(1, 200)))
        ahead = midnight_utc(self.today + timedelta(days=self.random.randint(5, 90)))
        if roll < 0.80:
            agreement |= {"cancelledFlag": True, "agreementStatus": "Cancelled"}
            agreement["dateCancelled"] = past
        elif roll < 0.82:
            agreement |= {"cancelledFlag": True, "agreementStatus": "Cancelled"}
        elif roll < 0.84:
            agreement |= {"cancelledFlag": True, "dateCancelled": ahead}
        else:
            agreement["dateCancelled"] = past  # the flag was cleared

    def _additions(self, agreement: Record) -> dict[int, Record]:
        random, start = self.random, agreement["startDate"]
        additions: dict[int, Record] = {}
        for position in range(random.choice((0, 2, 4, 5, 5, 6, 8, 10))):
            id_ = agreement["id"] * ADDITIONS_PER_AGREEMENT + position
            code, text, price = random.choice(PRODUCTS)
            quantity = float(random.choice((1, 2, 3, 5, 8, 12, 20, 48)))
            addition: Record = {
                "id": id_,
                "agreementId": agreement["id"],
                "product": {"id": 700 + position, "identifier": code},
                "quantity": quantity,
                "lessIncluded": 0.0,
                "unitPrice": float(price),
                "billCustomer": random.choices(("Billable", "NoCharge", "DoNotBill"), (90, 6, 4))[
                    0
                ],
                "effectiveDate": start,
                "description": text,
                "invoiceDescription": text,
                "agreementStatus": agreement["agreementStatus"],
                "prorateCurrentPeriodFlag": False,
                "_info": {"lastUpdated": stamp(id_)},
            }
            self._vary(addition)
            additions[id_] = addition
        self._add_history(agreement, additions)
        return additions

    def _vary(self, addition: Record) -> None:
        """Included units, credits, ends, prorated prices, and the odd missing member."""
        random, today = self.random, self.today
        roll = random.random()
        if roll < 0.15:
            addition["lessIncluded"] = float(random.choice((1, 5, 50)))
        elif roll < 0.20:
            addition["unitPrice"] = -addition["unitPrice"]
            addition["description"] = addition["invoiceDescription"] = "Loyalty credit"
        elif roll < 0.28:
            addition["cancelledDate"] = midnight_utc(today - timedelta(days=random.randint(0, 200)))
        elif roll < 0.33:
            addition["effectiveDate"] = midnight_utc(today + timedelta(days=random.randint(1, 60)))
        elif roll < 0.40:
            addition["proratePrice"] = round(addition["unitPrice"] * 0.4, 2)
        if random.random() < 0.5:
            charged = max(addition["quantity"] - addition["lessIncluded"], 0.0)
            addition["billedQuantity"] = charged
        addition["extPrice"] = round(addition["quantity"] * addition["unitPrice"], 2)

    def _add_history(self, agreement: Record, additions: dict[int, Record]) -> None:
        """A setup fee that lives in one period, and a quantity that changed with the month."""
        random = self.random
        if not additions or agreement.get("billingCycle", {}).get("id") != 2:
            return
        model, next_id = next(iter(additions.values())), max(additions) + 1
        first = self.today.replace(day=1)
        last_month = (first - timedelta(days=1)).replace(day=1)
        if random.random() < 0.2:
            fee = {**model, "id": next_id, "product": {"id": 733, "identifier": "ONBOARD"}}
            fee |= {
                "quantity": 1.0,
                "lessIncluded": 0.0,
                "unitPrice": 750.0,
                "billCustomer": "Billable",
            }
            fee |= {
                "effectiveDate": midnight_utc(first),
                "cancelledDate": midnight_utc(first + timedelta(days=27)),
            }
            fee |= {"description": "Onboarding", "invoiceDescription": "Onboarding"}
            fee.pop("billedQuantity", None)
            additions[next_id] = fee
            next_id += 1
        if random.random() < 0.2:
            before = {**model, "id": next_id, "product": {"id": 790, "identifier": "HIST"}}
            before |= {"quantity": 20.0, "lessIncluded": 0.0, "unitPrice": 22.0}
            before |= {"effectiveDate": midnight_utc(last_month), "billCustomer": "Billable"}
            before.pop("billedQuantity", None)
            after = {
                **before,
                "id": next_id + 1,
                "quantity": 23.0,
                "effectiveDate": midnight_utc(first),
            }
            before["cancelledDate"] = midnight_utc(first - timedelta(days=1))
            after.pop("cancelledDate", None)
            additions |= {next_id: before, next_id + 1: after}
