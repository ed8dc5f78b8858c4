"""What happens between the pages of a run: other runs, other keys, people who say yes or no."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import pytest
from django.db import OperationalError, connection, connections, transaction
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from agreements.models import Agreement, CompanyMrr
from audit_site.tenants.models import Tenant
from companies.models import Company, Contact
from companies.services import archive_company, restore_company
from integrations.adapters import connectwise
from integrations.connecting import connection_test, lifecycle
from integrations.connecting.lifecycle import update_integration
from integrations.connecting.open_adapter import budget_of
from integrations.connecting.request_budget import Budget
from integrations.importing import import_companies as import_room
from integrations.importing.import_companies import import_companies
from integrations.importing.linking import link_company, unlink_company
from integrations.issues import inbox
from integrations.issues.inbox import KIND_INTEGRATION, IssueReport, raise_issues
from integrations.models import (
    CompanyLink,
    Integration,
    Issue,
    PsaCompanyRecord,
    PsaContactRecord,
    SyncRun,
    SyncRunPage,
)
from integrations.psa.errors import PsaRateLimited, PsaRefused
from integrations.psa.http import retry_after
from integrations.runs import dispatching, leases, schedule, shutdown
from integrations.runs.starting import cancel_sync_run, start_company_sync, start_sync_run
from integrations.sandbox.server import SandboxServer
from integrations.sync import engine, linked_companies, passes
from integrations.sync.absences import Absences
from integrations.sync.engine import run_sync
from integrations.sync.run_writer import RunWriter
from tests.conftest import connect
from tests.factories import make_company, make_integration, make_psa_company, make_tenant
from tests.integrations.test_sync import import_all
from tests.worker import work_off


def synced(integration: Integration, trigger: str = "manual") -> SyncRun:
    integration.refresh_from_db()
    run, _ = start_sync_run(integration=integration, trigger=trigger)
    work_off()
    run.refresh_from_db()
    return run


def change(sandbox: SandboxServer, kind: str, id_: str, do: str = "change", **more: Any) -> Any:
    return sandbox.psas["connectwise"].change({"do": do, "kind": kind, "id": id_, **more})


def open_causes() -> list[tuple[str, str, str]]:
    rows = Issue.objects.filter(closed_at=None)
    return sorted(rows.values_list("kind", "code", "external_id"))


def claimed(integration: Integration, trigger: str = "manual") -> SyncRun:
    run, _ = start_sync_run(integration=integration, trigger=trigger)
    found = leases.claim(SyncRun, tenant_id=str(run.tenant_id), work_id=str(run.pk))
    assert found is not None
    return found


# What a person said


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


def test_what_was_put_aside_and_cured_can_not_be_dismissed_again(connected: Integration) -> None:
    raise_issues(connected, [IssueReport("company", "deleted", "m", external_id="1")])
    Issue.objects.update(closed_at=timezone.now())

    with pytest.raises(inbox.DomainError) as error:
        inbox.dismiss(Issue.objects.get(), actor=None)

    assert error.value.code == "issue_closed"


# Readings of a part


def test_a_resync_that_is_shown_nobody_takes_nobody_away(
    connected: Integration, sandbox: SandboxServer
) -> None:
    import_all(connected)
    before = Contact.objects.filter(gone_at=None).count()
    sandbox.faults.switch_on("empty_answer", path="/company/contacts")

    for link in CompanyLink.objects.select_related("company").order_by("external_id")[:5]:
        start_company_sync(company=link.company, actor=None)
    work_off()

    assert Contact.objects.filter(gone_at=None).count() == before
    states = SyncRun.objects.exclude(company=None).values_list("state", "error_code")
    assert set(states) == {("partial", "too_many_gone")}


def test_a_person_who_moved_leaves_the_company_they_came_from(
    connected: Integration, sandbox: SandboxServer
) -> None:
    import_all(connected)
    left, joined = CompanyLink.objects.select_related("company").order_by("external_id")[:2]
    people = PsaContactRecord.objects.filter(company_external_id=left.external_id, gone_at=None)
    mover = people.order_by("external_id")[0].external_id
    change(sandbox, "contacts", mover, values={"company": {"id": int(joined.external_id)}})

    start_company_sync(company=joined.company, actor=None)
    work_off()

    rows = Contact.objects.filter(external_id=mover, gone_at=None)
    assert list(rows.values_list("company__name", flat=True)) == [joined.company.name]


def test_a_company_that_a_resync_found_gone_can_still_turn_out_merged(
    connected: Integration, sandbox: SandboxServer
) -> None:
    import_all(connected)
    old, new = CompanyLink.objects.select_related("company").order_by("external_id")[:2]
    change(sandbox, "companies", old.external_id, do="merge", into=new.external_id)
    start_company_sync(company=old.company, actor=None)
    work_off()
    assert PsaCompanyRecord.objects.get(external_id=old.external_id).rule_codes[0] == "deleted"

    synced(connected)

    record = PsaCompanyRecord.objects.get(external_id=old.external_id)
    assert (record.rule_codes[0], record.merged_into) == ("merged", new.external_id)


def test_a_full_run_takes_nobody_away_whom_a_resync_has_shown_meanwhile(
    connected: Integration, sandbox: SandboxServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    import_all(connected)
    link = CompanyLink.objects.select_related("company").order_by("external_id")[0]
    whole = passes.SyncPass.settle_absences
    made: list[str] = []

    def between(self: passes.SyncPass) -> None:
        values = {"firstName": "New", "company": {"id": int(link.external_id)}}
        made.append(str(change(sandbox, "contacts", "999999", do="add", values=values)["id"]))
        run, _ = start_company_sync(company=link.company, actor=None)
        run_sync(tenant_id=str(run.tenant_id), run_id=str(run.pk))
        whole(self)

    monkeypatch.setattr(passes.SyncPass, "settle_absences", between)

    assert synced(connected).state == "succeeded"
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


# Readings of what changed


@pytest.mark.parametrize("kind", ["companies", "contacts"])
def test_what_set_the_mark_and_is_deleted_is_found_gone_by_an_automatic_sync(
    connected: Integration, sandbox: SandboxServer, kind: str
) -> None:
    import_all(connected)
    link, other = CompanyLink.objects.select_related("company").order_by("external_id")[:2]
    deleted, kept = (link, other) if kind == "companies" else (other, link)
    people = PsaContactRecord.objects.order_by("external_id")
    person = people.filter(company_external_id=kept.external_id)[0]
    change(sandbox, "companies", deleted.external_id)
    change(sandbox, "contacts", person.external_id)
    synced(connected)
    gone = link.external_id if kind == "companies" else person.external_id
    change(sandbox, kind, gone, do="delete")

    run = synced(connected, "schedule")

    assert (run.reading, run.counts[kind]["gone"]) == ("changes", 1)
    if kind == "companies":
        record = PsaCompanyRecord.objects.get(external_id=gone)
        link.refresh_from_db()
        assert (record.importable, record.rule_codes[0]) == (False, "deleted")
        assert link.problem_codes[0] == "deleted"
    else:
        assert Contact.objects.get(external_id=gone).gone_at is not None
    again = synced(connected, "schedule")  # the mark went back to what is there
    assert again.counts[kind]["seen"] < run.counts[kind]["seen"]


# Issues


def test_rules_of_what_is_not_linked_any_more_are_no_issue(
    connected: Integration, sandbox: SandboxServer
) -> None:
    import_all(connected)
    first, second = CompanyLink.objects.select_related("company").order_by("external_id")[:2]
    for link in (first, second):
        change(sandbox, "companies", link.external_id, do="delete")
    synced(connected)
    assert len(open_causes()) == 2

    unlink_company(company=first.company, actor=None)
    assert [external_id for _, _, external_id in open_causes()] == [second.external_id]
    archive_company(company=second.company, actor=None)
    synced(connected)
    assert open_causes() == []


@pytest.mark.parametrize("trigger", ["manual", "schedule"])
def test_what_a_failed_run_had_stored_is_checked_by_the_next(
    connected: Integration, sandbox: SandboxServer, trigger: str
) -> None:
    """Its company came as it is now, and the run ended before the rules: no next run sees it differ."""
    import_all(connected)
    synced(connected)
    link = CompanyLink.objects.order_by("external_id")[0]
    status = {"status": {"id": 2, "name": "Inactive"}}
    change(sandbox, "companies", link.external_id, values=status)
    sandbox.faults.switch_on("bad_keys", path="/company/contacts", form="401")
    assert synced(connected, trigger).state == "failed"
    assert open_causes() == [("integration", "invalid_credentials", "")]
    sandbox.faults.clear()
    connection_test.start_connection_test(integration=connected, actor=None)
    work_off()

    assert synced(connected, trigger).state == "succeeded"

    assert open_causes() == [("company", "inactive", link.external_id)]


def test_sync_now_mends_what_is_wrong_with_us(
    connected: Integration, sandbox: SandboxServer
) -> None:
    """Also what came to differ while the company was archived: a re-reading sees no difference."""
    import_all(connected)
    synced(connected)
    link = CompanyLink.objects.select_related("company").order_by("external_id")[0]
    archive_company(company=link.company, actor=None)
    values = {"status": {"id": 2, "name": "Inactive"}, "name": "Renamed"}
    change(sandbox, "companies", link.external_id, values=values)
    synced(connected)
    assert open_causes() == []

    restore_company(company=link.company, actor=None)
    synced(connected)

    assert Company.objects.get(pk=link.company_id).name == "Renamed"
    assert open_causes() == [("company", "inactive", link.external_id)]


def test_many_cured_companies_cost_few_statements(connected: Integration) -> None:
    import_all(connected)
    links = CompanyLink.objects.all()
    raise_issues(
        connected,
        [IssueReport("company", "deleted", "m", external_id=r.external_id) for r in links],
    )

    with CaptureQueriesContext(connection) as queries:
        synced(connected)

    written = [q for q in queries if q["sql"].startswith('UPDATE "integrations_issue"')]
    assert len(written) <= 2
    assert open_causes() == []


def test_an_outage_that_another_run_told_of_ends_with_the_next_good_one(
    connected: Integration, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = passes.SyncPass.check_rules

    def between(self: passes.SyncPass) -> None:
        raise_issues(self.integration, [IssueReport(KIND_INTEGRATION, "psa_unavailable", "down")])
        whole(self)

    monkeypatch.setattr(passes.SyncPass, "check_rules", between)

    assert synced(connected).state == "succeeded"
    assert open_causes() == []


def test_a_resync_ends_no_outage_that_lies_in_a_list(
    connected: Integration, sandbox: SandboxServer
) -> None:
    import_all(connected)
    sandbox.faults.switch_on("html_200", path="/company/companies$")
    assert synced(connected).error_code == "bad_response"
    raise_issues(connected, [IssueReport(KIND_INTEGRATION, "psa_unavailable", "down")])
    Integration.objects.update(paused_until=timezone.now())

    assert resync_all(1) == [("succeeded", "")]
    connected.refresh_from_db()
    assert (open_causes(), connected.failures) == ([("integration", "bad_response", "")], 1)

    sandbox.faults.clear()
    assert synced(connected).state == "succeeded"
    raise_issues(
        connected, [IssueReport(KIND_INTEGRATION, "bad_response", "of a run over one company")]
    )
    assert resync_all(1) == [("succeeded", "")]
    connected.refresh_from_db()
    assert (open_causes(), connected.failures) == ([], 0)


def test_what_a_resync_saw_again_is_not_taken_for_cured(
    connected: Integration, sandbox: SandboxServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    import_all(connected)
    person = PsaContactRecord.objects.order_by("external_id")[0]
    change(sandbox, "contacts", person.external_id, values={"firstName": {"x": 1}})
    synced(connected)
    other = SyncRun.objects.order_by("id")[0]
    whole = passes.SyncPass._end_list

    def between(self: passes.SyncPass, kind: str) -> None:
        issue = Issue.objects.get(closed_at=None)
        raise_issues(
            connected, [IssueReport("contact", issue.code, "again", "", person.external_id)], other
        )
        whole(self, kind)

    monkeypatch.setattr(passes.SyncPass, "_end_list", between)
    synced(connected)

    assert [kind for kind, _, _ in open_causes()] == ["contact"]


# Keys, waits, cancels


def test_a_run_with_the_old_keys_says_nothing_about_the_new_ones(connected: Integration) -> None:
    run = claimed(connected)
    newer = {**connected.credentials, "public_key": "new"}
    Integration.objects.update(credentials=newer)

    engine._fail(RunWriter(run), PsaRefused("invalid_credentials", "no"))

    connected.refresh_from_db()
    run.refresh_from_db()
    assert (connected.status, run.state, open_causes()) == ("connected", "running", [])


def test_memory_of_an_old_address_does_not_outlive_it(
    connected: Integration, sandbox: SandboxServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    Integration.objects.update(memory={})
    old = sandbox.credentials("connectwise")["server_url"]
    new = old.replace("127.0.0.1", "localhost")
    check_rules = passes.SyncPass.check_rules

    def move_meanwhile(reading: passes.SyncPass) -> None:
        update_integration(integration=connected, actor=None, credentials={"server_url": new})
        work_off()  # the test of the new address; the run under way is held
        Integration.objects.update(memory={})
        check_rules(reading)

    monkeypatch.setattr(passes.SyncPass, "check_rules", move_meanwhile)

    assert synced(connected).state == "succeeded"

    connected.refresh_from_db()
    assert (connected.credentials["server_url"], connected.memory) == (new, {})


def test_a_run_that_began_with_other_keys_is_no_full_reading(
    connected: Integration, sandbox: SandboxServer
) -> None:
    """New keys may see other records."""
    sandbox.faults.switch_on("rate_limited", path="/company/contacts", retry_after=300)
    run = synced(connected)
    assert run.state == "running"
    sandbox.faults.clear()
    update_integration(integration=connected, actor=None, credentials={"public_key": "no-tables"})
    work_off()
    budget_of(connected).forget()
    SyncRun.objects.filter(pk=run.pk).update(resume_at=timezone.now())

    work_off()

    run.refresh_from_db()
    connected.refresh_from_db()
    assert (run.state, connected.credentials["public_key"]) == ("succeeded", "no-tables")
    assert (connected.full_pass_at, connected.watermarks) == (None, {})
    assert start_sync_run(integration=connected, trigger="schedule")[0].reading == "full"


def resync_all(limit: int = 6) -> list[tuple[str, str]]:
    """Re-sync some companies one after the other; state and code of their runs."""
    SyncRun.objects.exclude(company=None).delete()
    for link in CompanyLink.objects.select_related("company").order_by("external_id")[:limit]:
        start_company_sync(company=link.company, actor=None)
    work_off()
    return list(SyncRun.objects.exclude(company=None).values_list("state", "error_code"))


def signed_in(sandbox: SandboxServer) -> int:
    """How often somebody tried to sign in to BMS since the last time."""
    count = sum(request["path"].endswith("/authenticate") for request in sandbox.requests())
    sandbox.forget_requests()
    return count


def test_refused_keys_are_tried_again_by_a_person_alone(
    tenant: Tenant, sandbox: SandboxServer
) -> None:
    """BMS locks a user at the fifth refusal."""
    bms = connect(tenant, sandbox, "kaseya_bms")
    import_all(bms)
    sandbox.faults.switch_on("bad_keys")
    sandbox.forget_requests()

    assert resync_all() == [("failed", "invalid_credentials")] * 6
    assert signed_in(sandbox) == 1
    assert synced(bms).error_code == "invalid_credentials"
    connection_test.start_connection_test(integration=bms, actor=None)
    work_off()
    assert signed_in(sandbox) == 2
    assert resync_all() == [("failed", "invalid_credentials")] * 6
    assert signed_in(sandbox) == 0
    sandbox.faults.clear()
    assert synced(bms).state == "succeeded"
    assert resync_all(1) == [("succeeded", "")]


def test_other_keys_are_not_taken_for_the_refused_ones(
    tenant: Tenant, sandbox: SandboxServer
) -> None:
    bms = connect(tenant, sandbox, "kaseya_bms")
    import_all(bms)
    sandbox.faults.switch_on("bad_keys")
    assert resync_all(1) == [("failed", "invalid_credentials")]
    sandbox.faults.clear()
    sandbox.faults.switch_on("server_error", path="/userinfo")

    update_integration(integration=bms, actor=None, credentials={"password": "demo-password"})
    work_off()

    bms.refresh_from_db()
    assert bms.status == "failing"
    sandbox.faults.clear()
    assert resync_all(1) == [("succeeded", "")]


def test_keys_that_end_behind_the_list_of_agreements_cost_no_mrr(
    connected: Integration, sandbox: SandboxServer
) -> None:
    """The cloud may answer refused keys with 404, as what is not there."""
    import_all(connected)
    before = sorted(CompanyMrr.objects.values_list("company_id", "exact"))
    sandbox.faults.switch_on("bad_keys", form="404", path="/additions")
    sandbox.faults.switch_on("bad_keys", form="404", path="/company/companies", after=3)

    run = synced(connected)

    assert (run.state, run.error_code) == ("failed", "invalid_credentials")
    assert not Agreement.objects.filter(incomplete=True).exists()
    assert sorted(CompanyMrr.objects.values_list("company_id", "exact")) == before


def test_keys_refused_with_404_make_no_company_gone(
    connected: Integration, sandbox: SandboxServer
) -> None:
    import_all(connected)
    link = CompanyLink.objects.select_related("company").order_by("external_id")[0]
    sandbox.faults.switch_on("bad_keys", form="404")

    run, _ = start_company_sync(company=link.company, actor=None)
    work_off()

    run.refresh_from_db()
    assert (run.state, run.error_code) == ("failed", "invalid_credentials")
    assert PsaCompanyRecord.objects.get(external_id=link.external_id).gone_at is None


def test_a_test_that_finds_a_passing_trouble_leaves_the_schedule_alone(
    connected: Integration,
) -> None:
    test = connection_test.start_connection_test(integration=connected, actor=None)
    test = leases.claim(type(test), tenant_id=str(test.tenant_id), work_id=str(test.pk))
    away = connection_test._check(
        "reach_server", ok=False, code="not_a_psa_server", message="redirect"
    )

    connection_test._conclude(test, [away])

    connected.refresh_from_db()
    assert connected.status == "connected"
    assert schedule.next_at(connected) is not None


def test_who_presses_sync_now_wakes_what_waits_for_a_psa_that_was_down(
    connected: Integration,
) -> None:
    run, _ = start_sync_run(integration=connected, trigger="schedule")
    Integration.objects.update(paused_until=timezone.now() + timedelta(hours=1))
    work_off()
    run.refresh_from_db()
    assert run.resume_at > timezone.now()

    same = synced(connected)

    assert (same.pk, same.state, same.trigger) == (run.pk, "succeeded", "manual")


def test_when_the_pause_is_lifted_what_waited_goes_on(
    connected: Integration, tenant: Any, sandbox: SandboxServer
) -> None:
    run, _ = start_sync_run(integration=connected, trigger="schedule")
    Integration.objects.update(paused_until=timezone.now() + timedelta(hours=1))
    work_off()

    connection_test.start_connection_test(integration=connected, actor=None)
    work_off()

    run.refresh_from_db()
    assert run.state == "succeeded"


def test_a_cancelled_run_is_not_parked_again(
    connected: Integration, sandbox: SandboxServer
) -> None:
    run = claimed(connected)
    cancel_sync_run(run=run, actor=None)

    engine._wait_or_fail(RunWriter(run), PsaRateLimited("wait", retry_after=300))

    run.refresh_from_db()
    assert run.state == "cancelled"


def test_a_run_that_is_cancelled_while_it_waits_leaves_nothing_behind(
    connected: Integration, sandbox: SandboxServer
) -> None:
    sandbox.forget_requests()
    sandbox.faults.switch_on("rate_limited", path="/company/contacts", retry_after=300)
    run = synced(connected)
    assert SyncRunPage.objects.filter(run=run).exists()
    assert run.requests == len(sandbox.requests())

    cancel_sync_run(run=run, actor=None)

    run.refresh_from_db()
    assert (run.state, run.waiting_for) == ("cancelled", "")
    assert not SyncRunPage.objects.filter(run=run).exists()


def test_nobody_waits_longer_than_six_hours(connected: Integration) -> None:
    assert retry_after({"retry-after": "999999999999"}) == 6 * 3600
    assert retry_after({"retry-after": "Wed, 21 Oct 2099 07:28:00 GMT"}) == 6 * 3600


def test_a_run_that_ends_its_worker_again_and_again_is_given_up(connected: Integration) -> None:
    run, _ = start_sync_run(integration=connected)
    SyncRun.objects.filter(pk=run.pk).update(attempts=engine.MOST_ATTEMPTS)

    work_off()

    run.refresh_from_db()
    assert (run.state, run.error_code) == ("failed", "internal_error")


def test_a_shorter_wait_does_not_open_the_gate_of_a_longer_one() -> None:
    budget = Budget("gate", places=4)
    budget.slow_down(120)
    budget.slow_down(None)

    with pytest.raises(PsaRateLimited) as caught, budget.turn():
        raise AssertionError("it is nobody's turn")
    assert caught.value.retry_after > 100
    budget.forget()


def test_runs_that_wait_hold_no_other_integration_up(tenant: Any) -> None:
    now = timezone.now()
    waiting = [make_integration(tenant) for _ in range(2)]
    for integration in waiting:
        run, _ = start_sync_run(integration=integration, trigger="schedule")
        SyncRun.objects.filter(pk=run.pk).update(
            state="running", resume_at=now + timedelta(hours=5), lease_until=None
        )
    due = make_integration(tenant, next_sync_at=now - timedelta(minutes=1))

    schedule.dispatch_due()

    assert SyncRun.objects.filter(integration=due).count() == 1


def test_a_bad_contract_is_told_once(tenant: Any, sandbox: SandboxServer) -> None:
    """Kaseya BMS lists all contracts at once; each batch of companies looks into the same list."""
    integration = connect(tenant, sandbox, "kaseya_bms")
    import_all(integration)
    agreement = Agreement.objects.order_by("external_id")[0]
    sandbox.psas["kaseya_bms"].change(
        {"do": "change", "kind": "contracts", "id": agreement.external_id,
         "values": {"contractName": "x" * 400}}
    )  # fmt: skip

    run = synced(integration)

    assert run.counts["agreements"]["rejected"] == 1
    assert Issue.objects.get(closed_at=None).times == 1


@pytest.mark.django_db(transaction=True)
def test_disconnecting_while_a_run_ends_locks_nobody_out(monkeypatch: pytest.MonkeyPatch) -> None:
    integration = make_integration(make_tenant())
    run = claimed(integration)
    whole = RunWriter.end
    troubles: list[Exception] = []

    def slow(self: RunWriter, *args: Any) -> bool:
        ended = whole(self, *args)
        time.sleep(0.5)
        return ended

    def finish() -> None:
        try:
            engine._succeed(RunWriter(run))
        except Exception as error:  # noqa: BLE001  told to the test
            troubles.append(error)
        finally:
            connections.close_all()

    monkeypatch.setattr(RunWriter, "end", slow)
    thread = threading.Thread(target=finish)
    thread.start()
    time.sleep(0.2)
    lifecycle.disconnect_integration(integration=integration, actor=None)
    thread.join()

    assert troubles == []
    integration.refresh_from_db()
    assert integration.status == "disconnected"


def in_a_thread(work: Callable[[], Any]) -> Callable[[], None]:
    """Work for a thread of its own, which leaves no connection behind."""

    def do() -> None:
        try:
            work()
        finally:
            connections.close_all()

    return do


@pytest.mark.django_db(transaction=True)
def test_disconnecting_while_somebody_imports_locks_nobody_out(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    integration = make_integration(make_tenant(company_limit=9))
    record = make_psa_company(integration)
    create_companies, begun = import_room._create_companies, threading.Event()

    def slow(*args: Any) -> None:
        begun.set()
        time.sleep(0.5)
        create_companies(*args)

    def imports() -> None:
        import_companies(integration=integration, external_ids=[record.external_id], actor=None)

    monkeypatch.setattr(import_room, "_create_companies", slow)
    with ThreadPoolExecutor(1) as pool:
        importer = pool.submit(in_a_thread(imports))
        begun.wait()
        lifecycle.disconnect_integration(integration=Integration.objects.get(), actor=None)
        importer.result()

    assert Integration.objects.get().status == "disconnected"
    assert Company.objects.get().name == record.name


@pytest.mark.django_db(transaction=True)
def test_a_name_that_a_person_gives_behind_an_unlinking_stays(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    integration = make_integration(make_tenant())
    record, company = make_psa_company(integration), make_company(integration.tenant)
    link_company(
        company=company, integration=integration, external_id=record.external_id, actor=None
    )
    adapter: Any = None
    run = claimed(integration)
    reading = passes.SyncPass(run, RunWriter(run), adapter)
    apply_names, begun = linked_companies._apply_names, threading.Event()

    def slow(*args: Any) -> None:
        begun.set()
        time.sleep(0.5)
        apply_names(*args)

    monkeypatch.setattr(linked_companies, "_apply_names", slow)
    with ThreadPoolExecutor(1) as pool:
        page = pool.submit(in_a_thread(reading.check_rules))
        begun.wait()
        unlink_company(company=company, actor=None)
        Company.objects.update(name="A person's")
        page.result()

    assert Company.objects.get().name == "A person's"


@pytest.mark.django_db(transaction=True)
def test_a_beat_that_the_database_misses_costs_nobody_the_work(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    if connection.vendor != "postgresql":
        pytest.skip("SQLite has no connections that can be cut")
    monkeypatch.setattr(leases, "HEARTBEAT_SECONDS", 0.1)
    run = claimed(make_integration(make_tenant()))

    with leases.LeaseKeeper(run):
        for _ in range(3):
            began = timezone.now()
            with connection.cursor() as cursor:
                cursor.execute(
                    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                    " WHERE datname = current_database() AND pid <> pg_backend_pid()"
                )
            deadline = time.monotonic() + 5
            while leases.held(run).get().lease_until < began + leases.LEASE:
                assert time.monotonic() < deadline, "no beat came after the one that was cut"
                time.sleep(0.05)


@pytest.mark.django_db(transaction=True)
def test_a_connection_that_is_cut_in_a_page_costs_the_run_nothing(
    sandbox: SandboxServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    if connection.vendor != "postgresql":
        pytest.skip("SQLite has no connections that can be cut")
    connected = connect(make_tenant(company_limit=100), sandbox, "connectwise")
    run, _ = start_sync_run(integration=connected)
    key = {"tenant_id": str(run.tenant_id), "run_id": str(run.pk)}
    whole = RunWriter.add
    cut: list[str] = []

    def add(self: RunWriter, kind: str, *args: Any, **options: Any) -> None:
        whole(self, kind, *args, **options)
        if kind == "contacts" and not cut:
            cut.append(kind)
            with connection.cursor() as cursor:
                cursor.execute("SELECT pg_terminate_backend(pg_backend_pid())")

    monkeypatch.setattr(RunWriter, "add", add)
    with pytest.raises(OperationalError):
        run_sync(**key)

    run.refresh_from_db()
    assert (run.state, run.counts["contacts"]["seen"]) == ("running", 0)
    assert not Issue.objects.exists()
    SyncRun.objects.update(lease_until=timezone.now() - timedelta(seconds=1))
    run_sync(**key)
    run.refresh_from_db()
    assert run.state == "succeeded"
    assert run.counts["contacts"]["seen"] > 0


@pytest.mark.django_db(transaction=True)
def test_a_run_whose_page_takes_long_holds_no_sweep_up(
    sandbox: SandboxServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    if connection.vendor != "postgresql":
        pytest.skip("SQLite locks no single row")
    connected = [connect(make_tenant(company_limit=9), sandbox, "connectwise") for _ in range(2)]
    slow, dead = (
        SyncRun.objects.create(
            tenant=integration.tenant, integration=integration, state="running",
            lease_until=timezone.now() - timedelta(seconds=1), dispatched_at=None,
        )
        for integration in connected
    )  # fmt: skip
    sent: list[str] = []
    monkeypatch.setattr(
        dispatching, "enqueue", lambda task, tenant_id, run_id, queue: sent.append(run_id)
    )

    def sweep() -> None:
        try:
            dispatching.sweep()
        finally:
            connection.close()

    with ThreadPoolExecutor() as pool, transaction.atomic():
        SyncRun.objects.select_for_update().get(pk=slow.pk)
        pool.submit(sweep).result(timeout=10)

    assert sent == [str(dead.pk)]
    dispatching.sweep()
    assert sent == [str(dead.pk), str(slow.pk)]


def test_an_auditee_that_changes_its_psa_counts_with_the_new_one(
    connected: Integration, sandbox: SandboxServer
) -> None:
    import_all(connected)
    tenant = connected.tenant
    link = CompanyLink.objects.filter(company__stored_mrr__minor__gt=0).order_by("external_id")[0]
    autotask = connect(tenant, sandbox, "autotask")
    ids = PsaCompanyRecord.objects.filter(integration=autotask, importable=True)
    import_companies(
        integration=autotask,
        external_ids=list(ids.values_list("external_id", flat=True)),
        actor=None,
    )
    work_off()
    other = CompanyLink.objects.filter(integration=autotask, company__stored_mrr__minor__gt=0)[0]
    wanted = mrr_of(other.company)
    unlink_company(company=other.company, actor=None)
    unlink_company(company=link.company, actor=None)
    assert mrr_of(link.company) != wanted, "what was read stays until the new PSA was read"

    link_company(
        company=link.company, integration=autotask, external_id=other.external_id, actor=None
    )
    work_off()

    assert mrr_of(link.company) == wanted != []
    left = Agreement.objects.filter(company=link.company, integration=connected)
    assert {row.gone_at is not None for row in left} == {True}
    run = SyncRun.objects.order_by("-queued_at")[0]
    assert run.counts["agreements"]["gone"] == left.count()
    assert (run.state, synced(autotask).counts["agreements"]["gone"]) == ("succeeded", 0)


def test_a_new_psa_that_shows_nothing_takes_nothing(
    connected: Integration, sandbox: SandboxServer
) -> None:
    import_all(connected)
    link = CompanyLink.objects.filter(company__stored_mrr__minor__gt=0).order_by("external_id")[0]
    autotask = connect(connected.tenant, sandbox, "autotask")
    other = PsaCompanyRecord.objects.filter(integration=autotask, importable=True)[0]
    before = mrr_of(link.company)
    unlink_company(company=link.company, actor=None)
    sandbox.faults.switch_on("empty_answer", path="Contracts")

    link_company(
        company=link.company, integration=autotask, external_id=other.external_id, actor=None
    )
    work_off()

    run = SyncRun.objects.order_by("-queued_at")[0]
    assert (run.state, run.error_code) == ("partial", "too_many_gone")
    assert mrr_of(link.company) == before != []


def mrr_of(company: Company) -> list[tuple[str, str]]:
    return sorted(CompanyMrr.objects.filter(company=company).values_list("currency", "exact"))


def test_an_agreement_that_moves_to_a_company_read_before_is_not_gone(
    connected: Integration, sandbox: SandboxServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    import_all(connected)
    links = CompanyLink.objects.filter(company__stored_mrr__minor__gt=0).order_by("id")
    early, late = links.select_related("company")[:2]
    moved = late.company.agreements.order_by("external_id")[0]
    monkeypatch.setattr(passes, "batched", lambda items, size: ([item] for item in items))
    whole = connectwise.ConnectWiseAdapter.agreements
    owner = {"company": {"id": int(early.external_id)}}

    def agreements(self: Any, *, company_ids: Any) -> Any:
        pages = list(whole(self, company_ids=company_ids))
        if list(company_ids) == [early.external_id] and owner:
            change(sandbox, "agreements", moved.external_id, values=dict(owner))
            owner.clear()
        return iter(pages)

    monkeypatch.setattr(connectwise.ConnectWiseAdapter, "agreements", agreements)

    run = synced(connected)

    moved.refresh_from_db()
    assert (run.state, run.counts["agreements"]["gone"]) == ("succeeded", 0)
    assert (moved.company_id, moved.gone_at) == (early.company_id, None)


def test_sync_now_makes_a_small_reading_that_nobody_has_begun_a_full_one(
    connected: Integration,
) -> None:
    small, _ = start_sync_run(integration=connected, trigger="schedule")
    assert small.reading == "changes"

    run, is_new = start_sync_run(integration=connected)

    assert (run.pk, is_new, run.reading, run.followed_by) == (small.pk, False, "full", "")


def test_a_small_reading_under_way_is_followed_by_what_sync_now_asks_for(
    connected: Integration, sandbox: SandboxServer
) -> None:
    small = claimed(connected, "schedule")
    person = PsaContactRecord.objects.order_by("external_id")[0]
    change(sandbox, "contacts", person.external_id, values={"firstName": "Ada"}, touch=False)

    run, is_new = start_sync_run(integration=connected)

    assert (run.pk, is_new, run.reading, run.followed_by) == (small.pk, False, "changes", "manual")
    assert RunWriter(small).end("succeeded")
    work_off()
    person.refresh_from_db()
    assert person.first_name == "Ada"
    runs = SyncRun.objects.exclude(trigger="connect").order_by("queued_at")
    assert list(runs.values_list("reading", "state", "followed_by")) == [
        ("changes", "succeeded", "manual"), ("full", "succeeded", ""),
    ]  # fmt: skip


@pytest.mark.parametrize("how", ["keys", "pause"])
def test_sync_now_on_a_queued_automatic_run_asks_the_psa(
    connected: Integration, sandbox: SandboxServer, how: str
) -> None:
    if how == "keys":
        sandbox.faults.switch_on("bad_keys")
        assert synced(connected).error_code == "invalid_credentials"
        sandbox.faults.clear()
        connected.refresh_from_db()
    else:
        Integration.objects.update(paused_until=timezone.now() + timedelta(minutes=50))
    queued, _ = start_sync_run(integration=connected, trigger="schedule")

    run, _ = start_sync_run(integration=connected)

    assert (run.pk, run.trigger) == (queued.pk, "manual")
    work_off()
    run.refresh_from_db()
    assert run.state == "succeeded"


def test_the_hour_takes_no_sync_now_away(connected: Integration) -> None:
    dying = claimed(connected)
    cancel_sync_run(run=dying, actor=None)
    start_sync_run(integration=connected)
    connected.refresh_from_db()

    start_sync_run(integration=connected, trigger="schedule")

    assert RunWriter(dying).end("cancelled")
    run = SyncRun.objects.order_by("-queued_at")[0]
    assert (run.trigger, run.reading) == ("manual", "full")


def test_what_a_full_run_found_gone_is_not_hidden_by_a_resync(
    connected: Integration, sandbox: SandboxServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    import_all(connected)
    links = CompanyLink.objects.order_by("id").select_related("company")
    x, y = [link for link in links if link.company.agreements.count() >= 2][:2]
    moved = x.company.agreements.order_by("external_id")[0]
    gone = y.company.agreements.order_by("external_id")[0]
    change(sandbox, "agreements", gone.external_id, do="delete")
    full, _ = start_sync_run(integration=connected)
    settle, done = Absences.settle_agreements, list[Any]()

    def slow(self: Any, companies: Any, read: Any) -> None:
        if companies is None and not done:  # all was read; now one moves, and x is re-synced
            done.append(companies)
            to = {"company": {"id": int(y.external_id)}}
            change(sandbox, "agreements", moved.external_id, values=to)
            part, _ = start_company_sync(company=x.company, actor=None)
            run_sync(tenant_id=str(part.tenant_id), run_id=str(part.pk))
        settle(self, companies, read)

    monkeypatch.setattr(Absences, "settle_agreements", slow)
    work_off()

    full.refresh_from_db()
    gone.refresh_from_db()
    moved.refresh_from_db()
    assert (full.state, gone.gone_at is not None) == ("succeeded", True)
    assert (moved.company_id, moved.gone_at) == (y.company_id, None)


def test_sync_now_behind_a_cancel_is_carried_out(connected: Integration) -> None:
    dying = claimed(connected)
    cancel_sync_run(run=dying, actor=None)

    run, is_new = start_sync_run(integration=connected)

    assert (run.pk, is_new, run.followed_by) == (dying.pk, False, "manual")
    assert RunWriter(dying).end("cancelled")
    work_off()
    runs = SyncRun.objects.filter(trigger="manual").order_by("queued_at")
    assert list(runs.values_list("state", flat=True)) == ["cancelled", "succeeded"]


def test_who_cancels_takes_back_what_should_have_followed(connected: Integration) -> None:
    small = claimed(connected, "schedule")
    start_sync_run(integration=connected)

    cancel_sync_run(run=small, actor=None)

    assert RunWriter(small).end("cancelled")
    assert not SyncRun.objects.filter(state__in=SyncRun.ACTIVE_STATES).exists()


def test_connected_anew_while_the_run_before_ends_the_list_is_read(
    connected: Integration, sandbox: SandboxServer
) -> None:
    Integration.objects.update(companies_read_at=None)  # it was the first run
    dying = claimed(connected)
    lifecycle.disconnect_integration(integration=connected, actor=None)
    lifecycle.create_integration(
        tenant=connected.tenant,
        actor=None,
        psa="connectwise",
        credentials=sandbox.credentials("connectwise"),
    )
    work_off()
    dying.refresh_from_db()
    assert (dying.state, dying.followed_by) == ("running", "connect")

    assert RunWriter(dying).end("cancelled")
    work_off()

    run = SyncRun.objects.order_by("-queued_at")[0]
    assert (run.trigger, run.state) == ("connect", "succeeded")


def test_whoever_is_linked_anew_is_read_although_the_run_before_has_not_ended(
    connected: Integration,
) -> None:
    import_all(connected)
    wrong, right = CompanyLink.objects.select_related("company").order_by("external_id")[:2]
    run, _ = start_company_sync(company=wrong.company, actor=None)
    dying = leases.claim(SyncRun, tenant_id=str(run.tenant_id), work_id=str(run.pk))
    assert dying is not None
    unlink_company(company=right.company, actor=None)
    unlink_company(company=wrong.company, actor=None)
    link_company(
        company=wrong.company, integration=connected, external_id=right.external_id, actor=None
    )
    work_off()

    assert RunWriter(dying).end("cancelled")
    work_off()

    link = CompanyLink.objects.get(company=wrong.company, unlinked_at=None)
    assert (link.external_id, link.read_at is not None) == (right.external_id, True)


def test_unlinking_ends_a_resync_that_waits(connected: Integration) -> None:
    import_all(connected)
    link = CompanyLink.objects.select_related("company").order_by("external_id")[0]
    run, _ = start_company_sync(company=link.company, actor=None)

    unlink_company(company=link.company, actor=None)

    run.refresh_from_db()
    assert run.state == "cancelled"


def test_a_psa_that_goes_down_together_with_the_worker_is_no_outage(
    connected: Integration, sandbox: SandboxServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    run, _ = start_sync_run(integration=connected)
    sandbox.faults.switch_on("server_error", path="/contacts")
    hit = sandbox.faults.hit
    hits: list[str] = []

    def told_at_the_third(name: str, path: str) -> Any:
        found = hit(name, path)
        if found and name == "server_error":
            hits.append(path)
            if len(hits) == 3:  # the last try
                shutdown.requested.set()
        return found

    monkeypatch.setattr(sandbox.faults, "hit", told_at_the_third)
    try:
        run_sync(tenant_id=str(run.tenant_id), run_id=str(run.pk))
    finally:
        shutdown.requested.clear()

    assert len(hits) == 3
    run.refresh_from_db()
    connected.refresh_from_db()
    assert (run.state, run.lease_until, run.dispatched_at) == ("running", None, None)
    assert (connected.failures, connected.paused_until) == (0, None)


def test_a_worker_that_is_told_to_end_passes_a_hint_on(connected: Integration) -> None:
    run, _ = start_sync_run(integration=connected)
    shutdown.requested.set()
    try:
        claimed = leases.claim(SyncRun, tenant_id=str(run.tenant_id), work_id=str(run.pk))
    finally:
        shutdown.requested.clear()

    run.refresh_from_db()
    assert (claimed, run.state, run.attempts) == (None, "queued", 0)
    assert run.dispatched_at is None, "the next sweep sends it again"


def test_a_run_that_is_taken_over_behind_the_rules_has_forgotten_what_is_not_linked(
    connected: Integration, sandbox: SandboxServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    import_all(connected)
    link = CompanyLink.objects.select_related("company").order_by("external_id")[0]
    change(sandbox, "companies", link.external_id, do="delete")
    synced(connected)
    archive_company(company=link.company, actor=None)
    assert len(open_causes()) == 1
    connected.refresh_from_db()
    run, _ = start_sync_run(integration=connected)
    whole = RunWriter.end_phase

    def told(self: RunWriter, phase: str) -> None:
        whole(self, phase)
        if phase == "rules":
            shutdown.requested.set()

    monkeypatch.setattr(RunWriter, "end_phase", told)
    try:
        run_sync(tenant_id=str(run.tenant_id), run_id=str(run.pk))
    finally:
        shutdown.requested.clear()
    monkeypatch.setattr(RunWriter, "end_phase", whole)
    work_off()

    run.refresh_from_db()
    assert (run.state, run.attempts) == ("succeeded", 2)
    assert open_causes() == []
