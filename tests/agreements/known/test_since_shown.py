"""What is different from the last time that a person saw a figure, in words."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.http import QueryDict
from django.utils import timezone

from agreements import stored_mrr
from agreements.decisions import choose
from agreements.figures import CompanyFigure
from agreements.looks import note_taken
from agreements.models import AgreementLine
from agreements.since_shown import Differences, Shown, differences_since
from agreements.web.asked_days import Days
from agreements.web.company_mrr import figure_as_asked, what_is_new
from audit_site.tenants.models import Tenant, User
from companies.models import Company
from tests.agreements.known.moments import HOUR, NOON, sync
from tests.factories import (
    make_agreement,
    make_company,
    make_integration,
    make_line,
    make_member,
)


class Visitor:
    """A person who looks at a company's figure so many minutes after noon."""

    def __init__(self, user: User, company: Company, clock: Any) -> None:
        self.user, self.company, self.clock = user, company, clock

    def at(self, minutes: int) -> None:
        self.clock.move_to(NOON + timedelta(minutes=minutes), tick=False)

    def figure(self) -> CompanyFigure:
        return figure_as_asked(self.company, Days.of(QueryDict(), self.company.tenant))

    def looks(self, minutes: int) -> tuple[list[str], int] | None:
        """What they are told: the amounts, and since how many minutes after noon."""
        self.at(minutes)
        return self.told_beside(self.figure())

    def told_beside(self, figure: CompanyFigure) -> tuple[list[str], int] | None:
        found = what_is_new(self.company, self.user, figure)
        if found is None:
            return None
        minutes = (found.since - NOON) // timedelta(minutes=1)
        return [total.amount for total in found.totals], minutes

    def takes_away(self, minutes: int) -> None:
        self.at(minutes)
        note_taken(self.company, self.user, self.figure())


@pytest.fixture
def sal(line: AgreementLine, tenant: Tenant, time_machine: Any) -> Visitor:
    return Visitor(make_member(tenant), line.agreement.company, time_machine)


def test_a_visit_is_compared_with_the_first_figure_of_the_one_before(
    line: AgreementLine, sal: Visitor
) -> None:
    assert sal.looks(0) is None
    sal.at(5)
    sync(line, unit_price="300")

    assert sal.looks(10) == (["+200.00"], 0)  # it changed within the visit
    assert sal.looks(25) == (["+200.00"], 0)
    assert sal.looks(60) == (["+200.00"], 0)  # a new visit
    assert sal.looks(61) == (["+200.00"], 0)
    assert sal.looks(120) is None
    assert Visitor(make_member(line.tenant), sal.company, sal.clock).looks(121) is None


def test_what_becomes_known_between_a_figure_and_its_note_is_told_next_time(
    line: AgreementLine, sal: Visitor
) -> None:
    figure = sal.figure()
    sal.at(1)
    sync(line, unit_price="300")

    assert sal.told_beside(figure) is None
    assert sal.looks(60) == (["+200.00"], 1)
    found = what_is_new(sal.company, sal.user, sal.figure())
    assert found is not None
    assert found.query == "as_of=2026-06-15&known=2026-06-15T12%3A00%3A00Z"  # not what came unseen


def test_a_figure_that_is_taken_away_was_seen_and_hides_nothing_that_nobody_was_told(
    line: AgreementLine, sal: Visitor
) -> None:
    assert sal.looks(0) is None
    sal.takes_away(60)
    sal.at(90)
    sync(line, unit_price="300")
    assert sal.looks(120) == (["+200.00"], 60)  # since the file

    sal.at(150)
    sync(line, unit_price="400")
    sal.takes_away(180)
    sal.at(190)
    sync(line, unit_price="500")

    assert sal.looks(240) == (["+200.00"], 120)  # since what was told last


