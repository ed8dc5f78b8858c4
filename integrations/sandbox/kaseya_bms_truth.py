"""What the sandbox's own records come to, in the plainest way: another pair of eyes on MRR.

Shares no code with the product.
"""

from __future__ import annotations

from datetime import date, timedelta
from fractions import Fraction
from typing import Any

from integrations.sandbox.dates import months_on
from integrations.sandbox.kaseya_bms_data import BmsData, Record
from integrations.sandbox.truth import CompanyTruth, exact, report, written

TIMES_A_MONTH = {
    "monthly": Fraction(1),
    "quarterly": Fraction(1, 3),
    "yearly": Fraction(1, 12),
    "annually": Fraction(1, 12),
    "weekly": Fraction(52, 12),
}
CODES = {"us dollar": "USD", "canadian dollar": "CAD", "": "USD"}


def why_not_importable(data: BmsData, account: Record) -> list[str]:
    people = [data.contacts[id_] for id_ in data.contacts_of[account["id"]]]
    active = [person for person in people if person["isActive"]]
    if not people:
        return ["no_contact"]
    if not active:
        return ["contact_inactive"]
    if not any(has_method(person) for person in active):
        return ["contact_without_method"]
    return []


def has_method(person: Record) -> bool:
    emails = [item["emailAddress"] for item in person["emails"] or ()]
    phones = [item["phone"] for item in person["phones"] or ()]
    return any(value.strip() for value in emails + phones)


def term_in_months(start: date, end: date) -> Fraction:
    """The length of a term, from its first day to the day after its last."""
    after = end + timedelta(days=1)
    whole = 0
    while months_on(start, whole + 1) <= after:
        whole += 1
    from_day, next_one = months_on(start, whole), months_on(start, whole + 1)
    return whole + Fraction((after - from_day).days, (next_one - from_day).days)


def monthly(contract: Record, on: date, read_on: date) -> Fraction | None:
    """The contract's MRR on a day; None = nothing of it counts."""
    start, end = written(contract, "startDate"), written(contract, "endDate")
    if end and end.year == 1:
        end = None
    has_run_out = end is not None and end < read_on  # then it is inactive since, and not before
    is_active = has_run_out or contract["status"].strip().lower() == "active"
    if contract["contractType"] != "Recurring Services":
        return None
    if not is_active or not start or on < start or (end and on > end):
        return None
    cycle = (contract["billingCycle"] or "").lower()
    price = exact(contract["contractBillingPrice"])
    if not price:
        return None
    if cycle == "contract length":
        return price / term_in_months(start, end) if end else None
    return price * TIMES_A_MONTH[cycle] if cycle in TIMES_A_MONTH else None


def truth(data: BmsData, on: date) -> dict[str, Any]:
    """Everything the product should come to, as of a day. Only recurring services count."""
    read_on = max(on, data.today)
    return report(
        on,
        (
            CompanyTruth(
                str(account["id"]),
                account["accountName"],
                why_not_importable(data, account),
                {
                    str(id_): (currency_of(account), monthly(data.contracts[id_], on, read_on))
                    for id_ in sorted(data.contracts_of[account["id"]])
                },
            )
            for account in data.accounts.values()
        ),
    )


def currency_of(account: Record) -> str:
    name = account["currencyName"] or ""
    return CODES.get(name.lower(), name.upper())
