"""Reading an issue's record again: which run it starts, and what that run closes."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import pytest

from audit_site.errors import DomainError
from audit_site.tenants.models import Tenant, User
from integrations.issues import inbox
from integrations.issues.selectors import list_issues
from integrations.models import Integration, Issue, PsaCompanyRecord, SyncRun
from integrations.runs import starting
from integrations.sandbox.server import SandboxServer
from tests.concurrency import at_once
from tests.factories import (
    make_company,
    make_integration,
    make_issue,
    make_link,
    make_tenant,
)
from tests.syncing import import_all, synced
from tests.worker import work_off


def shape(run: SyncRun) -> dict[str, Any]:
    names = ("scope", "companies", "company_id", "trigger", "reading", "accept_gone", "state")
    return {name: getattr(run, name) for name in names}


def test_reading_again_is_about_just_its_psa_company(alex: User, tenant: Tenant) -> None:
    issue = make_issue(make_integration(tenant), external_id="7", company_external_id="7")

    run, is_new = inbox.retry(issue, actor=alex)

    assert is_new
    assert run.integration_id == issue.integration_id
    assert run.started_by == alex
    assert shape(run) == {
        "scope": "companies",
        "companies": ["7"],
        "company_id": None,
        "trigger": "manual",
        "reading": "full",
        "accept_gone": {},
        "state": "queued",
    }


def test_of_a_linked_company_it_is_the_re_sync_of_its_auditee(tenant: Tenant) -> None:
    integration, company = make_integration(tenant), make_company(tenant)
    make_link(company, integration, external_id="7")
    issue = make_issue(integration, kind="lines", external_id="991", company_external_id="7")

    run, is_new = inbox.retry(issue, actor=None)

    assert is_new
    assert (run.scope, run.companies, run.company_id) == ("companies", ["7"], company.pk)
    assert starting.start_company_sync(company=company, actor=None) == (run, False)


def test_where_no_company_is_known_everything_is_read_again(tenant: Tenant) -> None:
    issue = make_issue(make_integration(tenant), kind="integration", external_id="")

    run, is_new = inbox.retry(issue, actor=None)

    assert is_new
    assert shape(run) == {
        "scope": "all",
        "companies": [],
        "company_id": None,
        "trigger": "manual",
        "reading": "full",
        "accept_gone": {},
        "state": "queued",
    }
    assert inbox.retry_all(issue.integration, actor=None) == (run, False)


@pytest.mark.parametrize("linked", [True, False])
def test_two_clicks_are_one_reading(tenant: Tenant, linked: bool) -> None:
    integration = make_integration(tenant)
    if linked:
        make_link(make_company(tenant), integration, external_id="7")
    issue = make_issue(integration, company_external_id="7")
    other = make_issue(integration, company_external_id="8")

    first, _ = inbox.retry(issue, actor=None)

    assert inbox.retry(issue, actor=None) == (first, False)
    assert inbox.retry(other, actor=None)[1] is True
    assert SyncRun.objects.count() == 2


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("linked", [True, False])
def test_many_clicks_at_the_same_moment_are_one_reading(linked: bool) -> None:
    tenant = make_tenant()
    integration = make_integration(tenant)
    if linked:
        make_link(make_company(tenant), integration, external_id="7")
    issue = make_issue(integration, company_external_id="7")
    outcomes: list[tuple[UUID, bool]] = []

    def click() -> None:
        run, is_new = inbox.retry(Issue.objects.get(pk=issue.pk), actor=None)
        outcomes.append((run.pk, is_new))

    at_once(*[click] * 6)

    run = SyncRun.objects.get()
    assert {pk for pk, _ in outcomes} == {run.pk}
    assert sorted(is_new for _, is_new in outcomes) == [False] * 5 + [True]


def test_an_import_under_way_is_no_reading_again(tenant: Tenant) -> None:
    integration = make_integration(tenant)
    starting.start_import_run(integration=integration, external_ids=["7"], actor=None)

    run, is_new = inbox.retry(make_issue(integration, company_external_id="7"), actor=None)

    assert is_new
    assert run.trigger == "manual"


def test_the_worker_reads_that_company_and_no_other(
    connected: Integration, sandbox: SandboxServer
) -> None:
    for number in (20002, 20003):
        sandbox.psas["connectwise"].change(
            {"do": "change", "kind": "companies", "id": number, "values": {"name": "Mended"}}
        )
    issue = make_issue(connected, external_id="20002", company_external_id="20002")

    run, _ = inbox.retry(issue, actor=None)
    work_off()

    run.refresh_from_db()
    assert run.state == "succeeded"
    assert run.counts["companies"]["updated"] == 1
    names = PsaCompanyRecord.objects.filter(name="Mended").values_list("external_id", flat=True)
    assert list(names) == ["20002"]


def test_what_was_mended_in_the_psa_closes_when_it_is_read_again(
    connected: Integration, sandbox: SandboxServer
) -> None:
    import_all(connected)
    record = PsaCompanyRecord.objects.get(external_id="20002")
    status = sandbox.psas["connectwise"].change

    def set_status(number: int, name: str) -> None:
        values = {"status": {"id": number, "name": name}}
        status({"do": "change", "kind": "companies", "id": 20002, "values": values})

    set_status(2, "Inactive")
    synced(connected)
    (issue,) = list_issues(connected.tenant, state="open")
    assert (issue.kind, issue.external_id, issue.code) == ("company", "20002", "inactive")
    assert (issue.name, issue.psa_company_name) == (record.name, record.name)
    assert issue.linked_company_name == record.name

    set_status(1, "Active")
    run, _ = inbox.retry(issue, actor=None)
    work_off()

    run.refresh_from_db()
    issue.refresh_from_db()
    assert (run.state, run.companies) == ("succeeded", ["20002"])
    assert issue.state == "closed"


def test_nothing_is_read_again_of_what_is_closed_or_disconnected(tenant: Tenant) -> None:
    integration = make_integration(tenant)
    closed = make_issue(integration, code="too_many_gone")
    inbox.close_issues(integration, kind="companies")
    closed.refresh_from_db()
    apart = make_integration(tenant, status=Integration.Status.DISCONNECTED)
    resting = make_issue(apart, company_external_id="7")

    for act, issue, code in (
        (inbox.retry, closed, "issue_closed"),
        (inbox.confirm_gone, closed, "issue_closed"),
        (inbox.retry, resting, "not_connected"),
    ):
        with pytest.raises(DomainError) as error:
            act(issue, actor=None)
        assert error.value.code == code
    with pytest.raises(DomainError) as error:
        inbox.retry_all(apart, actor=None)
    assert error.value.code == "not_connected"
    assert not SyncRun.objects.exists()
