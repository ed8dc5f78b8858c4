"""Two runs that read at the same time: what the newer one stored stays."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from integrations.adapters import connectwise
from integrations.issues.inbox import IssueReport, raise_issues
from integrations.models import CompanyLink, Integration, Issue, PsaContactRecord, SyncRun
from integrations.runs.starting import start_company_sync, start_sync_run
from integrations.sandbox.server import SandboxServer
from integrations.sync.engine import run_sync
from tests.syncing import change, import_all, open_causes, synced
from tests.worker import work_off


def test_a_full_run_takes_nobody_away_whom_a_resync_has_shown_meanwhile(
    connected: Integration, sandbox: SandboxServer
) -> None:
    import_all(connected)
    link = CompanyLink.objects.select_related("company").order_by("external_id")[0]
    made: list[str] = []

    def between(moment: str, subject: str) -> None:
        if (moment, subject) != ("phase", "absences"):
            return
        values = {"firstName": "New", "company": {"id": int(link.external_id)}}
        made.append(str(change(sandbox, "contacts", "999999", do="add", values=values)["id"]))
        run, _ = start_company_sync(company=link.company, actor=None)
        run_sync(tenant_id=str(run.tenant_id), run_id=str(run.pk))

    assert synced(connected, on_moment=between).state == "succeeded"
    assert PsaContactRecord.objects.get(external_id=made[0]).gone_at is None


def test_an_older_reading_takes_nobody_away_whom_a_newer_one_has_stored(
    connected: Integration, sandbox: SandboxServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    import_all(connected)
    link = CompanyLink.objects.select_related("company").order_by("external_id")[0]
    whole = connectwise.ConnectWiseAdapter.contacts
    made: list[str] = []

    def slow(self: Any, **which: Any) -> Any:
        pages = list(whole(self, **which))
        if which.get("company_ids") and not made:  # read, and not stored yet
            values = {"firstName": "New", "company": {"id": int(link.external_id)}}
            made.append(str(change(sandbox, "contacts", "999999", do="add", values=values)["id"]))
            full, _ = start_sync_run(integration=connected)
            run_sync(tenant_id=str(full.tenant_id), run_id=str(full.pk))
        return iter(pages)

    monkeypatch.setattr(connectwise.ConnectWiseAdapter, "contacts", slow)
    start_company_sync(company=link.company, actor=None)
    work_off()

    assert PsaContactRecord.objects.get(external_id=made[0]).gone_at is None


def test_what_a_resync_saw_again_is_not_taken_for_cured(
    connected: Integration, sandbox: SandboxServer
) -> None:
    import_all(connected)
    person = PsaContactRecord.objects.order_by("external_id")[0]
    change(sandbox, "contacts", person.external_id, values={"firstName": {"x": 1}})
    synced(connected)
    other = SyncRun.objects.order_by("id")[0]

    def between(moment: str, kind: str) -> None:
        if moment != "list read":
            return
        issue = Issue.objects.get(closed_at=None)
        raise_issues(
            connected, [IssueReport("contact", issue.code, "again", "", person.external_id)], other
        )

    synced(connected, on_moment=between)

    assert [kind for kind, _, _ in open_causes()] == ["contact"]


def test_what_a_full_run_found_gone_is_not_hidden_by_a_resync(
    connected: Integration, sandbox: SandboxServer
) -> None:
    import_all(connected)
    links = CompanyLink.objects.order_by("id").select_related("company")
    x, y = [link for link in links if link.company.agreements.count() >= 2][:2]
    moved = x.company.agreements.order_by("external_id")[0]
    gone = y.company.agreements.order_by("external_id")[0]
    change(sandbox, "agreements", gone.external_id, do="delete")
    full, _ = start_sync_run(integration=connected)

    def between(moment: str, subject: str) -> None:
        if (moment, subject) == ("agreements read", "all"):  # now one moves, and x is re-synced
            to = {"company": {"id": int(y.external_id)}}
            change(sandbox, "agreements", moved.external_id, values=to)
            part, _ = start_company_sync(company=x.company, actor=None)
            run_sync(tenant_id=str(part.tenant_id), run_id=str(part.pk))

    work_off(between)

    full.refresh_from_db()
    gone.refresh_from_db()
    moved.refresh_from_db()
    assert (full.state, gone.gone_at is not None) == ("succeeded", True)
    assert (moved.company_id, moved.gone_at) == (y.company_id, None)


def test_an_agreement_that_moves_to_a_company_read_before_is_not_gone(
    connected: Integration, sandbox: SandboxServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    import_all(connected)
    links = CompanyLink.objects.filter(company__stored_mrr__minor__gt=0).order_by("id")
    early, late = links.select_related("company")[:2]
    moved = late.company.agreements.order_by("external_id")[0]
    one_by_one = replace(connectwise.ConnectWiseAdapter.info, company_batch=1)
    monkeypatch.setattr(connectwise.ConnectWiseAdapter, "info", one_by_one)
    whole = connectwise.ConnectWiseAdapter.agreements
    owner = {"company": {"id": int(early.external_id)}}

    def agreements(self: Any, *, company_ids: Any, wanted: Any = None) -> Any:
        pages = list(whole(self, company_ids=company_ids, wanted=wanted))
        if list(company_ids) == [early.external_id] and owner:
            change(sandbox, "agreements", moved.external_id, values=dict(owner))
            owner.clear()
        return iter(pages)

    monkeypatch.setattr(connectwise.ConnectWiseAdapter, "agreements", agreements)

    run = synced(connected)

    moved.refresh_from_db()
    assert (run.state, run.counts["agreements"]["gone"]) == ("succeeded", 0)
    assert (moved.company_id, moved.gone_at) == (early.company_id, None)
