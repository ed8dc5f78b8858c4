"""What a tenant's companies come to together is stored, and is what the engine computes."""

from __future__ import annotations

import random
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, date, datetime, timedelta
from fractions import Fraction
from typing import Any

import pytest
from django.db import connection

from agreements import books, mrr, stored_mrr
from agreements.decisions import choose
from agreements.figures import computed_figure, tenant_figure
from agreements.models import Agreement, CompanyAverage, TenantBook
from agreements.stored_mrr import refresh, settled_state
from agreements.versions import tenant_etag
from audit_site.db import walls
from audit_site.tenants.models import Tenant
from companies.models import Company, FiguresChange
from companies.services import archive_company, restore_company
from integrations.models import Integration
from tests.factories import make_agreement, make_company, make_integration, make_line, make_tenant
from tests.queries import queries

NOON = datetime(2026, 1, 20, 12, 0, tzinfo=UTC)
CYCLES = ("monthly", "quarterly", "annual", "weekly")


class History:
    """Random acts on a tenant's agreements, each as the product does it."""

    def __init__(self, seed: int, time_machine: Any) -> None:
        self._rng, self._clock, self._now = random.Random(seed), time_machine, NOON  # noqa: S311
        self._clock.move_to(NOON, tick=False)
        self.tenant = make_tenant(company_limit=100)
        self._integration = make_integration(self.tenant)
        for _ in range(3):
            self.company()

    def act(self) -> None:
        acts: list[Callable[[], None]] = [
            self.company, self.agreement, self.agreement, self.amount, self.end, self.end,
            self.choice, self.archive, self.restore, self.day, self.days, self.mark, self.zone,
        ]  # fmt: skip
        self._rng.choice(acts)()

    def company(self) -> None:
        self._add(make_company(self.tenant))

    def agreement(self) -> None:
        self._add(self._rng.choice(list(Company.objects.all())))

    def _add(self, company: Company) -> None:
        start = self._now.date() - timedelta(days=self._rng.randint(-90, 700))
        end = start + timedelta(days=self._rng.randint(0, 800))
        agreement = make_agreement(
            company, self._integration, start_date=start, cycle=self._rng.choice(CYCLES),
            currency=self._rng.choice(("USD", "USD", "JPY", "EUR")),
            end_date=self._rng.choice((None, end)), amount=str(self._rng.randint(-50, 900)),
        )  # fmt: skip
        line_end = start + timedelta(days=self._rng.randint(0, 400))
        make_line(
            agreement, quantity="3", unit_price=f"{self._rng.randint(0, 999)}.37",
            end_date=self._rng.choice((None, line_end)),
        )  # fmt: skip
        refresh(self.tenant, [company.pk])

    def _some(self) -> Agreement:
        return self._rng.choice(list(Agreement.objects.select_related("tenant", "company")))

    def amount(self) -> None:
        self._change(amount=str(self._rng.randint(0, 5000)))

    def end(self) -> None:
        self._change(end_date=self._now.date() + timedelta(days=self._rng.randint(-200, 200)))

    def _change(self, **values: Any) -> None:
        agreement = self._some()
        Agreement.objects.filter(pk=agreement.pk).update(**values)
        refresh(self.tenant, [agreement.company_id])

    def choice(self) -> None:
        agreement = self._some()
        excludes = self._rng.random() < 0.5
        choose(agreement=agreement, actor=None, changes={"exclude": excludes}, note="As agreed")

    def archive(self) -> None:
        archive_company(company=self._some().company, actor=None)

    def restore(self) -> None:
        restore_company(company=self._some().company, actor=None)

    def day(self) -> None:
        self._pass(1)

    def days(self) -> None:
        self._pass(self._rng.randint(2, 70))

    def _pass(self, days: int) -> None:
        self._now += timedelta(days=days)
        self._clock.move_to(self._now, tick=False)
        if self._rng.random() < 0.7:
            stored_mrr.pass_days()

    def mark(self) -> None:
        agreement = self._some()
        Agreement.objects.filter(pk=agreement.pk).update(cycle=self._rng.choice(CYCLES))
        stored_mrr.mark_stale(self.tenant, [agreement.company_id])

    def zone(self) -> None:
        Tenant.objects.filter(pk=self.tenant.pk).update(
            timezone=self._rng.choice(("UTC", "Pacific/Auckland", "America/Los_Angeles"))
        )
        self.tenant.refresh_from_db()
        stored_mrr.mark_all_stale(self.tenant)


