"""The issues inbox: what reading again starts, what dismissing does, what stays in the trail."""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from django.utils import timezone

from audit_site.errors import DomainError
from audit_site.tenants.models import AuditEvent, Tenant
from integrations import selectors
from integrations.models import Integration, Issue, PsaCompanyRecord, SyncRun
from integrations.sandbox.server import SandboxServer
from integrations.services import issues, runs
from tests.factories import (
    make_company,
    make_integration,
    make_issue,
    make_link,
    make_member,
    make_psa_company,
    make_tenant,
)
from tests.integrations.importing.test_licence import at_once
from tests.integrations.sync.test_sync import import_all, sync
from tests.worker import work_off


def shape(run: SyncRun) -> dict[str, Any]:
    names = ("scope", "companies", "company_id", "trigger", "reading", "accept_gone", "state")
    return {name: getattr(run, name) for name in names}


def test_reading_again_is_about_just_its_psa_company(tenant: Tenant) -> None:
    issue = make_issue(make_integration(tenant), external_id="7", company_external_id="7")
    actor = make_member(tenant)

    run, is_new = issues.retry(issue, actor=actor)

    assert is_new
    assert run.integration_id == issue.integration_id
    assert run.started_by == actor
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

    run, is_new = issues.retry(issue, actor=None)

    assert is_new
    assert (run.scope, run.companies, run.company_id) == ("companies", ["7"], company.pk)
    assert runs.start_company_sync(company=company, actor=None) == (run, False)


def test_where_no_company_is_known_everything_is_read_again(tenant: Tenant) -> None:
    issue = make_issue(make_integration(tenant), kind="integration", external_id="")

    run, is_new = issues.retry(issue, actor=None)

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
    assert issues.retry_all(issue.integration, actor=None) == (run, False)


@pytest.mark.parametrize("linked", [True, False])
def test_two_clicks_are_one_reading(tenant: Tenant, linked: bool) -> None:
    integration = make_integration(tenant)
    if linked:
        make_link(make_company(tenant), integration, external_id="7")
    issue = make_issue(integration, company_external_id="7")
    other = make_issue(integration, company_external_id="8")

    first, _ = issues.retry(issue, actor=None)

    assert issues.retry(issue, actor=None) == (first, False)
    assert issues.retry(other, actor=None)[1] is True
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
        run, is_new = issues.retry(Issue.objects.get(pk=issue.pk), actor=None)
        outcomes.append((run.pk, is_new))

    at_once(*[click] * 6)

    run = SyncRun.objects.get()
    assert {pk for pk, _ in outcomes} == {run.pk}
    assert sorted(is_new for _, is_new in outcomes) == [False] * 5 + [True]


def test_an_import_under_way_is_no_reading_again(tenant: Tenant) -> None:
    integration = make_integration(tenant)
    runs.start_import_run(integration=integration, external_ids=["7"], actor=None)

    run, is_new = issues.retry(make_issue(integration, company_external_id="7"), actor=None)

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

    run, _ = issues.retry(issue, actor=None)
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
    sync(connected)
    (issue,) = selectors.list_issues(connected.tenant, state="open")
    assert (issue.kind, issue.external_id, issue.code) == ("company", "20002", "inactive")
    assert (issue.name, issue.psa_company_name) == (record.name, record.name)
    assert issue.linked_company_name == record.name

    set_status(1, "Active")
    run, _ = issues.retry(issue, actor=None)
    work_off()

    run.refresh_from_db()
    issue.refresh_from_db()
    assert (run.state, run.companies) == ("succeeded", ["20002"])
    assert issue.state == "closed"


def test_what_is_said_to_be_gone_is_gone_and_the_question_closes(
    connected: Integration, sandbox: SandboxServer
) -> None:
    for record in PsaCompanyRecord.objects.order_by("external_id")[:30]:
        sandbox.psas["connectwise"].change(
            {"do": "delete", "kind": "companies", "id": record.external_id}
        )
    sync(connected)
    questions = {
        row.external_id: row
        for row in selectors.list_issues(connected.tenant, state="open")
        if row.asks_if_gone
    }
    assert "companies" in questions
    assert questions["companies"].fix == (
        "Check that the API user may see all companies in ConnectWise Manage, then press Sync Now. "
        "If they are really gone, an administrator answers “Yes, they are gone…” to the issue about "
        "them."
    )
    assert PsaCompanyRecord.objects.filter(gone_at=None).count() == 40

    run = issues.confirm_gone(questions["companies"], actor=None)
    work_off()

    run.refresh_from_db()
    assert run.state == "succeeded"
    assert PsaCompanyRecord.objects.filter(gone_at=None).count() == 10
    assert not selectors.list_issues(connected.tenant, state="open").exists()


def test_nothing_is_read_again_of_what_is_closed_or_disconnected(tenant: Tenant) -> None:
    integration = make_integration(tenant)
    closed = make_issue(integration, code="too_many_gone")
    issues.close_issues(integration, kind="companies")
    closed.refresh_from_db()
    apart = make_integration(tenant, status=Integration.Status.DISCONNECTED)
    resting = make_issue(apart, company_external_id="7")

    for act, issue, code in (
        (issues.retry, closed, "issue_closed"),
        (issues.confirm_gone, closed, "issue_closed"),
        (issues.retry, resting, "not_connected"),
    ):
        with pytest.raises(DomainError) as error:
            act(issue, actor=None)
        assert error.value.code == code
    with pytest.raises(DomainError) as error:
        issues.retry_all(apart, actor=None)
    assert error.value.code == "not_connected"
    assert not SyncRun.objects.exists()


