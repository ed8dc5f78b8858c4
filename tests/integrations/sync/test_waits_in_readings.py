"""One company with very many agreements, at a PSA that answers forty questions and then says wait."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.utils import timezone

from companies.models import Company
from integrations.connecting.open_adapter import budget_of
from integrations.importing.import_companies import import_companies
from integrations.models import Integration, PsaCompanyRecord, SyncRun, SyncRunPage
from integrations.sandbox.server import SandboxServer
from integrations.sync import run_writer
from integrations.sync.engine import run_sync
from integrations.sync.outcomes import MOST_POSTPONEMENTS
from tests.syncing import mrr_of
from tests.worker import work_off

AGREEMENTS = 110


class Killed(BaseException):
    """The worker is gone."""


@pytest.fixture
def busy(connected: Integration, sandbox: SandboxServer) -> Company:
    """Imported, with 110 agreements of one addition of 10.00 each, and nothing read of it yet."""
    record = PsaCompanyRecord.objects.filter(importable=True).order_by("external_id")[0]
    psa = sandbox.psas["connectwise"]
    for id_ in list(psa.data.agreements_of[int(record.external_id)]):
        psa.change({"do": "delete", "kind": "agreements", "id": id_})
    company = {"id": int(record.external_id), "name": record.name}
    for number in range(AGREEMENTS):
        id_ = 90001 + number
        agreement = {
            "name": f"Agreement {number}", "company": company, "startDate": "2025-01-01T00:00:00Z",
            "noEndingDateFlag": True, "agreementStatus": "Active", "billAmount": 0,
            "billingCycle": {"id": 2, "name": "Monthly"},
            "currency": {"id": 7, "currencyCode": "USD"}, "type": {"id": 1, "name": "Managed"},
        }  # fmt: skip
        addition = {
            "quantity": 1, "unitPrice": 10.0, "billCustomer": "Billable", "agreementId": id_,
            "effectiveDate": "2025-01-01T00:00:00Z", "description": "Seat",
        }  # fmt: skip
        psa.change({"do": "add", "kind": "agreements", "id": id_, "values": agreement})
        psa.change(
            {"do": "add", "kind": "additions", "id": id_ * 100, "parent": id_, "values": addition}
        )
    sandbox.forget_requests()
    sandbox.faults.switch_on("quota", path="/additions", allowed=40, retry_after=21)
    result = import_companies(integration=connected, external_ids=[record.external_id], actor=None)
    return result.imported[0]


def go_on(run: SyncRun) -> SyncRun:
    """The wait is over, or the lease of a worker that is gone has run out."""
    budget_of(run.integration).forget()
    now = timezone.now()
    SyncRun.objects.filter(pk=run.pk, resume_at__isnull=False).update(resume_at=now)
    SyncRun.objects.filter(pk=run.pk, lease_until__isnull=False).update(
        lease_until=now - timedelta(seconds=1)
    )
    work_off()
    run.refresh_from_db()
    return run


def asked(sandbox: SandboxServer) -> list[str]:
    """Whose additions were read, once for each time."""
    requests = [entry for entry in sandbox.requests() if entry["path"].endswith("/additions")]
    return [entry["path"] for entry in requests if entry["status"] == 200]


def test_each_line_is_read_once_however_often_the_psa_asks_to_wait(
    busy: Company, sandbox: SandboxServer
) -> None:
    work_off()
    run = SyncRun.objects.get(trigger="import")
    assert (run.state, run.waiting_for) == ("running", "Waiting for ConnectWise Manage")
    assert mrr_of(busy) == [], "a part is never shown as the whole"
    assert SyncRunPage.objects.filter(run=run).exists()

    while run.state == "running":
        run = go_on(run)

    assert (run.state, run.error_code) == ("succeeded", "")
    assert mrr_of(busy) == [("USD", "1100/1")]
    assert len(asked(sandbox)) == len(set(asked(sandbox))) == AGREEMENTS
    assert run.attempts == 3
    assert not SyncRunPage.objects.filter(run=run).exists()


def test_a_worker_that_is_killed_after_a_wait_costs_nothing_that_was_kept(
    busy: Company, sandbox: SandboxServer
) -> None:
    def dying(moment: str, subject: str) -> None:
        if (moment, subject) == ("page stored", "agreements"):
            raise Killed

    work_off()
    run = SyncRun.objects.get(trigger="import")
    budget_of(run.integration).forget()
    SyncRun.objects.filter(pk=run.pk).update(resume_at=timezone.now())
    with pytest.raises(Killed):
        run_sync(tenant_id=str(run.tenant_id), run_id=str(run.pk), on_moment=dying)
    run.refresh_from_db()
    assert (run.state, run.attempts) == ("running", 2)

    run = go_on(run)

    assert run.state == "succeeded"
    assert mrr_of(busy) == [("USD", "1100/1")]
    assert len(asked(sandbox)) == len(set(asked(sandbox))) == AGREEMENTS


def test_what_was_read_with_other_keys_is_read_again(busy: Company, sandbox: SandboxServer) -> None:
    work_off()
    run = SyncRun.objects.get(trigger="import")
    integration = run.integration
    integration.credentials = {**integration.credentials, "public_key": "demo", "x": "other"}
    integration.save()
    read = len(asked(sandbox))
    sandbox.faults.clear()

    run = go_on(run)

    assert run.state == "succeeded"
    assert len(asked(sandbox)) == read + AGREEMENTS


def test_a_psa_that_says_wait_and_answers_nothing_ends_the_run_without_a_promise(
    busy: Company, sandbox: SandboxServer
) -> None:
    sandbox.faults.clear()
    sandbox.faults.switch_on("rate_limited", path="/additions", retry_after=21)
    work_off()
    run = SyncRun.objects.get(trigger="import")

    for _ in range(MOST_POSTPONEMENTS + 1):
        run = go_on(run)

    assert (run.state, run.error_code) == ("failed", "rate_limited")
    assert "asked us to wait 16 times in a row" in run.error_message
    assert run.error_fix.startswith("Press Sync Now later.")


def test_what_is_read_is_kept_now_and_then_for_a_worker_that_dies(
    busy: Company, sandbox: SandboxServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It dies behind the first note; the thread that reads for it comes to its end all the same."""
    monkeypatch.setattr(run_writer, "KEEP_SECONDS", 0.0)
    sandbox.faults.clear()
    sandbox.faults.switch_on("latency", path="/additions", ms=60)

    def dying(moment: str, subject: str) -> None:
        if (moment, subject) == ("page stored", "agreements"):
            raise Killed

    run = SyncRun.objects.get(trigger="import")
    with pytest.raises(Killed):
        run_sync(tenant_id=str(run.tenant_id), run_id=str(run.pk), on_moment=dying)
    notes = SyncRunPage.objects.filter(kind="answers of a part")
    lines = sum(len(note.external_ids) - 1 for note in notes)
    assert lines > 10
    sandbox.forget_requests()

    run = go_on(run)

    assert (run.state, mrr_of(busy)) == ("succeeded", [("USD", "1100/1")])
    assert 0 < len(asked(sandbox)) <= AGREEMENTS + 2 - lines
