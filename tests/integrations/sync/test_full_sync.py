"""A sync of everything: equal to the sandbox's own truth, and writing only what differs."""

from __future__ import annotations

from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from agreements import stored_mrr
from agreements.figures import company_figure
from agreements.models import Agreement, AgreementLine, CompanyBook
from companies.models import Company
from integrations.importing.linking import link_of
from integrations.models import Integration, PsaCompanyRecord, PsaContactRecord, SyncEvent, SyncRun
from integrations.psa import registry
from integrations.sandbox.server import SandboxServer
from integrations.sync.agreements_phase import AgreementsPhase
from tests.conftest import TODAY
from tests.syncing import import_all, synced


def truth_of(sandbox: SandboxServer) -> dict[str, Any]:
    return sandbox.psas["connectwise"].truth(TODAY)["companies"]


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
        expected = truth[link_of(company).external_id]
        ours = [{k: t[k] for k in ("currency", "amount")} for t in figure.totals]
        assert ours == [{k: t[k] for k in ("currency", "amount")} for t in expected["mrr"]]
        assert {row.agreement.external_id: row.summary.mrr for row in figure.agreements} == {
            id_: agreement["amount"] for id_, agreement in expected["agreements"].items()
        }


def test_a_second_sync_writes_no_unchanged_row(connected: Integration) -> None:
    import_all(connected)
    before = dict(Agreement.objects.values_list("pk", "synced_at"))
    events = SyncEvent.objects.count()

    run = synced(connected)

    assert run.state == "succeeded"
    unchanged = {"companies": 40, "contacts": 127, "agreements": 43, "lines": 251}
    assert {kind: count["unchanged"] for kind, count in run.counts.items()} == unchanged
    assert {kind: count["seen"] for kind, count in run.counts.items()} == unchanged
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

    run = synced(connected)

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

    run = synced(connected)
    line.refresh_from_db()
    assert line.gone_at is not None
    assert run.counts["lines"]["gone"] == 1

    psa.data.additions[int(line.agreement.external_id)][int(line.external_id)] = kept
    run = synced(connected)
    line.refresh_from_db()
    assert line.gone_at is None
    assert run.counts["lines"]["updated"] == 1


def test_a_deleted_company_stays_linked_is_flagged_and_nothing_is_deleted(
    connected: Integration, sandbox: SandboxServer
) -> None:
    import_all(connected)
    company = Company.objects.order_by("id").first()
    external_id = link_of(company).external_id
    sandbox.psas["connectwise"].change({"do": "delete", "kind": "companies", "id": external_id})

    run = synced(connected)

    record = PsaCompanyRecord.objects.get(external_id=external_id)
    company = Company.objects.get(pk=company.pk)
    assert run.state == "succeeded"
    assert record.gone_at is not None
    assert company.status == "active"
    assert link_of(company).problem_codes == ["deleted"]


def test_an_empty_answer_wipes_nothing(connected: Integration, sandbox: SandboxServer) -> None:
    import_all(connected)
    sandbox.faults.switch_on("empty_answer")

    run = synced(connected)

    assert run.state == "partial"
    assert run.error_code == "too_many_gone"
    assert PsaCompanyRecord.objects.filter(gone_at=None).count() == 40
    assert PsaContactRecord.objects.filter(gone_at=None).exists()


@pytest.mark.parametrize("many", [1, 100])
def test_mrr_of_what_changed_follows_in_the_same_run(
    connected: Integration, sandbox: SandboxServer, monkeypatch: pytest.MonkeyPatch, many: int
) -> None:
    """Of many books at once, of a few at the end: marked meanwhile, each with a new version."""
    monkeypatch.setattr(AgreementsPhase, "many_books", many)
    import_all(connected)
    synced(connected)
    rows = AgreementLine.objects.filter(agreement__stored_mrr__included=True).order_by("id")
    line = rows.select_related("agreement")[0]
    change = {"unitPrice": 4321.5, "billedQuantity": 3.0}
    sandbox.psas["connectwise"].change(
        {"do": "change", "kind": "additions", "id": line.external_id, "values": change}
    )
    versions = dict(CompanyBook.objects.values_list("company_id", "version"))

    with CaptureQueriesContext(connection) as queries:
        synced(connected)

    risen = {
        company_id: version - versions[company_id]
        for company_id, version in CompanyBook.objects.values_list("company_id", "version")
        if version != versions[company_id]
    }
    assert risen == {line.agreement.company_id: 1 if many == 1 else 2}
    marks = [q for q in queries if q["sql"].startswith('UPDATE "agreements_companybook"')]
    assert len(marks) == (0 if many == 1 else 1)
    assert stored_mrr.verify([connected.tenant_id], mend=False) == {}


def test_explicit_nulls_change_nothing(connected: Integration, sandbox: SandboxServer) -> None:
    import_all(connected)
    sandbox.faults.switch_on("explicit_nulls")

    run = synced(connected)

    assert sum(count["updated"] for count in run.counts.values()) == 0


def test_a_server_without_forward_only_paging_is_read_whole(
    connected: Integration, sandbox: SandboxServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(registry.get_adapter("connectwise"), "page_size", 10)
    sandbox.faults.switch_on("no_forward_only")

    run = synced(connected)

    assert run.state == "succeeded"
    assert run.counts["companies"]["unchanged"] == 40