def test_saying_that_they_are_gone_starts_a_full_run_that_takes_it_so(tenant: Tenant) -> None:
    integration = make_integration(tenant)
    issue = make_issue(integration, code="too_many_gone", external_id="companies", count=30)

    run = issues.confirm_gone(issue, actor=make_member(tenant))

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
    run, _ = runs.start_sync_run(integration=integration)

    with pytest.raises(DomainError) as error:
        issues.confirm_gone(issue, actor=None)

    assert (error.value.code, error.value.status) == ("run_under_way", 409)
    assert error.value.message == (
        "A sync of Our ConnectWise is under way, and it began before you said so."
    )
    assert [row.accept_gone for row in SyncRun.objects.all()] == [{}]
    assert not AuditEvent.objects.exists()
    assert run.pk == SyncRun.objects.get().pk


def test_only_the_question_can_be_answered(tenant: Tenant) -> None:
    with pytest.raises(DomainError) as error:
        issues.confirm_gone(make_issue(make_integration(tenant)), actor=None)

    assert error.value.code == "no_question"
    assert not SyncRun.objects.exists()


def test_a_dismissed_one_is_quiet_until_its_cause_was_gone_and_returned(tenant: Tenant) -> None:
    integration = make_integration(tenant)
    first = make_issue(integration, external_id="7")
    actor = make_member(tenant)

    issues.dismiss(first, actor=actor)
    assert (first.state, first.dismissed_by) == ("dismissed", actor)
    assert make_issue(integration, external_id="7") == first
    first.refresh_from_db()
    assert (first.state, first.times) == ("dismissed", 2)
    assert selectors.count_open_issues(tenant) == 0

    assert issues.close_issues(integration, kind="companies", external_ids={"7"}) == 1
    second = make_issue(integration, external_id="7")

    first.refresh_from_db()
    assert first.state == "closed"
    assert second != first
    assert (second.state, second.times, second.dismissed_by) == ("open", 1, None)
    assert selectors.count_open_issues(tenant) == 1


def test_who_dismissed_first_stays(tenant: Tenant) -> None:
    issue = make_issue(make_integration(tenant))
    first, second = make_member(tenant), make_member(tenant)

    issues.dismiss(issue, actor=first)
    issues.dismiss(issue, actor=second)

    assert issue.dismissed_by == first
    assert AuditEvent.objects.get().actor == first


def test_each_act_is_in_the_audit_trail_and_no_name_of_a_person(tenant: Tenant) -> None:
    integration, actor = make_integration(tenant, name="Our ConnectWise"), make_member(tenant)
    person = make_issue(
        integration,
        kind="contacts",
        external_id="31",
        name="Ada Lovelace",
        company_external_id="7",
    )
    question = make_issue(integration, code="too_many_gone", external_id="")

    read, _ = issues.retry(person, actor=actor)
    issues.dismiss(person, actor=actor)
    gone = issues.confirm_gone(question, actor=actor)
    SyncRun.objects.update(state="succeeded")
    everything, _ = issues.retry_all(integration, actor=actor)

    rows = AuditEvent.objects.exclude(action="sync.started").order_by("id")
    about = {"kind": "contacts", "external_id": "31", "code": "invalid_record"}
    assert [(row.action, row.details) for row in rows] == [
        ("issue.retried", {"issue": str(person.pk), **about, "run": str(read.pk)}),
        ("issue.dismissed", {"issue": str(person.pk), **about}),
        (
            "issue.gone_confirmed",
            {
                "issue": str(question.pk),
                "kind": "companies",
                "external_id": "",
                "code": "too_many_gone",
                "run": str(gone.pk),
            },
        ),
        ("issues.retried", {"run": str(everything.pk)}),
    ]
    trail = AuditEvent.objects.all()
    assert {row.actor for row in trail} == {actor}
    assert {row.subject_name for row in trail} == {"Our ConnectWise"}


def test_the_inbox_knows_the_auditee_or_the_psa_company(
    tenant: Tenant, other_tenant: Tenant
) -> None:
    integration, foreign = make_integration(tenant), make_integration(other_tenant)
    company = make_company(tenant, name="Acme")
    make_link(company, integration, external_id="7")
    make_psa_company(integration, external_id="8", name="Only there")
    make_link(make_company(other_tenant), foreign, external_id="9")
    make_psa_company(foreign, external_id="9")
    for external_id in ("7", "8", "9", ""):
        make_issue(integration, external_id=f"x{external_id}", company_external_id=external_id)

    make_issue(integration, kind="company", external_id="8")  # the company itself
    make_issue(integration, kind="contact", external_id="8")  # only by chance the same id

    rows = selectors.list_issues(tenant, integration=integration)

    assert [
        (row.external_id, row.linked_company_id, row.linked_company_name, row.psa_company_name)
        for row in rows
    ] == [
        ("8", None, None, None),
        ("8", None, None, "Only there"),
        ("x", None, None, None),
        ("x9", None, None, None),
        ("x8", None, None, "Only there"),
        ("x7", company.pk, "Acme", None),
    ]


def test_closed_ones_are_forgotten_with_the_history(tenant: Tenant, settings: Any) -> None:
    integration = make_integration(tenant)
    old, new, still_open = (make_issue(integration) for _ in range(3))
    days = settings.SYNC_HISTORY_DAYS
    Issue.objects.update(first_seen_at=timezone.now() - timedelta(days=days + 9))
    for issue, age in ((old, days + 1), (new, days - 1)):
        Issue.objects.filter(pk=issue.pk).update(closed_at=timezone.now() - timedelta(days=age))

    runs.prune_history()

    assert set(Issue.objects.all()) == {new, still_open}
