"""What is gone from the PSA stops counting, and the months before stay what they were."""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import Any

import pytest

from agreements import mrr, stored_mrr
from agreements.figures import company_figure, tenant_parts
from agreements.models import Agreement, AgreementLine
from audit_site.tenants.models import Tenant
from companies.models import Company
from integrations.models import Integration
from tests.factories import make_agreement, make_company, make_line

JUNE = {"start_date": date(2026, 6, 1), "end_date": date(2026, 6, 30)}


@pytest.fixture
def company(tenant: Tenant) -> Company:
    return make_company(tenant)


def noon(month: int, day: int) -> datetime:
    return datetime(2026, month, day, 12, 0, tzinfo=UTC)


def earned(tenant: Tenant, month: int) -> list[str]:
    return [
        figure.amount
        for figure in mrr.recognized(tenant_parts(tenant)[0].book, date(2026, month, 1))
    ]


@pytest.mark.parametrize(
    ("dates", "gone_at", "may_june_july"),
    [
        (JUNE, noon(7, 25), ["500.00", "500.00", "500.00"]),
        (JUNE, noon(6, 16), ["500.00", "500.00", "500.00"]),
        ({"start_date": date(2026, 6, 1)}, noon(6, 16), ["500.00", "950.00", "500.00"]),
        ({**JUNE, "end_date": date(2026, 7, 2)}, noon(6, 16), ["500.00", "950.00", "500.00"]),
        ({}, noon(6, 16), ["1400.00", "950.00", "500.00"]),
    ],
    ids=["a setup fee", "one in its month", "no end", "longer than a month", "no dates"],
)
def test_a_line_that_is_gone_leaves_the_past_as_it_was(
    company: Company,
    integration: Integration,
    time_machine: Any,
    dates: dict[str, date],
    gone_at: datetime,
    may_june_july: list[str],
) -> None:
    time_machine.move_to(noon(7, 25), tick=False)
    agreement = make_agreement(company, integration, amount="500")
    make_line(agreement, quantity="1", unit_price="900", **dates)

    AgreementLine.objects.update(gone_at=gone_at)

    assert [earned(company.tenant, month) for month in (5, 6, 7)] == [
        [amount] for amount in may_june_july
    ]


def test_a_line_that_is_gone_stays_the_neighbour_that_it_was(
    company: Company, integration: Integration, time_machine: Any
) -> None:
    time_machine.move_to(noon(7, 25), tick=False)
    agreement = make_agreement(company, integration, amount="0")
    make_line(agreement, quantity="20", unit_price="22", product="M365", **JUNE)
    later = make_line(
        agreement, quantity="23", unit_price="22", product="M365", start_date=date(2026, 7, 1)
    )
    assert earned(company.tenant, 6) == ["440.00"]

    AgreementLine.objects.filter(pk=later.pk).update(gone_at=noon(7, 1))

    assert (earned(company.tenant, 6), earned(company.tenant, 7)) == (["440.00"], [])


def test_a_line_that_is_gone_before_it_starts_has_ended(
    company: Company, integration: Integration, time_machine: Any
) -> None:
    time_machine.move_to(noon(6, 15), tick=False)
    make_line(make_agreement(company, integration, amount="0"), start_date=date(2026, 7, 1),
                     gone_at=noon(6, 10))  # fmt: skip

    (entry,) = company_figure(company).ledger

    assert entry.reason == "line_ended"
    assert entry.sentence == "Left out: the line ended; its last day was 2026-06-09."
    assert earned(company.tenant, 7) == []


@pytest.mark.parametrize(
    ("over", "june"),
    [
        ({}, ["50.00"]),
        ({"cancelled": None}, ["50.00"]),
        ({"cancelled_date": date(2026, 6, 3)}, ["50.00"]),
        ({"cancelled": True, "cancelled_date": date(2026, 6, 3)}, ["10.00"]),
        ({"cancelled": True, "cancelled_date": date(2026, 8, 31)}, ["50.00"]),
        ({"cancelled": True}, []),
    ],
    ids=["open", "unknown", "stale date", "cancelled before", "cancelled later", "no date"],
)
def test_an_agreement_that_is_gone_leaves_the_past_as_it_was(
    company: Company,
    integration: Integration,
    time_machine: Any,
    over: dict[str, Any],
    june: list[str],
) -> None:
    time_machine.move_to(noon(7, 25), tick=False)
    make_agreement(company, integration, **over)
    before = earned(company.tenant, 5)

    Agreement.objects.update(gone_at=noon(6, 16))

    assert earned(company.tenant, 5) == before
    assert earned(company.tenant, 6) == june
    assert earned(company.tenant, 7) == []
    stored_mrr.refresh(company.tenant, [company.pk])
    assert not stored_mrr.verify([company.tenant_id], mend=False)


def test_what_is_gone_is_nobodys_neighbour_months_later(
    company: Company, integration: Integration, time_machine: Any
) -> None:
    time_machine.move_to(noon(6, 16), tick=False)
    agreement = make_agreement(company, integration, amount="500")
    onboarding = {"product": "Onboarding", "quantity": "1"}
    make_line(agreement, external_id="1", unit_price="10", start_date=date(2026, 1, 1),
              gone_at=noon(3, 1), **onboarding)  # fmt: skip
    make_line(agreement, external_id="2", unit_price="450", **JUNE, **onboarding)

    assert [total["amount"] for total in company_figure(company).totals] == ["500.00"]