def test_what_was_never_known_is_told_once_it_is(tenant: Tenant, time_machine: Any) -> None:
    time_machine.move_to(NOON, tick=False)
    company = make_company(tenant)
    sal = Visitor(make_member(tenant), company, time_machine)
    assert sal.looks(0) is None

    sal.at(30)
    make_agreement(company, make_integration(tenant), amount="70")
    stored_mrr.refresh(tenant, [company.pk])

    assert sal.looks(60) == (["+70.00"], 0)


def _since(company: Company, moment: Any) -> Differences | None:
    """What is different from all that was known at a moment."""
    figure = figure_as_asked(company, Days.of(QueryDict(), company.tenant))
    return differences_since(company, Shown(moment, None), Shown(timezone.now(), figure.known_from))


def test_the_difference_is_said_with_what_brought_it(
    line: AgreementLine, tenant: Tenant, time_machine: Any
) -> None:
    time_machine.move_to(NOON + HOUR, tick=False)
    sync(line, unit_price="3100")
    time_machine.move_to(NOON + 2 * HOUR, tick=False)

    found = _since(line.agreement.company, NOON + HOUR / 2)

    assert found is not None
    assert [(total.currency, total.amount) for total in found.totals] == [("USD", "+3,000.00")]
    assert [row.sentence for row in found.rows] == [
        "price of Managed Firewall USD 100.00 → 3,100.00 (read 15 Jun 13:00)"
    ]


def test_nothing_is_said_where_nothing_differs(
    line: AgreementLine, time_machine: Any, django_assert_num_queries: Any
) -> None:
    time_machine.move_to(NOON + 2 * HOUR, tick=False)

    company = line.agreement.company
    with django_assert_num_queries(0):
        now = Shown(NOON + 2 * HOUR, NOON)
        assert differences_since(company, Shown(NOON + HOUR, NOON), now) is None
    time_machine.move_to(NOON + 48 * HOUR, tick=False)
    assert _since(line.agreement.company, NOON + HOUR) is None


def test_what_came_what_went_and_what_was_decided(line: AgreementLine, time_machine: Any) -> None:
    make_line(line.agreement, quantity="1", unit_price="7", description="Antivirus")
    time_machine.move_to(NOON + HOUR, tick=False)
    sync(line)
    choose(agreement=line.agreement, line=line, actor=None, changes={"exclude": True}, note="x")

    found = _since(line.agreement.company, NOON + HOUR / 2)

    assert found is not None
    assert [total.amount for total in found.totals] == ["-93.00"]
    assert sorted(row.sentence for row in found.rows) == [
        "Antivirus is there (read 15 Jun 13:00)",
        "Managed Firewall is left out by a decision (decided 15 Jun 13:00)",
    ]


def test_what_a_renewal_ends_is_said_once(line: AgreementLine, time_machine: Any) -> None:
    older = line.agreement
    time_machine.move_to(NOON + HOUR, tick=False)
    make_agreement(older.company, older.integration, name="Newer", start_date="2026-06-01",
                   renews_external_ids=[older.external_id], amount="150")  # fmt: skip
    stored_mrr.refresh(older.tenant, [older.company_id])

    found = _since(older.company, NOON + HOUR / 2)

    assert found is not None
    assert [row.sentence.partition(" (")[0] for row in found.rows] == [
        "Managed Firewall is left out: replaced by its renewal",
        "Backup is left out: replaced by its renewal",
        "Newer is there",
    ]


def test_a_row_that_ended_by_its_dates_is_told_too(line: AgreementLine, time_machine: Any) -> None:
    time_machine.move_to(NOON + HOUR, tick=False)
    sync(line, end_date="2026-06-16")
    since = NOON + 2 * HOUR
    time_machine.move_to(NOON + 72 * HOUR, tick=False)

    found = _since(line.agreement.company, since)

    assert found is not None
    assert [total.amount for total in found.totals] == ["-100.00"]
    assert [row.sentence for row in found.rows] == [
        "MRR by its dates of Managed Firewall USD 100.00 → 0.00"
    ]
