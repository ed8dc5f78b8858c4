"""The question whether missing records are gone, and a person's yes."""

from __future__ import annotations

from typing import Any

import pytest

from agreements.models import Agreement
from audit_site.errors import DomainError
from audit_site.tenants.models import AuditEvent, Tenant, User
from companies.models import Company
from integrations.issues import inbox
from integrations.issues.inbox import KIND_INTEGRATION, IssueReport, raise_issues
from integrations.issues.selectors import list_issues
from integrations.models import Integration, Issue, PsaCompanyRecord, PsaContactRecord, SyncRun
from integrations.runs import starting
from integrations.runs.starting import start_company_sync
from integrations.sandbox.server import SandboxServer
from tests.factories import make_integration, make_issue
from tests.syncing import change, import_all, open_causes, synced
from tests.worker import work_off


def shape(run: SyncRun) -> dict[str, Any]:
    names = ("scope", "companies", "company_id", "trigger", "reading", "accept_gone", "state")
    return {name: getattr(run, name) for name in names}


def test_what_is_said_to_be_gone_is_gone_and_the_question_closes(
    connected: Integration, sandbox: SandboxServer
) -> None:
    for record in PsaCompanyRecord.objects.order_by("external_id")[:30]:
        sandbox.psas["connectwise"].change(
            {"do": "delete", "kind": "companies", "id": record.external_id}
        )
    synced(connected)
    questions = {
        row.external_id: row
        for row in list_issues(connected.tenant, state="open")
        if row.asks_if_gone
    }
    assert "companies" in questions
    assert questions["companies"].fix == (
        "Check that the API user may see all companies in ConnectWise Manage, then press Sync Now. "
        "If they are really gone, an administrator answers “Yes, they are gone…” to the issue about "
        "them."
    )
    assert PsaCompanyRecord.objects.filter(gone_at=None).count() == 40

    run = inbox.confirm_gone(questions["companies"], actor=None)
    work_off()

    run.refresh_from_db()
    assert run.state == "succeeded"
    assert PsaCompanyRecord.objects.filter(gone_at=None).count() == 10
    assert not list_issues(connected.tenant, state="open").exists()


def test_saying_that_they_are_gone_starts_a_full_run_that_takes_it_so(
    alex: User, tenant: Tenant
) -> None:
    integration = make_integration(tenant)
    issue = make_issue(integration, code="too_many_gone", external_id="companies", count=30)

    run = inbox.confirm_gone(issue, actor=alex)

    assert shape(run) == {
        "scope": "all",
        "companies": [],
        "company_id": None,
        "trigger": "manual",
        "reading": "full",
        "accept_gone": {"companies": 30},
        "state": "queued",
    }


def test_a_run_under_way_does_not_learn_that_they_are_gone(tenant: Tenant) -> None:
    integration = make_integration(tenant, name="Our ConnectWise")
    issue = make_issue(integration, code="too_many_gone", external_id="")
    run, _ = starting.start_sync_run(integration=integration)

    with pytest.raises(DomainError) as error:
        inbox.confirm_gone(issue, actor=None)

    assert (error.value.code, error.value.status) == ("run_under_way", 409)
    assert error.value.message == (
        "A sync of Our ConnectWise is under way, and it began before you said so."
    )
    assert [row.accept_gone for row in SyncRun.objects.all()] == [{}]
    assert not AuditEvent.objects.exists()
    assert run.pk == SyncRun.objects.get().pk


def test_only_the_question_can_be_answered(tenant: Tenant) -> None:
    with pytest.raises(DomainError) as error:
        inbox.confirm_gone(make_issue(make_integration(tenant)), actor=None)

    assert error.value.code == "no_question"
    assert not SyncRun.objects.exists()


def test_a_yes_about_one_kind_says_nothing_about_another(
    connected: Integration, sandbox: SandboxServer
) -> None:
    import_all(connected)
    before = Agreement.objects.filter(gone_at=None).count()
    question = IssueReport(
        KIND_INTEGRATION, "too_many_gone", "25 are missing", external_id="contacts", count=25
    )
    raise_issues(connected, [question])
    sandbox.faults.switch_on("empty_answer")

    inbox.confirm_gone(Issue.objects.get(), actor=None)
    work_off()

    assert Agreement.objects.filter(gone_at=None).count() == before
    assert PsaContactRecord.objects.filter(gone_at=None).exists()  # more than 25 are missing now
    assert {code for _, code, _ in open_causes()} == {"too_many_gone"}


def test_a_part_run_neither_closes_nor_overwrites_the_question_about_all(
    connected: Integration, sandbox: SandboxServer
) -> None:
    import_all(connected)
    raise_issues(
        connected, [IssueReport(KIND_INTEGRATION, "too_many_gone", "all", external_id="agreements")]
    )
    company = next(c for c in Company.objects.all() if c.agreements.count() >= 2)
    gone = company.agreements.order_by("external_id")[0]
    change(sandbox, "agreements", gone.external_id, do="delete")

    start_company_sync(company=company, actor=None)
    work_off()

    gone.refresh_from_db()
    assert gone.gone_at is not None
    assert Issue.objects.get(closed_at=None).message == "all"
