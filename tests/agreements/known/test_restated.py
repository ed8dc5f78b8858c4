"""What became known between two moments is a class of its own in the movement, row by row."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import uuid4

import pytest
from rest_framework.test import APIClient

from agreements import stored_mrr
from agreements.causes import caused_by
from agreements.decisions import choose
from agreements.models import Agreement, AgreementLine
from audit_site.tenants.models import Tenant
from companies import services
from tests.agreements.known.moments import HOUR, NOON, sync, text
from tests.clients import V1, problem
from tests.factories import make_agreement, make_company, make_line

DAYS = {"from": "2026-06-01", "to": "2026-07-01"}


def bridge(api: APIClient, known_from: datetime, known_to: datetime, **more: str) -> Any:
    query = {**DAYS, "known_from": text(known_from), "known_to": text(known_to), **more}
    answer = api.get(f"{V1}/mrr/movement/", query)
    assert answer.status_code == 200, answer.json()
    (found,) = answer.json()["currencies"]
    return found


def amounts(found: Any) -> list[str]:
    names = ("opening", "restated", "new", "expansion", "contraction", "churn", "closing")
    return [found[name] for name in names]


def test_a_price_that_was_read_otherwise_is_restated(
    line: AgreementLine, api: APIClient, time_machine: Any
) -> None:
    run = uuid4()
    time_machine.move_to(NOON + HOUR, tick=False)
    sync(line, run, unit_price="3100")
    time_machine.move_to(NOON + 2 * HOUR, tick=False)

    found = bridge(api, NOON, NOON + HOUR)

    assert amounts(found) == ["150.00", "3000.00", "0.00", "0.00", "0.00", "0.00", "3150.00"]
    assert found["rounding_difference"] == "0.00"
    row_id = f"connectwise:{line.agreement.external_id}:line:{line.external_id}"
    assert found["companies"] == [
        {
            "company": str(line.agreement.company_id),
            "class": "restated",
            "amount": "3000.00",
            "rows": [
                {
                    "row_id": row_id,
                    "field": "unit_price",
                    "before": "100",
                    "after": "3100",
                    "name": "Managed Firewall",
                    "mrr_before": "100.00",
                    "mrr_after": "3100.00",
                    "run": str(run),
                    "at": text(NOON + HOUR),
                    "cause": "sync",
                }
            ],
        }
    ]


def test_of_many_changes_that_is_named_which_brought_the_last_value(
    line: AgreementLine, api: APIClient, time_machine: Any
) -> None:
    for hours, values in (
        (1, {"unit_price": "200"}),
        (2, {"unit_price": "300"}),
        (3, {"quantity": "2"}),
    ):
        time_machine.move_to(NOON + hours * HOUR, tick=False)
        sync(line, **values)
    time_machine.move_to(NOON + 9 * HOUR, tick=False)

    found = bridge(api, NOON, NOON + 9 * HOUR)

    (company,) = found["companies"]
    assert company["amount"] == found["restated"] == "500.00"
    shown = [(row["field"], row["before"], row["after"], row["at"]) for row in company["rows"]]
    assert shown == [
        ("quantity", "1", "2", text(NOON + 3 * HOUR)),
        ("unit_price", "100", "300", text(NOON + 2 * HOUR)),
    ]
    both = {(row["mrr_before"], row["mrr_after"]) for row in company["rows"]}
    assert both == {("100.00", "600.00")}


def test_a_movement_is_no_restatement(
    line: AgreementLine, api: APIClient, time_machine: Any
) -> None:
    time_machine.move_to(NOON + HOUR, tick=False)
    sync(line, end_date="2026-06-20")
    time_machine.move_to(NOON + 2 * HOUR, tick=False)

    found = bridge(api, NOON, NOON + HOUR)

    assert amounts(found) == ["150.00", "0.00", "0.00", "0.00", "-100.00", "0.00", "50.00"]
    assert [company["class"] for company in found["companies"]] == ["contraction"]


def test_what_is_removed_for_all_days_is_restated_and_no_churn(
    line: AgreementLine, api: APIClient, time_machine: Any
) -> None:
    """As the undoing of a link leaves it."""
    company = line.agreement.company
    time_machine.move_to(NOON + HOUR, tick=False)
    Agreement.objects.filter(pk=line.agreement_id).delete()
    with caused_by("undo_link", actor=api.user):
        stored_mrr.refresh(company.tenant, [company.pk])
    time_machine.move_to(NOON + 2 * HOUR, tick=False)

    found = bridge(api, NOON, NOON + HOUR)

    assert amounts(found) == ["150.00", "-150.00", "0.00", "0.00", "0.00", "0.00", "0.00"]
    (restated,) = found["companies"]
    shown = [(row["field"], row["before"], row["after"]) for row in restated["rows"]]
    assert sorted(shown) == [("row", "Backup", None), ("row", "Managed Firewall", None)]
    assert {(row["at"], row["cause"]) for row in restated["rows"]} == {
        (text(NOON + HOUR), "undo_link")
    }
    then = api.get(f"{V1}/companies/{company.pk}/mrr/", {"known_at": text(NOON)}).json()
    assert [money["amount"] for money in then["totals"]] == ["150.00"]


def test_a_decision_is_restated_for_the_days_that_it_is_about(
    line: AgreementLine, api: APIClient, time_machine: Any
) -> None:
    time_machine.move_to(NOON + HOUR, tick=False)
    choose(agreement=line.agreement, line=line, actor=None, changes={"exclude": True}, note="x")
    time_machine.move_to(NOON + 2 * HOUR, tick=False)

    (company,) = bridge(api, NOON, NOON + HOUR)["companies"]

    assert [(row["field"], row["before"], row["after"]) for row in company["rows"]] == [
        ("line_exclude", "false", "true")
    ]
    assert [row["cause"] for row in company["rows"]] == ["choice"]


def test_a_currency_that_changed_leaves_one_bridge_for_another(
    line: AgreementLine, api: APIClient, time_machine: Any
) -> None:
    time_machine.move_to(NOON + HOUR, tick=False)
    Agreement.objects.filter(pk=line.agreement_id).update(currency="EUR")
    sync(line)
    time_machine.move_to(NOON + 2 * HOUR, tick=False)
    query = {**DAYS, "known_from": text(NOON), "known_to": text(NOON + HOUR)}

    found = api.get(f"{V1}/mrr/movement/", query).json()["currencies"]

    assert [(one["currency"], *amounts(one)) for one in found] == [
        ("EUR", "0.00", "150.00", "0.00", "0.00", "0.00", "0.00", "150.00"),
        ("USD", "150.00", "-150.00", "0.00", "0.00", "0.00", "0.00", "0.00"),
    ]
    assert [company["amount"] for one in found for company in one["companies"]] == [
        "150.00",
        "-150.00",
    ]


def test_what_is_inherited_is_restated_by_its_parents_cycle(
    line: AgreementLine, api: APIClient, tenant: Tenant, time_machine: Any
) -> None:
    integration = line.agreement.integration
    parent = make_agreement(make_company(tenant), integration, external_id="P", amount="0")
    child = make_agreement(
        make_company(tenant), integration, cycle=None, amount="120", parent_external_id="P"
    )
    stored_mrr.refresh(tenant, [parent.company_id, child.company_id])
    Agreement.objects.filter(pk=parent.pk).update(cycle="annual")
    time_machine.move_to(NOON + HOUR, tick=False)
    stored_mrr.refresh(tenant, [parent.company_id])
    time_machine.move_to(NOON + 2 * HOUR, tick=False)

    found = bridge(api, NOON, NOON + HOUR)

    assert amounts(found)[:2] == ["270.00", "-110.00"]
    (company,) = found["companies"]
    shown = [(row["field"], row["before"], row["after"], row["at"]) for row in company["rows"]]
    assert shown == [("settled_cycle", "monthly", "annual", text(NOON + HOUR))]


def test_an_archived_company_is_restated_as_a_whole(
    line: AgreementLine, api: APIClient, time_machine: Any
) -> None:
    time_machine.move_to(NOON + HOUR, tick=False)
    services.archive_company(company=line.agreement.company, actor=None)
    time_machine.move_to(NOON + 2 * HOUR, tick=False)

    found = bridge(api, NOON, NOON + 2 * HOUR)

    assert amounts(found) == ["150.00", "-150.00", "0.00", "0.00", "0.00", "0.00", "0.00"]
    rows = [row for company in found["companies"] for row in company["rows"]]
    assert {(row["field"], row["before"], row["after"], row["at"]) for row in rows} == {
        ("company", "active", "archived", text(NOON + HOUR))
    }


def test_printed_parts_of_a_restated_bridge_miss_its_closing_by_what_is_said(
    line: AgreementLine, api: APIClient, time_machine: Any
) -> None:
    make_line(line.agreement, quantity="1", unit_price="0.004")
    time_machine.move_to(NOON + HOUR, tick=False)
    sync(line)
    time_machine.move_to(NOON + 2 * HOUR, tick=False)
    sync(line, unit_price="100.004")
    time_machine.move_to(NOON + 3 * HOUR, tick=False)

    found = bridge(api, NOON + HOUR, NOON + 2 * HOUR)

    names = ("opening", "restated", "closing", "rounding_difference")
    assert [found[name] for name in names] == ["150.00", "0.00", "150.01", "0.01"]


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ({"known_from": NOON + HOUR, "known_to": NOON}, "known_to"),
        ({"known_at": NOON, "known_to": NOON}, "known_at"),
        ({"known_from": NOON + 9 * HOUR}, "known_from"),
    ],
)
def test_moments_that_do_not_fit_are_a_400_at_their_field(
    line: AgreementLine, api: APIClient, time_machine: Any, query: Any, field: str
) -> None:
    time_machine.move_to(NOON + 2 * HOUR, tick=False)
    moments = {name: text(at) for name, at in query.items()}

    answer = api.get(f"{V1}/mrr/movement/", {**DAYS, **moments})

    assert problem(answer) == (400, "invalid_parameter")
    assert [error["field"] for error in answer.json()["errors"]] == [field]


def test_a_movement_as_known_at_one_moment_restates_nothing(
    line: AgreementLine, api: APIClient, time_machine: Any
) -> None:
    plain = api.get(f"{V1}/mrr/movement/", DAYS).json()["currencies"]
    time_machine.move_to(NOON + HOUR, tick=False)
    sync(line, unit_price="3100")

    known = api.get(f"{V1}/mrr/movement/", {**DAYS, "known_at": text(NOON)}).json()

    (found,) = known["currencies"]
    assert found.pop("restated") == "0.00"
    assert [found] == plain
    assert (known["known_from"], known["known_to"]) == (text(NOON), text(NOON))
