from __future__ import annotations

from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from agreements.models import Agreement, AgreementLine, CompanyBook
from agreements.selectors import company_figure
from agreements.services import stored
from companies.models import Company
from integrations.models import (
    Integration,
    PsaCompanyRecord,
    PsaContactRecord,
    SyncEvent,
    SyncRun,
    SyncRunPage,
    no_counts,
)
from integrations.sandbox.server import SandboxServer
from integrations.services import passes
from integrations.services.importing import import_companies
from integrations.services.runs import start_company_sync, start_sync_run
from tests.conftest import TODAY
from tests.worker import work_off


def truth_of(sandbox: SandboxServer) -> dict[str, Any]:
    return sandbox.psas["connectwise"].truth(TODAY)["companies"]


def import_all(integration: Integration) -> list[Company]:
    ids = PsaCompanyRecord.objects.filter(importable=True).values_list("external_id", flat=True)
    result = import_companies(integration=integration, external_ids=list(ids), actor=None)
    work_off()
    return result.imported


def sync(integration: Integration) -> SyncRun:
    run, _ = start_sync_run(integration=integration)
    work_off()
    run.refresh_from_db()
    return run


def test_connecting_reads_the_import_list_and_imports_nothing(
    connected: Integration, sandbox: SandboxServer
) -> None:
    run = SyncRun.objects.get()

    assert connected.status == "connected"
    assert (run.trigger, run.state) == ("connect", "succeeded")
    assert PsaCompanyRecord.objects.count() == 40
    assert Company.objects.count() == 0
    assert run.counts["companies"] == {
        "seen": 40, "created": 40, "updated": 0, "unchanged": 0, "gone": 0, "rejected": 0,
    }  # fmt: skip


def test_what_is_importable_and_why_not_equals_the_sandboxs_own_truth(
    connected: Integration, sandbox: SandboxServer
) -> None:
    ours = {r.external_id: r.rule_codes for r in PsaCompanyRecord.objects.all()}

    assert ours == {id_: company["reasons"] for id_, company in truth_of(sandbox).items()}


def test_mrr_after_import_equals_the_sandboxs_own_truth(
    connected: Integration, sandbox: SandboxServer
) -> None:
    companies = import_all(connected)
    truth = truth_of(sandbox)

    assert len(companies) == sum(company["importable"] for company in truth.values())
    for company in Company.objects.all():
        figure = company_figure(company, TODAY)
        expected = truth[company.current_link.external_id]
        ours = [{k: t[k] for k in ("currency", "amount")} for t in figure.totals]
        assert ours == [{k: t[k] for k in ("currency", "amount")} for t in expected["mrr"]]
        assert {row.agreement.external_id: row.summary.mrr for row in figure.agreements} == {
            id_: agreement["amount"] for id_, agreement in expected["agreements"].items()
        }


def test_a_second_sync_writes_no_unchanged_row(connected: Integration) -> None:
    import_all(connected)
    before = dict(Agreement.objects.values_list("pk", "synced_at"))
    events = SyncEvent.objects.count()

    run = sync(connected)

    assert run.state == "succeeded"
    for kind in ("companies", "contacts", "agreements", "lines"):
        count = run.counts[kind]
        assert count["unchanged"] == count["seen"] > 0, kind
    assert dict(Agreement.objects.values_list("pk", "synced_at")) == before
    assert SyncEvent.objects.count() == events


def test_a_change_in_the_psa_is_stored_with_before_and_after(
    connected: Integration, sandbox: SandboxServer
) -> None:
    import_all(connected)
    agreement = Agreement.objects.filter(recurring=None).order_by("id").first()
    sandbox.psas["connectwise"].change(
        {
            "do": "change",
            "kind": "agreements",
            "id": agreement.external_id,
            "values": {"billAmount": 777.77},
            "touch": False,
        }
    )

    run = sync(connected)

    agreement.refresh_from_db()
    assert str(agreement.amount) == "777.77"
    assert run.counts["agreements"]["updated"] == 1
    event = SyncEvent.objects.get(run=run)
    assert (event.kind, event.change) == ("agreement", "updated")
    assert event.after == {"amount": "777.77"}


