"""A day passes: what starts or ends that day is stored again, and nothing else is touched."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import Any

from django.db import connection
from django.test.utils import CaptureQueriesContext

from agreements import stored_mrr
from agreements.models import AgreementLine, AgreementMrr, CompanyBook, CompanyMrr
from agreements.tasks import pass_days
from audit_site.tenants.models import Tenant
from integrations.models import Integration
from tests.factories import make_agreement, make_company, make_integration, make_line, make_tenant

NOON = datetime(2026, 6, 15, 12, 0, tzinfo=UTC)


def shown(tenant: Tenant) -> dict[str, list[str]]:
    """Stored MRR by company, as text."""
    found: dict[str, list[str]] = {}
    for row in CompanyMrr.objects.for_tenant(tenant).order_by("company__name", "currency"):
        found.setdefault(row.company.name, []).append(f"{row.exact} {row.currency}")
    return found


def all_equal(tenant: Tenant) -> bool:
    return not stored_mrr.verify([tenant.pk], mend=False)


def test_a_day_touches_only_what_starts_or_ends_that_day(
    tenant: Tenant, integration: Integration, time_machine: Any
) -> None:
    time_machine.move_to(NOON, tick=False)
    for number in range(20):
        make_agreement(make_company(tenant, name=f"Still {number:02}"), integration)
    ends = make_company(tenant, name="Ends")
    make_agreement(ends, integration, end_date=date(2026, 6, 15))
    begins = make_company(tenant, name="Begins")
    make_line(make_agreement(begins, integration, amount="0"), quantity="1",
                     unit_price="40", start_date=date(2026, 6, 16))  # fmt: skip
    stored_mrr.verify([tenant.pk], mend=True)
    assert shown(tenant)["Ends"] == ["100/1 USD"]
    assert "Begins" not in shown(tenant)

    time_machine.move_to(NOON + timedelta(days=1), tick=False)
    with CaptureQueriesContext(connection) as queries:
        passed = stored_mrr.pass_days()

    assert passed == 2
    assert "Ends" not in shown(tenant)
    assert shown(tenant)["Begins"] == ["40/1 USD"]
    assert all_equal(tenant)
    assert CompanyBook.objects.filter(computed_on=date(2026, 6, 16)).count() == 2
    assert len(queries) < 32
    assert stored_mrr.pass_days() == 0
    pass_days()  # as the clock calls it


def test_a_day_reads_no_line_of_an_agreement_whose_day_is_yet_to_come(
    tenant: Tenant, integration: Integration, time_machine: Any
) -> None:
    time_machine.move_to(NOON, tick=False)
    company = make_company(tenant, name="Both")
    make_agreement(company, integration, amount="30", end_date=date(2026, 6, 15))
    stays = make_agreement(company, integration, amount="7", end_date=date(2026, 12, 31))
    make_line(stays, quantity="2", unit_price="1.50", end_date=date(2026, 8, 31))
    stored_mrr.verify([tenant.pk], mend=True)
    assert shown(tenant) == {"Both": ["40/1 USD"]}
    days = AgreementMrr.objects.order_by("agreement").values_list("next_change", flat=True)
    assert list(days) == [date(2026, 6, 16), date(2026, 9, 1)]
    AgreementLine.objects.update(unit_price="99")  # where nobody notices

    time_machine.move_to(NOON + timedelta(days=1), tick=False)
    assert stored_mrr.pass_days() == 1

    assert shown(tenant) == {"Both": ["10/1 USD"]}
    assert CompanyBook.objects.get().next_change == date(2026, 9, 1)
    stored_mrr.verify([tenant.pk], mend=True)
    assert shown(tenant) == {"Both": ["205/1 USD"]}


def test_an_agreement_whose_days_are_not_known_is_worked_out(
    tenant: Tenant, integration: Integration, time_machine: Any
) -> None:
    """As one that a process of the last version stored while the new one was being put in place."""
    time_machine.move_to(NOON, tick=False)
    make_agreement(make_company(tenant, name="Ends"), integration, end_date=date(2026, 6, 15))
    forever = make_agreement(make_company(tenant, name="Forever"), integration)
    stored_mrr.verify([tenant.pk], mend=True)
    assert AgreementMrr.objects.get(agreement=forever).next_change == stored_mrr.NEVER
    AgreementMrr.objects.update(next_change=None)

    time_machine.move_to(NOON + timedelta(days=1), tick=False)

    assert stored_mrr.pass_days() == 1
    assert shown(tenant) == {"Forever": ["100/1 USD"]}


def test_a_day_passes_by_each_tenants_own_calendar(time_machine: Any, db: None) -> None:
    time_machine.move_to(datetime(2026, 7, 1, 3, 30, tzinfo=UTC), tick=False)
    there, here = make_tenant(timezone="America/Los_Angeles"), make_tenant(timezone="Europe/Paris")
    for tenant in (there, here):
        company = make_company(tenant, name="Ends")
        make_agreement(company, make_integration(tenant), end_date=date(2026, 6, 30))
        time_machine.move_to(datetime(2026, 6, 29, 12, 0, tzinfo=UTC), tick=False)
        stored_mrr.verify([tenant.pk], mend=True)
    time_machine.move_to(datetime(2026, 7, 1, 3, 30, tzinfo=UTC), tick=False)

    assert stored_mrr.pass_days() == 1

    assert (shown(there), shown(here)) == ({"Ends": ["100/1 USD"]}, {})


def test_a_day_passes_for_many_tenants_at_once(time_machine: Any, db: None) -> None:
    """As many queries for ten tenants as for two, and each tenant's book by its own currency."""
    time_machine.move_to(NOON, tick=False)
    tenants = [make_tenant(currency=currency) for currency in ("USD", "EUR") * 5]
    for number, tenant in enumerate(tenants, 1):
        company = make_company(tenant, name="Half")
        integration = make_integration(tenant)
        make_agreement(company, integration, currency="", amount=f"{number}")
        days = 0 if number <= 2 else 1
        make_agreement(company, integration, end_date=NOON.date() + timedelta(days=days))
        stored_mrr.verify([tenant.pk], mend=True)

    counts = []
    for days in (1, 2):
        time_machine.move_to(NOON + timedelta(days=days), tick=False)
        with CaptureQueriesContext(connection) as queries:
            counts.append((stored_mrr.pass_days(), len(queries)))

    assert [passed for passed, _ in counts] == [2, 8]
    assert counts[0][1] == counts[1][1]
    for number, tenant in enumerate(tenants, 1):
        assert shown(tenant) == {"Half": [f"{number}/1 {tenant.currency}"]}
        assert all_equal(tenant)
