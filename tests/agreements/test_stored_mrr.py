"""What is stored of MRR is what the engine computes, whatever happens."""

from __future__ import annotations

import io
import json
import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, date, datetime, timedelta
from fractions import Fraction
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db import connection
from django.test.utils import CaptureQueriesContext

from agreements import stored_mrr
from agreements.decisions import choose
from agreements.figures import company_figure, company_totals, tenant_book
from agreements.models import Agreement, AgreementLine, AgreementMrr, CompanyBook, CompanyMrr
from agreements.mrr.money import exact_text
from agreements.overview import currency_books, ending_soon
from agreements.tasks import pass_days
from agreements.versions import company_etag
from audit_site.tenants.models import Tenant
from companies.models import Company
from integrations.models import Integration
from integrations.sandbox.server import SandboxServer
from tests.factories import make_agreement, make_company, make_integration, make_line, make_tenant
from tests.integrations.test_sync import import_all, sync

NOON = datetime(2026, 6, 15, 12, 0, tzinfo=UTC)


@pytest.fixture
def integration(tenant: Tenant) -> Integration:
    return make_integration(tenant)


def shown(tenant: Tenant) -> dict[str, list[str]]:
    """Stored MRR by company, as text."""
    found: dict[str, list[str]] = {}
    for row in CompanyMrr.objects.for_tenant(tenant).order_by("company__name", "currency"):
        found.setdefault(row.company.name, []).append(f"{row.exact} {row.currency}")
    return found


def all_equal(tenant: Tenant) -> bool:
    return not stored_mrr.verify([tenant.pk], mend=False)


def test_a_sync_leaves_everything_stored_as_computed(
    connected: Integration, sandbox: SandboxServer
) -> None:
    companies = import_all(connected)
    tenant = connected.tenant

    assert all_equal(tenant)
    assert CompanyMrr.objects.count() > 10
    for company in Company.objects.all():
        figure = company_figure(company)
        rows = {r.agreement_id: r for r in AgreementMrr.objects.filter(company=company)}
        assert {pk: (row.amount, row.included, row.reason) for pk, row in rows.items()} == {
            row.agreement.pk: (row.summary.mrr, row.summary.included, row.summary.reason or "")
            for row in figure.agreements
        }
    assert len(companies) == CompanyBook.objects.count()

    line = AgreementLine.objects.filter(agreement__stored_mrr__included=True).order_by("id")[0]
    sandbox.psas["connectwise"].change(
        {"do": "change", "kind": "additions", "id": line.external_id,
         "values": {"unitPrice": 4321.5, "billedQuantity": 3.0}}
    )  # fmt: skip
    before = shown(tenant)
    sync(connected)

    assert shown(tenant) != before
    assert all_equal(tenant)


def test_a_sync_that_changes_nothing_writes_no_stored_row(connected: Integration) -> None:
    import_all(connected)
    before = list(CompanyBook.objects.order_by("id").values_list("version", "updated_at"))

    sync(connected)

    assert list(CompanyBook.objects.order_by("id").values_list("version", "updated_at")) == before


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
    assert len(queries) < 25
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
    AgreementLine.objects.update(unit_price="99")  # behind everyone's back

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


def test_a_book_that_can_not_be_worked_out_holds_no_other_up(
    time_machine: Any, caplog: pytest.LogCaptureFixture, db: None
) -> None:
    time_machine.move_to(NOON, tick=False)
    tenants = [make_tenant() for _ in range(3)]
    for tenant in tenants:
        company = make_company(tenant, name="Ends")
        integration = make_integration(tenant)
        make_agreement(company, integration, end_date=date(2026, 6, 15))
        make_line(
            make_agreement(company, integration, amount="7", start_date=date(2026, 6, 16)),
            quantity="1", unit_price="5",
        )  # fmt: skip
        stored_mrr.verify([tenant.pk], mend=True)
    bad = tenants[1]
    AgreementLine.objects.for_tenant(bad).update(units="no list")  # behind everyone's back

    time_machine.move_to(NOON + timedelta(days=1), tick=False)
    passed = stored_mrr.pass_days()

    assert passed == 2
    assert [shown(tenant) for tenant in tenants] == [
        {"Ends": ["12/1 USD"]}, {"Ends": ["100/1 USD"]}, {"Ends": ["12/1 USD"]},
    ]  # fmt: skip
    left = Company.objects.for_tenant(bad).get()
    errors = [record.getMessage() for record in caplog.records if record.levelname == "ERROR"]
    assert errors == [f"MRR of company {left.pk} could not be worked out"]
    AgreementLine.objects.for_tenant(bad).update(units=None)
    assert stored_mrr.pass_days() == 1
    assert shown(bad) == {"Ends": ["12/1 USD"]}
    assert all(all_equal(tenant) for tenant in tenants)