def test_what_a_complete_pass_no_longer_sees_is_gone_and_comes_back(
    connected: Integration, sandbox: SandboxServer
) -> None:
    import_all(connected)
    psa = sandbox.psas["connectwise"]
    line = AgreementLine.objects.select_related("agreement").order_by("id").first()
    kept = dict(psa.data.additions[int(line.agreement.external_id)][int(line.external_id)])
    psa.change({"do": "delete", "kind": "additions", "id": line.external_id})

    run = sync(connected)
    line.refresh_from_db()
    assert line.gone_at is not None
    assert run.counts["lines"]["gone"] == 1

    psa.data.additions[int(line.agreement.external_id)][int(line.external_id)] = kept
    run = sync(connected)
    line.refresh_from_db()
    assert line.gone_at is None
    assert run.counts["lines"]["updated"] == 1


def test_a_deleted_company_stays_linked_is_flagged_and_nothing_is_deleted(
    connected: Integration, sandbox: SandboxServer
) -> None:
    import_all(connected)
    company = Company.objects.order_by("id").first()
    external_id = company.current_link.external_id
    sandbox.psas["connectwise"].change({"do": "delete", "kind": "companies", "id": external_id})

    run = sync(connected)

    record = PsaCompanyRecord.objects.get(external_id=external_id)
    company = Company.objects.get(pk=company.pk)
    assert run.state == "succeeded"
    assert record.gone_at is not None
    assert company.status == "active"
    assert company.current_link.problem_codes == ["deleted"]


def test_an_empty_answer_wipes_nothing(connected: Integration, sandbox: SandboxServer) -> None:
    import_all(connected)
    sandbox.faults.switch_on("empty_answer")

    run = sync(connected)

    assert run.state == "partial"
    assert run.error_code == "too_many_gone"
    assert PsaCompanyRecord.objects.filter(gone_at=None).count() == 40
    assert PsaContactRecord.objects.filter(gone_at=None).exists()


def test_resyncing_one_company_reads_its_agreements_at_once(
    connected: Integration, sandbox: SandboxServer
) -> None:
    import_all(connected)
    company = Agreement.objects.order_by("id").first().company
    sandbox.forget_requests()

    run, is_new = start_company_sync(company=company, actor=None)
    work_off()
    run.refresh_from_db()

    assert is_new
    assert run.state == "succeeded"
    assert run.counts["agreements"]["unchanged"] == company.agreements.count()
    asked = {request["path"].split("/3.0")[-1] for request in sandbox.requests()}
    assert f"/company/companies/{company.current_link.external_id}" in asked
    assert "/company/companies" not in asked


def left_by_a_dead_worker(run: SyncRun, checkpoint: dict[str, Any], **seen: list[str]) -> None:
    """What is there after a SIGKILL right behind the commit of a page."""
    counts = no_counts()
    for kind, ids in seen.items():
        counts[kind]["seen"] = counts[kind]["unchanged"] = len(ids)
        SyncRunPage.objects.create(tenant_id=run.tenant_id, run=run, kind=kind, external_ids=ids)
    SyncRun.objects.filter(pk=run.pk).update(
        state="running", fence=1, attempts=1, checkpoint=checkpoint, counts=counts
    )


def test_a_run_that_died_behind_its_last_page_does_not_read_it_again(
    connected: Integration, sandbox: SandboxServer
) -> None:
    run, _ = start_sync_run(integration=connected)
    ids = list(PsaCompanyRecord.objects.values_list("external_id", flat=True))
    left_by_a_dead_worker(run, {"done": ["companies"], "read": ["companies"]}, companies=ids)
    sandbox.forget_requests()

    work_off()

    run.refresh_from_db()
    assert (run.state, run.attempts) == ("succeeded", 2)
    assert (run.counts["companies"]["seen"], run.counts["companies"]["gone"]) == (40, 0)
    assert run.counts["contacts"]["seen"] == PsaContactRecord.objects.count()
    asked = {request["path"].split("/3.0")[-1] for request in sandbox.requests()}
    assert "/company/contacts" in asked
    assert "/company/companies" not in asked


