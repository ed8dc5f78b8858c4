"""What the sandbox's own records come to, in the plainest way: another pair of eyes on MRR.

Shares no code with the product. Everything is worked out for one day at a time.
"""

from __future__ import annotations

from datetime import date, timedelta
from fractions import Fraction
from typing import Any, Final

from integrations.sandbox.connectwise_data import BILLING_CYCLES, ConnectWiseData, Record
from integrations.sandbox.truth import CompanyTruth, exact, report, written

TIMES_A_MONTH: Final = {
    "Weekly": Fraction(52, 12),
    "BiWeekly": Fraction(26, 12),
    "Monthly": Fraction(1),
    "BiMonthly": Fraction(1, 2),
    "Quarterly": Fraction(1, 3),
    "SemiAnnual": Fraction(1, 6),
    "Yearly": Fraction(1, 12),
}
#: A line that lives no longer than one period, or than a month, is billed once.
SHORT_PERIOD_DAYS: Final = {"Weekly": 7, "BiWeekly": 14}
MONTH_DAYS: Final = 31


def why_not_importable(data: ConnectWiseData, company: Record) -> list[str]:
    people = [data.contacts[id_] for id_ in data.contacts_of[company["id"]]]
    active = [person for person in people if not person.get("inactiveFlag")]
    codes = []
    if company.get("deletedFlag"):
        codes.append("deleted")
    if company.get("status", {}).get("name", "").strip().lower() != "active":
        codes.append("inactive")
    if not people:
        codes.append("no_contact")
    elif not active:
        codes.append("contact_inactive")
    elif not any(has_method(person) for person in active):
        codes.append("contact_without_method")
    return codes


def has_method(person: Record) -> bool:
    kinds = {
        item.get("communicationType")
        or ("Email" if "mail" in item["type"]["name"].lower() else "Phone")
        for item in person.get("communicationItems", [])
        if item["value"]
    }
    return bool(kinds & {"Email", "Phone"})


def option_of(data: ConnectWiseData, agreement: Record) -> str:
    """The billing option that counts: its own cycle's, else its parent's; "" = none."""
    cycle = agreement.get("billingCycle")
    if not cycle and agreement.get("parentAgreement"):
        cycle = data.agreements[agreement["parentAgreement"]["id"]].get("billingCycle")
    return next((option for id_, _, option in BILLING_CYCLES if cycle and id_ == cycle["id"]), "")


def counts(data: ConnectWiseData, agreement: Record, on: date) -> bool:
    """Whether an agreement is recurring and in force on a day."""
    if agreement.get("billOneTimeFlag") or option_of(data, agreement) in {"", "NotRecurring"}:
        return False
    start, end = written(agreement, "startDate"), written(agreement, "endDate")
    if start and on < start:
        return False
    if end and not agreement.get("noEndingDateFlag") and on > end:
        return False
    if agreement.get("cancelledFlag") or agreement.get("agreementStatus") == "Cancelled":
        first_day_out = written(agreement, "dateCancelled")
        return bool(first_day_out and on < first_day_out)
    return True


def addition_counts(
    agreement: Record, addition: Record, others: list[Record], option: str, on: date
) -> bool:
    if addition["billCustomer"] != "Billable":
        return False
    start, end = written(addition, "effectiveDate"), written(addition, "cancelledDate")
    if (start and on < start) or (end and on > end):
        return False
    if not (start and end):
        return True
    cap = SHORT_PERIOD_DAYS.get(option, MONTH_DAYS)
    if (end - start).days + 1 > cap:
        return True
    near = [
        (began, ended)
        for began, ended in lives_of_product(addition, others, agreement)
        if began <= ended
        and began <= end + timedelta(days=1)
        and ended >= start - timedelta(days=1)
    ]
    beside = [life for life in near if life[0] <= end and life[1] >= start]
    long_ones = [life for life in beside if (life[1] - life[0]).days + 1 > cap]
    pieces = [life for life in near if life not in beside and (life[1] - life[0]).days + 1 <= cap]
    return bool(near) and (bool(pieces) or not long_ones)


def lives_of_product(
    addition: Record, others: list[Record], agreement: Record
) -> list[tuple[date, date]]:
    """First and last days of the other lines of the same product."""
    product = product_of(addition)
    return [
        (
            written(other, "effectiveDate") or written(agreement, "startDate") or date.min,
            written(other, "cancelledDate") or date.max,
        )
        for other in others
        if other is not addition and product and product_of(other) == product
    ]


def product_of(addition: Record) -> str:
    return str(addition.get("product", {}).get("identifier", "")).strip().lower()


def per_cycle(addition: Record) -> Fraction:
    if addition.get("billedQuantity") is not None:
        quantity = exact(addition["billedQuantity"])
    else:
        quantity = exact(addition["quantity"])
        included = exact(addition.get("lessIncluded") or 0)
        if quantity >= 0 and included > 0:
            quantity = max(quantity - included, Fraction(0))
    return quantity * exact(addition["unitPrice"])


def monthly(data: ConnectWiseData, agreement: Record, on: date) -> Fraction | None:
    """The agreement's MRR on a day; None = nothing of it counts."""
    if not counts(data, agreement, on):
        return None
    option = option_of(data, agreement)
    additions = list(data.additions[agreement["id"]].values())
    parts = [exact(agreement.get("billAmount") or 0)] + [
        per_cycle(addition)
        for addition in additions
        if addition_counts(agreement, addition, additions, option, on)
    ]
    parts = [part for part in parts if part]
    return sum(parts, Fraction(0)) * TIMES_A_MONTH[option] if parts else None


def truth(data: ConnectWiseData, on: date) -> dict[str, Any]:
    """Everything the product should come to, as of a day."""
    return report(
        on,
        (
            CompanyTruth(
                str(company["id"]),
                company["name"],
                why_not_importable(data, company),
                {
                    str(id_): (
                        data.agreements[id_]["currency"]["currencyCode"],
                        monthly(data, data.agreements[id_], on),
                    )
                    for id_ in sorted(data.agreements_of[company["id"]])
                },
            )
            for company in data.companies.values()
        ),
    )