@pytest.mark.parametrize(
    ("over", "line"),
    [
        ({"amount": "1e5000"}, {}),
        ({"amount": "1e-5000"}, {}),
        ({"amount": "9" * 130}, {}),
        ({"amount": "0"}, {"quantity": "1e5000"}),
        ({"amount": "0"}, {"quantity": "1e70", "unit_price": "1e70"}),
        ({"amount": "0"}, {"quantity": None, "units": [{"units": "1e5000", "unit_price": "1"}]}),
        ({"amount": "0"}, {"quantity": None, "units": [{"amount": "1e5000"}]}),
    ],
)
def test_a_number_beyond_reason_is_no_amount(
    tenant: Tenant, integration: Integration, over: Any, line: Any
) -> None:
    company = make_company(tenant, name="Absurd")
    agreement = make_agreement(company, integration, **over)
    if line:
        make_line(agreement, **line)
    stored_mrr.refresh(tenant, [company.pk])

    (entry,) = company_figure(company).ledger

    assert (entry.reason, entry.mrr) == ("invalid_amount", "0.00")
    assert shown(tenant) == {}
    assert all_equal(tenant)


def test_a_list_never_shows_yesterdays_figure(
    tenant: Tenant, integration: Integration, time_machine: Any
) -> None:
    """Also in the minutes between midnight and the pass that stores the new day."""
    time_machine.move_to(NOON, tick=False)
    company = make_company(tenant)
    make_agreement(company, integration, end_date=date(2026, 6, 15))
    stored_mrr.verify([tenant.pk], mend=True)
    money = [{"currency": "USD", "amount": "100.00"}]
    assert company_totals(tenant, [company.pk]) == {company.pk: money}

    time_machine.move_to(NOON + timedelta(days=1), tick=False)

    assert company_totals(tenant, [company.pk]) == {company.pk: []}
    assert company_totals(tenant, [company.pk], date(2026, 6, 15)) == {company.pk: money}


def test_a_parents_new_cycle_reaches_the_children_of_another_company(
    tenant: Tenant, integration: Integration
) -> None:
    parent = make_agreement(make_company(tenant, name="Parent"), integration, external_id="P")
    child = make_company(tenant, name="Child")
    make_agreement(child, integration, cycle=None, amount="120", parent_external_id="P")
    stored_mrr.verify([tenant.pk], mend=True)
    assert shown(tenant)["Child"] == ["120/1 USD"]

    Agreement.objects.filter(pk=parent.pk).update(cycle="annual")
    stored_mrr.refresh(tenant, [parent.company_id])

    assert shown(tenant)["Child"] == ["10/1 USD"]


