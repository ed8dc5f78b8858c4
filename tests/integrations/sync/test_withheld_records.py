"""Single companies, contacts and lines that a PSA hides: refused is kept and said, deleted is gone."""

from __future__ import annotations

from typing import Any

import pytest

from agreements.figures import company_figure, company_totals, tenant_figure
from agreements.models import AgreementLine
from audit_site.tenants.models import Tenant
from integrations.models import (
    CompanyLink,
    Integration,
    Issue,
    PsaCompanyRecord,
    PsaContactRecord,
    SyncRun,
)
from integrations.runs.starting import start_company_sync, start_reread
from integrations.sandbox.server import SandboxServer
from tests.conftest import connect
from tests.syncing import import_all, synced
from tests.worker import work_off

PSAS = ("connectwise", "autotask", "kaseya_bms")
ROWS_PER_LINE = 1000  # unit rows of a line in the sandbox Autotask


@pytest.fixture(params=PSAS)
def imported(request: pytest.FixtureRequest, tenant: Tenant, sandbox: SandboxServer) -> Integration:
    integration = connect(tenant, sandbox, request.param)
    import_all(integration)
    return integration


@pytest.fixture(params=[psa for psa in PSAS if psa != "kaseya_bms"])
def with_lines(
    request: pytest.FixtureRequest, tenant: Tenant, sandbox: SandboxServer
) -> Integration:
    integration = connect(tenant, sandbox, request.param)
    import_all(integration)
    return integration


def hidden_company() -> CompanyLink:
    """A linked company with money in it."""
    return CompanyLink.objects.filter(company__stored_mrr__minor__gt=0).order_by("external_id")[0]


def hidden_contact() -> PsaContactRecord:
    """One of several contacts of a linked company."""
    linked = CompanyLink.objects.values("external_id")
    rows = PsaContactRecord.objects.filter(gone_at=None, company_external_id__in=linked)
    return rows.order_by("external_id")[1]


def withheld_ids(integration: Integration, line: AgreementLine) -> list[int]:
    """The ids by which the sandbox hides a line, and what makes it a line in another list."""
    number = int(line.external_id.rpartition("-")[2])
    rows = range(number * ROWS_PER_LINE, (number + 1) * ROWS_PER_LINE)
    return [number, *rows] if integration.psa == "autotask" else [number]


def counting_line(integration: Integration) -> AgreementLine:
    """A line that counts today, of an agreement that has others beside it."""
    rows = AgreementLine.objects.filter(
        agreement__integration=integration, agreement__stored_mrr__included=True, position=0
    )
    return (
        rows.exclude(external_id="setup-fee").select_related("agreement").order_by("external_id")[0]
    )


def withheld(kind: str) -> Any:
    return Issue.objects.get(code="records_withheld", external_id=kind, closed_at=None)


def test_a_company_that_is_refused_by_its_id_stays_and_its_money_is_named(
    imported: Integration, sandbox: SandboxServer
) -> None:
    link, before = hidden_company(), tenant_figure(imported.tenant).totals
    money = company_totals(imported.tenant, [link.company_id])[link.company_id][0]
    sandbox.faults.switch_on(
        "refused_records", path=companies_path(imported), ids=[link.external_id]
    )

    run = synced(imported, "manual")

    assert (run.state, run.counts["companies"]["gone"]) == ("partial", 0)
    assert PsaCompanyRecord.objects.get(external_id=link.external_id).gone_at is None
    assert tenant_figure(imported.tenant).totals == before
    issue = withheld("companies")
    assert "no longer shows 1 company that it showed before" in issue.message
    assert f"with {money['amount']} {money['currency']} of MRR" in issue.message
    assert ">" in issue.fix
    sandbox.faults.clear()
    assert synced(imported, "manual").state == "succeeded"
    assert not Issue.objects.filter(code="records_withheld", closed_at=None).exists()


def companies_path(integration: Integration) -> str:
    return {
        "connectwise": "/company/companies",
        "autotask": "/Companies/",
        "kaseya_bms": "/crm/accounts/",
    }[integration.psa]


def test_a_resync_of_a_company_that_is_refused_leaves_it_as_it_is(
    imported: Integration, sandbox: SandboxServer
) -> None:
    link = hidden_company()
    sandbox.faults.switch_on(
        "refused_records", path=companies_path(imported), ids=[link.external_id]
    )

    run, _ = start_company_sync(company=link.company, actor=None)
    work_off()

    run.refresh_from_db()
    assert (run.state, run.error_code) == ("partial", "records_withheld")
    assert run.counts["contacts"]["seen"] > 0, "the rest is read"
    assert PsaCompanyRecord.objects.get(external_id=link.external_id).gone_at is None


