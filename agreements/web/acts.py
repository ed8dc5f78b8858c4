"""Where a person decides about a row of the figure, and what the way there is called."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import urlencode

from django.urls import reverse

from agreements.figures import AgreementRow
from agreements.mrr import LedgerRow
from agreements.web.forms import AS_READ

LEAVE_OUT: Final = "Leave out…"
COUNT_IT: Final = "Count it…"
CHANGE: Final = "Change…"
#: The choice by which what is left out for a reason counts all the same.
OF_AGREEMENT: Final = {
    "excluded_by_user": AS_READ,
    "set_aside": "force_include",
    "not_recurring": "force_include",
    "inactive": "force_include",
    "expired": "assume_renewal",
}
OF_LINE: Final = {
    "line_excluded_by_user": AS_READ,
    "one_time": "force_include",
    "single_cycle": "force_include",
}


@dataclass(frozen=True, slots=True)
class Act:
    """The way to a decision, about something that is called so."""

    label: str
    address: str
    about: str


def agreement_act(row: AgreementRow) -> Act:
    choice = "exclude" if row.summary.included else OF_AGREEMENT.get(row.summary.reason or "", "")
    return _act("agreements:agreement-choices", row.agreement, choice, str(row.agreement))


def line_act(row: LedgerRow) -> Act | None:
    """A flat amount is decided about with its agreement."""
    if row.line_ref is None:
        return None
    choice = "exclude" if row.included else OF_LINE.get(row.reason or "", "")
    about = f"{row.line_ref} of {row.agreement_ref}"
    return _act("agreements:line-choices", row.line_ref, choice, about)


def _act(way: str, subject: Any, choice: str, about: str) -> Act:
    address = reverse(way, args=[subject.pk])
    if not choice:
        return Act(CHANGE, address, about)
    label = LEAVE_OUT if choice == "exclude" else COUNT_IT
    return Act(label, f"{address}?{urlencode({'choose': choice})}", about)