def test_a_marked_book_shows_no_old_figure_and_is_worked_out_in_the_end(
    tenant: Tenant, integration: Integration
) -> None:
    """As a sync leaves it between its pages, or for good when nobody goes on with it."""
    parent_company = make_company(tenant, name="Parent")
    parent = make_agreement(parent_company, integration, external_id="P", amount="60")
    child = make_company(tenant, name="Child")
    make_agreement(child, integration, cycle=None, amount="120", parent_external_id="P")
    make_agreement(make_company(tenant, name="Other"), integration, amount="5")
    stored_mrr.verify([tenant.pk], mend=True)
    etags = [company_etag(company) for company in (parent_company, child)]
    Agreement.objects.filter(pk=parent.pk).update(cycle="annual")

    stored_mrr.mark_stale(tenant, [parent_company.pk])

    for company, etag, amount in zip(
        (parent_company, child), etags, ("5.00", "10.00"), strict=True
    ):
        assert company_etag(company) != etag
        money = [{"currency": "USD", "amount": amount}]
        assert company_totals(tenant, [company.pk]) == {company.pk: money}
    assert shown(tenant)["Parent"] == ["60/1 USD"]
    assert all_equal(tenant), "what is marked is no difference"
    stored_mrr._refresh_again(
        list(CompanyBook.objects.values_list("tenant_id", "company_id")),
        stored_mrr.Found(stored_mrr.Differences),
        stored_mrr.RefreshReason.DAY,
    )
    assert shown(tenant)["Parent"] == ["60/1 USD"], "more than the day has changed"
    assert stored_mrr.pass_days() == 2
    assert shown(tenant) == {"Child": ["10/1 USD"], "Other": ["5/1 USD"], "Parent": ["5/1 USD"]}
    assert all_equal(tenant)
    assert stored_mrr.pass_days() == 0
    assert stored_mrr.refresh_stale(tenant) == 0


def test_verify_tells_and_mends_what_differs(tenant: Tenant, integration: Integration) -> None:
    good, bad = make_company(tenant), make_company(tenant)
    for company in (good, bad):
        make_agreement(company, integration)
    stored_mrr.verify([tenant.pk], mend=True)
    CompanyMrr.objects.filter(company=bad).update(exact="7/1", minor=700)
    AgreementMrr.objects.filter(company=bad).delete()

    out = io.StringIO()
    with pytest.raises(SystemExit) as ended:
        call_command("verify_mrr", "--check", stdout=out)
    assert ended.value.code == 1
    assert json.loads(out.getvalue()) == {
        "tenant": str(tenant.pk), "companies": [str(bad.pk)], "rows": 2, "mended": False,
    }  # fmt: skip

    out = io.StringIO()
    call_command("verify_mrr", "--tenant", str(tenant.pk), stdout=out)
    assert json.loads(out.getvalue())["mended"] is True
    out = io.StringIO()
    call_command("verify_mrr", stdout=out)
    assert out.getvalue() == "All stored MRR is what the engine computes.\n"
    with pytest.raises(CommandError, match="no tenant"):
        call_command("verify_mrr", "--tenant", "nobody")


def test_a_choice_and_the_stored_figure_are_one(tenant: Tenant, integration: Integration) -> None:
    company = make_company(tenant, name="C")
    agreement = make_agreement(company, integration)
    stored_mrr.verify([tenant.pk], mend=True)

    choose(agreement=agreement, actor=None, changes={"exclude": True})

    assert shown(tenant) == {}
    assert AgreementMrr.objects.get().reason == "excluded_by_user"
    assert all_equal(tenant)


def test_sums_shares_and_ends_come_from_what_is_stored(
    tenant: Tenant, integration: Integration, time_machine: Any
) -> None:
    time_machine.move_to(NOON, tick=False)
    autotask = make_integration(tenant, psa="autotask", name="Autotask")
    for name, amount, over in (
        ("Large", "75", {}),
        ("Small", "25", {"end_date": date(2026, 7, 15)}),
        ("Euro", "9.99", {"currency": "EUR", "cycle": "annual"}),
        ("Archived", "500", {}),
    ):
        source = autotask if name == "Small" else integration
        make_agreement(make_company(tenant, name=name), source, amount=amount, **over)
    Company.objects.filter(name="Archived").update(status="archived")
    stored_mrr.verify([tenant.pk], mend=True)

    euro, usd = currency_books(tenant)

    assert (euro.currency, euro.amount) == ("EUR", "0.83")
    assert (usd.amount, usd.companies, usd.top_percent) == ("100.00", 2, 100.0)
    assert [(s.name, s.percent) for s in usd.largest] == [("Large", 75.0), ("Small", 25.0)]
    assert [(s.name, s.money["amount"]) for s in usd.by_source] == [
        (integration.name, "75.00"), ("Autotask", "25.00"),
    ]  # fmt: skip
    assert [row.company.name for row in ending_soon(tenant, 30)] == ["Small"]
    assert list(ending_soon(tenant, 29)) == []