@pytest.mark.parametrize("seed", range(12))
def test_after_any_history_what_is_stored_is_what_is_computed(
    seed: int, time_machine: Any, db: None
) -> None:
    history = History(seed, time_machine)

    for _ in range(25):
        history.act()
        tenant = history.tenant
        assert tenant_figure(tenant) == computed_figure(tenant, tenant.today())

    stored_mrr.pass_days()
    assert settled_state(tenant).holds(tenant.today())
    assert tenant_figure(tenant) == computed_figure(tenant, tenant.today())
    assert stored_averages(tenant) == computed_averages(tenant)
    assert not stored_mrr.verify([tenant.pk], mend=False)


Averages = dict[tuple[Any, str], tuple[Fraction, Fraction]]


def stored_averages(tenant: Tenant) -> Averages:
    """By company and currency, as of this month."""
    rows = CompanyAverage.objects.for_tenant(tenant).filter(company__status="active")
    assert {row.month for row in rows} <= {tenant.today().replace(day=1)}
    return {
        (row.company_id, row.currency): (Fraction(row.trailing12), Fraction(row.forward12))
        for row in rows
    }


def computed_averages(tenant: Tenant) -> Averages:
    found: Averages = {}
    for company in Company.objects.for_tenant(tenant).filter(status="active"):
        windows = mrr.averages(books.prepare_company(tenant, company.pk), tenant.today())
        exact = {name: {f.currency: f.exact for f in figures} for name, figures in windows.items()}
        trailing, forward = exact["trailing12"], exact["forward12"]
        for currency in trailing.keys() | forward.keys():
            both = trailing.get(currency, Fraction(0)), forward.get(currency, Fraction(0))
            found[company.pk, currency] = both
    return found


def test_reading_them_again_costs_one_statement_whatever_there_is(
    tenant: Tenant, integration: Integration
) -> None:
    for _ in range(30):
        make_agreement(make_company(tenant), integration)
    stored_mrr.verify([tenant.pk], mend=True)

    assert queries(lambda: tenant_figure(tenant)) == 1
    assert queries(lambda: tenant_etag(tenant)) == 1
    assert tenant_figure(tenant).companies == 30


def test_a_changed_month_is_stored_by_the_clock(
    tenant: Tenant, integration: Integration, time_machine: Any
) -> None:
    """The book itself is not worked out again: nothing in it changes on that day."""
    time_machine.move_to(NOON, tick=False)
    company = make_company(tenant)
    make_agreement(company, integration, amount="120", start_date=date(2026, 1, 1))
    stored_mrr.verify([tenant.pk], mend=True)
    assert tenant_figure(tenant).totals[0]["average"] == {
        "trailing12": "0.00", "forward12": "120.00",
    }  # fmt: skip

    time_machine.move_to(datetime(2026, 4, 1, 12, tzinfo=UTC), tick=False)

    assert stored_mrr.pass_days() == 0
    assert TenantBook.objects.get().month == date(2026, 4, 1)
    assert CompanyAverage.objects.get().trailing12 == "30/1"
    assert queries(lambda: tenant_figure(tenant)) == 1
    assert tenant_figure(tenant).totals[0]["average"] == {
        "trailing12": "30.00", "forward12": "120.00",
    }  # fmt: skip


