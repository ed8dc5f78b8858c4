"""What is different from the last time that a person saw a figure, in words."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from agreements.decisions import choose
from agreements.models import AgreementLine
from agreements.since_shown import differences_since, note_shown
from audit_site.tenants.models import Tenant
from tests.agreements.known.moments import HOUR, NOON, sync
from tests.factories import make_line, make_member


def test_a_visit_is_compared_with_the_one_before(
    line: AgreementLine, tenant: Tenant, time_machine: Any
) -> None:
    user, company = make_member(tenant), line.agreement.company

    def look(minutes: int) -> Any:
        time_machine.move_to(NOON + timedelta(minutes=minutes), tick=False)
        return note_shown(company, user)

    assert look(0) is None
    assert look(20) is None
    assert look(60) == NOON + timedelta(minutes=20)
    assert look(61) == NOON + timedelta(minutes=20)
    assert look(120) == NOON + timedelta(minutes=60)
    assert note_shown(company, make_member(tenant)) is None


def test_the_difference_is_said_with_what_brought_it(
    line: AgreementLine, tenant: Tenant, time_machine: Any
) -> None:
    time_machine.move_to(NOON + HOUR, tick=False)
    sync(line, unit_price="3100")
    time_machine.move_to(NOON + 2 * HOUR, tick=False)

    found = differences_since(line.agreement.company, NOON + HOUR / 2)

    assert found is not None
    assert [(total.currency, total.amount) for total in found.totals] == [("USD", "+3,000.00")]
    assert [row.sentence for row in found.rows] == [
        "price of Managed Firewall USD 100.00 → 3,100.00 (read 15 Jun 13:00)"
    ]


def test_nothing_is_said_where_nothing_differs(
    line: AgreementLine, time_machine: Any, django_assert_num_queries: Any
) -> None:
    time_machine.move_to(NOON + 2 * HOUR, tick=False)

    with django_assert_num_queries(1):
        assert differences_since(line.agreement.company, NOON + HOUR) is None
    time_machine.move_to(NOON + 48 * HOUR, tick=False)
    assert differences_since(line.agreement.company, NOON + HOUR) is None


def test_what_came_what_went_and_what_was_decided(line: AgreementLine, time_machine: Any) -> None:
    make_line(line.agreement, quantity="1", unit_price="7", description="Antivirus")
    time_machine.move_to(NOON + HOUR, tick=False)
    sync(line)
    choose(agreement=line.agreement, line=line, actor=None, changes={"exclude": True}, note="x")

    found = differences_since(line.agreement.company, NOON + HOUR / 2)

    assert found is not None
    assert [total.amount for total in found.totals] == ["-93.00"]
    assert sorted(row.sentence for row in found.rows) == [
        "Antivirus is there (read 15 Jun 13:00)",
        "line left out by a decision of Managed Firewall no → yes (decided 15 Jun 13:00)",
    ]


def test_a_row_that_ended_by_its_dates_is_told_too(line: AgreementLine, time_machine: Any) -> None:
    time_machine.move_to(NOON + HOUR, tick=False)
    sync(line, end_date="2026-06-16")
    since = NOON + 2 * HOUR
    time_machine.move_to(NOON + 72 * HOUR, tick=False)

    found = differences_since(line.agreement.company, since)

    assert found is not None
    assert [total.amount for total in found.totals] == ["-100.00"]
    assert [row.sentence for row in found.rows] == [
        "MRR by its dates of Managed Firewall USD 100.00 → 0.00"
    ]