def test_an_amount_beyond_any_column_is_kept_exactly(
    tenant: Tenant, integration: Integration
) -> None:
    company = make_company(tenant, name="Huge")
    make_agreement(company, integration, amount="9" * 30)
    stored_mrr.verify([tenant.pk], mend=True)

    assert company_totals(tenant, [company.pk])[company.pk][0]["amount"] == "9" * 30 + ".00"
    assert all_equal(tenant)


def test_every_value_comes_out_of_the_database_as_it_went_in(
    tenant: Tenant, integration: Integration
) -> None:
    """However a book is read: one company's for its page, all together, or by the hundred."""
    odd = """"quoted" \\ back, {brace} 'n' %s "NULL" \u00e9\U0001f600\n\ttab"""
    company = make_company(tenant, name="Odd")
    book = make_agreement(
        company, integration, name=odd, external_id=odd, amount="123456789012345678.123456789",
        cycle={"every": 18, "unit": "month"}, start_date=date(1999, 12, 31),
    )  # fmt: skip
    make_line(book, product=odd, quantity="0.1", unit_price="0.2", less_included="0")
    make_line(book, product=odd, quantity="1E+20", unit_price="-1E-20", cycle="monthly")
    make_line(book, quantity="NaN", unit_price="1")
    make_line(book, quantity=None, unit_price="1")
    make_line(
        book, kind="service", quantity=None, unit_price="5", cycle="annual", one_time=False,
        units=[
            {"start_date": "2020-01-01", "end_date": "2020-12-31", "units": "3"},
            {"start_date": "2021-01-01", "end_date": None, "units": "12.5", "unit_price": "2.40"},
        ],
    )  # fmt: skip
    make_line(book, quantity="1", unit_price="7", gone_at=NOON, one_time=None)
    make_agreement(company, integration, currency='A"b\\,{}', amount="1")
    stored_mrr.verify([tenant.pk], mend=True)

    parts = (
        Fraction("123456789012345678.123456789") / 18,
        Fraction("0.02") / 18,
        Fraction(-1),
        Fraction("30") / 12,
    )
    exact = exact_text(sum(parts, Fraction(0)))
    assert [row.exact for row in CompanyMrr.objects.all()] == [exact]
    assert all_equal(tenant)
    entries = company_figure(company).ledger
    left_out = [row.reason for row in entries if row.agreement_id == odd and not row.included]
    assert left_out == ["invalid_amount", "invalid_amount", "line_ended"]
    assert {row.agreement_ref.name for row in entries if row.agreement_id == odd} == {odd}
    (item, other) = tenant_book(tenant)
    assert (item.agreement.id, item.agreement.name) == (odd, odd)
    assert item.agreement.start_date == date(1999, 12, 31)
    assert [line.product for line in item.agreement.lines[:2]] == [odd, odd]
    assert exact_text(item.counted(NOON.date().toordinal())[1]) == exact
    assert AgreementMrr.objects.get(agreement=other.agreement.ref).currency == 'A"b\\,{}'


@pytest.mark.django_db(transaction=True)
def test_two_who_store_the_first_figures_of_a_company_at_once_store_one() -> None:
    tenant = make_tenant()
    integration = make_integration(tenant)
    for number in range(5):
        make_agreement(make_company(tenant, name=f"C{number}"), integration, amount="3")
    begin = threading.Barrier(4)

    def store() -> None:
        begin.wait()
        stored_mrr.verify([tenant.pk], mend=True)
        connection.close()

    with ThreadPoolExecutor(4) as pool:
        for done in [pool.submit(store) for _ in range(4)]:
            done.result()

    assert shown(tenant) == {f"C{number}": ["3/1 USD"] for number in range(5)}
    assert CompanyBook.objects.filter(version=1).count() == 5
    assert AgreementMrr.objects.count() == 5