def test_archiving_and_bringing_back_show_at_once(tenant: Tenant, integration: Integration) -> None:
    companies = [make_company(tenant) for _ in range(2)]
    for company in companies:
        make_agreement(company, integration, amount="10")
    etags = [tenant_etag(tenant)]
    assert [total["amount"] for total in tenant_figure(tenant).totals] == ["20.00"]

    archive_company(company=companies[0], actor=None)
    etags.append(tenant_etag(tenant))
    assert [total["amount"] for total in tenant_figure(tenant).totals] == ["10.00"]
    assert tenant_figure(tenant).companies == 1

    restore_company(company=companies[0], actor=None)
    etags.append(tenant_etag(tenant))
    assert [total["amount"] for total in tenant_figure(tenant).totals] == ["20.00"]
    assert len({*etags}) == 3


def test_a_sum_that_is_wrong_is_told_and_mended(tenant: Tenant, integration: Integration) -> None:
    make_agreement(make_company(tenant), integration, amount="10")
    stored_mrr.verify([tenant.pk], mend=True)
    TenantBook.objects.update(companies=7)

    assert stored_mrr.verify([tenant.pk], mend=False)[tenant.pk].rows == 1
    assert tenant_figure(tenant).companies == 7
    assert stored_mrr.verify([tenant.pk], mend=True)[tenant.pk].rows == 1
    assert tenant_figure(tenant).companies == 1
    assert not stored_mrr.verify([tenant.pk], mend=False)


def test_an_average_that_is_wrong_is_told_and_mended(
    tenant: Tenant, integration: Integration
) -> None:
    company = make_company(tenant)
    make_agreement(company, integration, amount="10")
    stored_mrr.verify([tenant.pk], mend=True)
    CompanyAverage.objects.update(forward12="3/1")

    found = stored_mrr.verify([tenant.pk], mend=True)[tenant.pk]

    assert (found.rows, found.companies) == (1, {str(company.pk)})
    assert CompanyAverage.objects.get().forward12 == "10/1"
    assert tenant_figure(tenant).totals[0]["average"]["forward12"] == "10.00"


def test_another_tenants_change_changes_nothing_here(
    tenant: Tenant, integration: Integration
) -> None:
    make_agreement(make_company(tenant), integration, amount="10")
    etag, figure = tenant_etag(tenant), tenant_figure(tenant)
    etag = tenant_etag(tenant)
    other = make_tenant()
    company = make_company(other)
    make_agreement(company, make_integration(other), amount="99")

    refresh(other, [company.pk])
    archive_company(company=company, actor=None)

    assert (tenant_etag(tenant), tenant_figure(tenant)) == (etag, figure)
    assert FiguresChange.objects.for_tenant(tenant).count() == 0


@pytest.mark.django_db(transaction=True)
def test_readers_and_writers_at_once_leave_the_sum_right() -> None:
    tenant = make_tenant(company_limit=50)
    integration = make_integration(tenant)
    companies = [make_company(tenant) for _ in range(4)]
    for company in companies:
        make_agreement(company, integration, amount="1")
    begin = threading.Barrier(6)

    def write(company: Company) -> None:
        begin.wait()
        with walls.within(tenant.pk):
            for amount in range(2, 7):
                Agreement.objects.filter(company=company).update(amount=str(amount))
                refresh(tenant, [company.pk])
        connection.close()

    def read(_: int) -> None:
        begin.wait()
        with walls.within(tenant.pk):
            for _ in range(8):
                tenant_figure(tenant)
        connection.close()

    with ThreadPoolExecutor(6) as pool:
        jobs = [pool.submit(write, company) for company in companies]
        jobs += [pool.submit(read, number) for number in range(2)]
        for job in jobs:
            job.result()

    assert [total["amount"] for total in tenant_figure(tenant).totals] == ["24.00"]
    assert tenant_figure(tenant) == computed_figure(tenant, tenant.today())
    assert not stored_mrr.verify([tenant.pk], mend=False)