def test_a_resync_of_one_does_not_make_less_of_what_is_withheld(
    imported: Integration, sandbox: SandboxServer
) -> None:
    links = CompanyLink.objects.order_by("external_id")[:2]
    ids = [link.external_id for link in links]
    sandbox.faults.switch_on("refused_records", path=companies_path(imported), ids=ids)
    synced(imported, "manual")
    before = withheld("companies")

    run, _ = start_company_sync(company=links[0].company, actor=None)
    work_off()

    run.refresh_from_db()
    after = withheld("companies")
    assert (run.error_code, before.count) == ("records_withheld", 2)
    assert (after.count, after.message) == (2, before.message)


def test_all_that_one_reading_is_refused_is_counted(
    imported: Integration, sandbox: SandboxServer
) -> None:
    links = CompanyLink.objects.order_by("external_id")[:3]
    ids = [link.external_id for link in links]
    sandbox.faults.switch_on("refused_records", path=companies_path(imported), ids=ids[:2])

    run, _ = start_reread(integration=imported, external_ids=ids, actor=None)
    work_off()

    run.refresh_from_db()
    assert (run.state, run.error_code) == ("partial", "records_withheld")
    assert withheld("companies").count == 2
    assert "no longer shows 2 companies that it showed before" in withheld("companies").message
    assert "no longer shows 2 companies that it showed before" in run.error_message


def test_a_contact_that_is_refused_by_its_id_stays(
    imported: Integration, sandbox: SandboxServer
) -> None:
    person = hidden_contact()
    sandbox.faults.switch_on("refused_records", path="ontacts/", ids=[person.external_id])
    sandbox.faults.switch_on("refused_records", path="ontacts$", ids=[person.external_id])

    run = synced(imported, "manual")
    link = CompanyLink.objects.get(external_id=person.company_external_id)
    resync, _ = start_company_sync(company=link.company, actor=None)
    work_off()

    resync.refresh_from_db()
    assert (run.state, resync.state) == ("partial", "partial")
    assert run.counts["contacts"]["gone"] == resync.counts["contacts"]["gone"] == 0
    person.refresh_from_db()
    assert person.gone_at is None
    issue = withheld("contacts")
    assert "no longer shows 1 contact that it showed before" in issue.message
    assert "MRR" not in issue.message
    sandbox.faults.clear()
    assert synced(imported, "manual").state == "succeeded"
    assert not Issue.objects.filter(code="records_withheld", closed_at=None).exists()


def test_a_contact_that_is_deleted_is_gone(imported: Integration, sandbox: SandboxServer) -> None:
    person = hidden_contact()
    sandbox.psas[imported.psa].change(
        {"do": "delete", "kind": "contacts", "id": person.external_id}
    )

    run = synced(imported, "manual")

    assert (run.state, run.counts["contacts"]["gone"]) == ("succeeded", 1)
    person.refresh_from_db()
    assert person.gone_at is not None


def test_a_line_that_is_refused_by_its_id_stays_and_its_money_is_named(
    with_lines: Integration, sandbox: SandboxServer
) -> None:
    line, before = counting_line(with_lines), tenant_figure(with_lines.tenant).totals
    ledger = company_figure(line.agreement.company).ledger
    [money] = [row.mrr for row in ledger if row.line_ref == line]
    sandbox.faults.switch_on("refused_records", ids=withheld_ids(with_lines, line))

    run = synced(with_lines, "manual")

    assert (run.state, run.counts["lines"]["gone"]) == ("partial", 0)
    line.refresh_from_db()
    assert line.gone_at is None
    assert tenant_figure(with_lines.tenant).totals == before
    issue = withheld("lines")
    assert "no longer shows 1 line that it showed before" in issue.message
    assert issue.count == 1
    assert f"with {money} {line.agreement.currency} of MRR" in issue.message
    sandbox.faults.clear()
    assert synced(with_lines, "manual").state == "succeeded"
    assert not Issue.objects.filter(code="records_withheld", closed_at=None).exists()


def test_a_line_that_is_deleted_is_gone(with_lines: Integration, sandbox: SandboxServer) -> None:
    line = counting_line(with_lines)
    number = line.external_id.rpartition("-")[2]
    kind = {"connectwise": "additions", "autotask": "lines"}[with_lines.psa]
    sandbox.psas[with_lines.psa].change({"do": "delete", "kind": kind, "id": number})

    run = synced(with_lines, "manual")

    assert (run.state, run.counts["lines"]["gone"]) == ("succeeded", 1)
    line.refresh_from_db()
    assert line.gone_at is not None
    assert not SyncRun.objects.filter(state="partial").exists()
