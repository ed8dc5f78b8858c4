"""A run that is taken over goes on where its dead worker stopped."""

from __future__ import annotations

from typing import Any

from agreements.models import Agreement
from integrations.importing.import_companies import import_companies
from integrations.models import (
    Integration,
    PsaCompanyRecord,
    PsaContactRecord,
    SyncRun,
    SyncRunPage,
    no_counts,
)
from integrations.runs.starting import start_sync_run
from integrations.sandbox.server import SandboxServer
from tests.worker import work_off


def left_by_a_dead_worker(run: SyncRun, checkpoint: dict[str, Any], **seen: list[str]) -> None:
    """What is there when a page is committed and the worker is killed."""
    counts = no_counts()
    for kind, ids in seen.items():
        counts[kind]["seen"] = counts[kind]["unchanged"] = len(ids)
        SyncRunPage.objects.create(tenant_id=run.tenant_id, run=run, kind=kind, external_ids=ids)
    SyncRun.objects.filter(pk=run.pk).update(
        state="running", fence=1, attempts=1, checkpoint=checkpoint, counts=counts
    )


def test_a_run_that_died_after_its_last_page_does_not_read_it_again(
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


def test_an_import_that_died_after_its_contacts_counts_them_once(
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
    assert run.counts["agreements"]["seen"] == Agreement.objects.count() == 43
