"""Autotask's Renew wizard: it makes a contract that goes on where another ends, and ends that one.

It may be used months ahead: then the old contract is inactive while it is still in force.
"""

from __future__ import annotations

from copy import deepcopy
from dataclasses import replace
from datetime import date, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from integrations.sandbox.dates import midnight_utc, months_on

if TYPE_CHECKING:
    from integrations.sandbox.autotask_data import AutotaskData, Line

Record = dict[str, Any]


def let_wizard_act(old: Record, new: Record, today: date, *, at_once: bool) -> None:
    """The old contract ends the day before the new one starts. It is inactivated at once, or on the
    day on which the new one starts.
    """
    start = day_of(new, "startDate")
    old["endDate"] = midnight_utc(start - timedelta(days=1))
    if at_once or start <= today:
        old["status"] = 0


def renew(
    data: AutotaskData,
    old: Record,
    *,
    new_id: int,
    today: date,
    at_once: bool = True,
    increase: Decimal = Decimal(0),
    values: Record | None = None,
) -> Record:
    """Renew a contract for a year, with its lines as they are on its last day.

    `increase` is added to the price of a unit of its first line; `values` are members of the new
    contract, its dates among them.
    """
    last_day = day_of(old, "endDate")
    fresh = {"startDate": midnight_utc(last_day + timedelta(days=1)), "endDate": None}
    new = deepcopy(old) | fresh | {"status": 1, "setupFee": Decimal(0)} | (values or {})
    new |= {"id": new_id, "renewedContractID": old["id"]}
    ends = months_on(day_of(new, "startDate"), 12) - timedelta(days=1)
    new["endDate"] = new["endDate"] or midnight_utc(ends)
    data.contracts[new_id] = new
    data.contracts_of[new["companyID"]].add(new_id)
    for line_id in list(data.lines_of[old["id"]]):
        line = data.lines[line_id]
        if plan := line.plan_on(last_day):  # it is still sold then
            _go_on(data, line, new, plan[0], plan[1] + increase)
            increase = Decimal(0)
    let_wizard_act(old, new, today, at_once=at_once)
    return new


def _go_on(data: AutotaskData, line: Line, new: Record, units: int, price: Decimal) -> None:
    """The same line in the new contract."""
    begins, ends, id_ = day_of(new, "startDate"), day_of(new, "endDate"), max(data.lines) + 1
    record = line.record | {"id": id_, "contractID": new["id"], "unitPrice": price}
    plan = [(begins, units, price)]
    data.lines[id_] = replace(line, id=id_, record=record, changes=plan, begins=begins, ends=ends)
    data.lines_of[new["id"]].append(id_)


def day_of(record: Record, name: str) -> date:
    """The calendar date of a member, as it is written there."""
    return date.fromisoformat(record[name][:10])