def test_an_import_that_died_behind_its_contacts_counts_them_once(
    connected: Integration, sandbox: SandboxServer
) -> None:
    ids = list(
        PsaCompanyRecord.objects.filter(importable=True).values_list("external_id", flat=True)
    )
    result = import_companies(integration=connected, external_ids=ids, actor=None)
    people = PsaContactRecord.objects.filter(company_external_id__in=ids)
    contacts = list(people.values_list("external_id", flat=True))
    left_by_a_dead_worker(
        result.sync_run, {"done": ["companies"], "passed": len(ids)}, contacts=contacts
    )

    work_off()

    run = SyncRun.objects.get(pk=result.sync_run.pk)
    assert (run.state, run.attempts) == ("succeeded", 2)
    assert run.counts["contacts"]["seen"] == len(contacts)
    assert run.counts["agreements"]["seen"] == Agreement.objects.count() > 0


@pytest.mark.parametrize("many", [1, 100])
def test_mrr_of_what_changed_follows_in_the_same_run(
    connected: Integration, sandbox: SandboxServer, monkeypatch: pytest.MonkeyPatch, many: int
) -> None:
    """Of many books at once, of a few at the end: marked meanwhile, each with a new version."""
    monkeypatch.setattr(passes, "MANY_BOOKS", many)
    import_all(connected)
    sync(connected)
    rows = AgreementLine.objects.filter(agreement__stored_mrr__included=True).order_by("id")
    line = rows.select_related("agreement")[0]
    change = {"unitPrice": 4321.5, "billedQuantity": 3.0}
    sandbox.psas["connectwise"].change(
        {"do": "change", "kind": "additions", "id": line.external_id, "values": change}
    )
    versions = dict(CompanyBook.objects.values_list("company_id", "version"))

    with CaptureQueriesContext(connection) as queries:
        sync(connected)

    risen = {
        company_id: version - versions[company_id]
        for company_id, version in CompanyBook.objects.values_list("company_id", "version")
        if version != versions[company_id]
    }
    assert risen == {line.agreement.company_id: 1 if many == 1 else 2}
    marks = [q for q in queries if q["sql"].startswith('UPDATE "agreements_companybook"')]
    assert len(marks) == (0 if many == 1 else 1)
    assert stored.verify([connected.tenant_id], mend=False) == {}


def test_lines_are_read_only_of_agreements_whose_lines_differ(
    connected: Integration, sandbox: SandboxServer
) -> None:
    import_all(connected)
    sync(connected)
    lines = AgreementLine.objects.exclude(agreement__lines_fingerprint="").order_by(
        "-position", "id"
    )
    first, second = lines[0], lines.exclude(agreement=lines[0].agreement)[0]  # each the last one
    assert AgreementLine.objects.count() == lines.count(), "all came whole"
    AgreementLine.objects.update(description="ours")  # behind everyone's back, to see who is read
    change = sandbox.psas["connectwise"].change
    values = {"description": "theirs", "invoiceDescription": "theirs"}
    change({"do": "change", "kind": "additions", "id": first.external_id, "values": values})
    change({"do": "delete", "kind": "additions", "id": second.external_id})

    run = sync(connected)

    counts = run.counts["lines"]
    assert (counts["updated"], counts["gone"]) == (1, 1)
    assert counts["seen"] == counts["unchanged"] + 1 == AgreementLine.objects.count() - 1
    first.refresh_from_db()
    assert first.description == "theirs"
    # of the second's agreement a line was left over: its lines are read once more
    marks = dict(Agreement.objects.values_list("id", "lines_fingerprint"))
    assert [pk for pk, mark in marks.items() if not mark] == [second.agreement_id]
    assert sync(connected).counts["lines"]["unchanged"] == counts["seen"]
    assert all(Agreement.objects.values_list("lines_fingerprint", flat=True))

    sandbox.faults.switch_on("bad_record", path="/additions", how="wrong_type")
    assert sync(connected).counts["lines"]["rejected"] > 0
    assert not any(Agreement.objects.values_list("lines_fingerprint", flat=True))
    sandbox.faults.clear()
    assert sync(connected).counts["lines"]["rejected"] == 0
    assert all(Agreement.objects.values_list("lines_fingerprint", flat=True))
