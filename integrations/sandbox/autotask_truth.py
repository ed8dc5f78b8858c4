"""What the sandbox's own records come to, by the plans that its unit rows were written from.

Shares no code with the product. Everything is worked out for one day at a time.
"""

from __future__ import annotations

from datetime import date
from fractions import Fraction
from typing import Any

from integrations.sandbox.autotask_data import (
    CURRENCIES,
    OWN_COMPANY,
    RECURRING,
    AutotaskData,
    Record,
    period_of,
)
from integrations.sandbox.truth import CompanyTruth, exact, report

CODES = {id_: code for id_, code, _ in CURRENCIES}
METHODS = (
    "emailAddress", "emailAddress2", "emailAddress3", "phone", "mobilePhone", "alternatePhone",
)  # fmt: skip


def why_not_importable(data: AutotaskData, company: Record) -> list[str]:
    if company["id"] == OWN_COMPANY:
        return ["own_company"]
    people = [data.contacts[id_] for id_ in data.contacts_of[company["id"]]]
    active = [person for person in people if person["isActive"]]
    if not people:
        return ["no_contact"]
    if not active:
        return ["contact_inactive"]
    if not any((person[member] or "").strip() for person in active for member in METHODS):
        return ["contact_without_method"]
    return []


def sound(data: AutotaskData, contract: Record, on: date) -> bool:
    """Recurring, with dates that can be, and active; or inactive since it ran out or was renewed:
    then it was in force until its end. It is read on that day, or on the day of the data.
    """
    return bool(
        contract["contractType"] == RECURRING
        and contract["startDate"][:10] <= contract["endDate"][:10]
        and (
            contract["status"] != 0
            or contract["endDate"][:10] < max(on, data.today).isoformat()
            or successors(data, contract)
        )
    )


def in_force(data: AutotaskData, contract: Record, on: date) -> bool:
    if (
        not sound(data, contract, on)
        or not contract["startDate"][:10] <= on.isoformat() <= (contract["endDate"][:10])
    ):
        return False
    return not any(
        sound(data, other, on) and str(other["startDate"])[:10] <= on.isoformat()
        for other in successors(data, contract)
    )


def successors(data: AutotaskData, contract: Record) -> list[Record]:
    """The contracts linked to this one, in whichever direction, that begin later than it."""
    siblings = [data.contracts[id_] for id_ in data.contracts_of[contract["companyID"]]]
    linked = [
        other
        for other in siblings
        if other is not contract
        and (
            other["renewedContractID"] == contract["id"]
            or contract["renewedContractID"] == other["id"]
        )
    ]
    place = (contract["startDate"], contract["id"])
    return [other for other in linked if (other["startDate"], other["id"]) > place]


def monthly(data: AutotaskData, contract: Record, on: date) -> Fraction | None:
    """The contract's MRR on a day; None = nothing of it counts."""
    if not in_force(data, contract, on):
        return None
    amounts = []
    for line_id in data.lines_of[contract["id"]]:
        plan = data.lines[line_id].plan_on(on)
        if plan is not None and plan[0]:
            amounts.append(plan[0] * exact(plan[1]) / period_of(contract))
    return sum(amounts, Fraction(0)) if amounts else None


def truth(data: AutotaskData, on: date) -> dict[str, Any]:
    """Everything the product should come to, as of a day. Only recurring contracts count."""
    return report(
        on,
        (
            CompanyTruth(
                str(company["id"]),
                company["companyName"],
                why_not_importable(data, company),
                {
                    str(id_): (
                        CODES[company["currencyID"]],
                        monthly(data, data.contracts[id_], on),
                    )
                    for id_ in sorted(data.contracts_of[company["id"]])
                },
            )
            for company in data.companies.values()
        ),
    )
