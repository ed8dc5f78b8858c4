"""What is stored of MRR is what the engine computes, whatever happens."""

from __future__ import annotations

import io
import json
import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db import connection

from agreements import stored_mrr
from agreements.decisions import choose
from agreements.figures import company_figure, company_totals
from agreements.models import Agreement, AgreementLine, AgreementMrr, CompanyBook, CompanyMrr
from agreements.versions import company_etag
from audit_site.tenants.models import Tenant
from companies.models import Company
from integrations.models import Integration
from integrations.sandbox.server import SandboxServer
from tests.factories import make_agreement, make_company, make_integration, make_line, make_tenant
from tests.syncing import import_all, synced

NOON = datetime(2026, 6, 15, 12, 0, tzinfo=UTC)


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
    assert CompanyMrr.objects.count() == 19
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
    synced(connected)

    assert shown(tenant) != before
    assert all_equal(tenant)


def test_a_sync_that_changes_nothing_writes_no_stored_row(connected: Integration) -> None:
    import_all(connected)
    before = list(CompanyBook.objects.order_by("id").values_list("version", "updated_at"))

    synced(connected)

    assert list(CompanyBook.objects.order_by("id").values_list("version", "updated_at")) == before


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
    AgreementLine.objects.for_tenant(bad).update(units="no list")  # where nobody notices

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
    etags = [company_etag(tenant, company.pk) for company in (parent_company, child)]
    Agreement.objects.filter(pk=parent.pk).update(cycle="annual")

    stored_mrr.mark_stale(tenant, [parent_company.pk])

    for company, etag in zip((parent_company, child), etags, strict=True):
        assert company_etag(tenant, company.pk) != etag
    assert shown(tenant)["Parent"] == ["60/1 USD"]
    assert all_equal(tenant), "what is marked is no difference"
    stored_mrr.refresh_again(
        list(CompanyBook.objects.values_list("tenant_id", "company_id")),
        stored_mrr.Found(stored_mrr.Differences),
        stored_mrr.RefreshReason.DAY,
    )
    assert shown(tenant)["Parent"] == ["60/1 USD"], "more than the day has changed"
    money = [{"currency": "USD", "amount": "10.00"}]
    assert company_totals(tenant, [child.pk]) == {child.pk: money}
    assert shown(tenant)["Child"] == ["10/1 USD"], "who asks has it worked out"
    assert shown(tenant)["Parent"] == ["60/1 USD"]
    assert stored_mrr.pass_days() == 1
    assert shown(tenant) == {"Child": ["10/1 USD"], "Other": ["5/1 USD"], "Parent": ["5/1 USD"]}
    assert all_equal(tenant)
    assert stored_mrr.pass_days() == 0
    assert stored_mrr.refresh_for_reader(tenant) == stored_mrr.Late()


def test_verify_reports_and_mends_what_differs(tenant: Tenant, integration: Integration) -> None:
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

    choose(agreement=agreement, actor=None, changes={"exclude": True}, note="Pilot")

    assert shown(tenant) == {}
    assert AgreementMrr.objects.get().reason == "excluded_by_user"
    assert all_equal(tenant)


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
