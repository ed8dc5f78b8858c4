"""A PSA's bad day, for each PSA: nothing is lost, and the run says what happened.

What each test records as its outcome stands in the table of docs/bad-days.md (`make tables`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import pytest
from django.core.management import call_command
from django.test import override_settings
from django.utils import timezone

from agreements.models import Agreement, AgreementLine, CompanyMrr
from audit_site.tenants.models import Tenant
from companies.models import Company
from integrations.connecting.lifecycle import disconnect_integration, update_integration
from integrations.connecting.open_adapter import budget_of
from integrations.importing.import_companies import import_companies
from integrations.importing.linking import unlink_company
from integrations.models import (
    CompanyLink,
    Integration,
    Issue,
    PsaCompanyRecord,
    PsaContactRecord,
    SyncEvent,
    SyncRun,
)
from integrations.psa import registry
from integrations.runs.starting import start_company_sync, start_reread, start_sync_run
from integrations.sandbox.server import SandboxServer, sandbox_psas
from integrations.sync.engine import run_sync
from integrations.sync.run_writer import RunWriter
from tests.conftest import TODAY, connect
from tests.factories import make_tenant
from tests.worker import work_off

PSAS = sorted(sandbox_psas())
#: Where each PSA lists its records, and what its sandbox calls them and their members.
PATHS = {
    "connectwise": {
        "companies": "/company/companies", "contacts": "/company/contacts",
        "agreements": "/finance/agreements", "lines": "/additions",
        "tables": "/finance/billingCycles",
    },
    "autotask": {
        "companies": "/Companies/query", "contacts": "/Contacts/query",
        "agreements": "/Contracts/query", "lines": "Units/query", "tables": "/Currencies/query",
    },
    "kaseya_bms": {
        "companies": "/crm/accounts/summary", "contacts": "/crm/contacts/summary",
        "agreements": "/finance/contracts", "lines": "/finance/contracts",  # a contract is its line
        "tables": "/no/tables",
    },
}  # fmt: skip
KINDS = {
    "connectwise": {"companies": "companies", "agreements": "agreements"},
    "autotask": {"companies": "companies", "agreements": "contracts"},
    "kaseya_bms": {"companies": "accounts", "agreements": "contracts"},
}
NAMES = {
    "connectwise": {"companies": "name", "agreements": "name"},
    "autotask": {"companies": "companyName", "agreements": "contractName"},
    "kaseya_bms": {"companies": "accountName", "agreements": "contractName"},
}
OWNERS = {"autotask": "companyID", "kaseya_bms": "accountId"}
LISTS = ("companies", "contacts", "agreements")

Told = Callable[[str], None]

pytestmark = pytest.mark.once


class Day:
    """One PSA connected, its companies imported, and ways to make its day a bad one."""

    def __init__(self, sandbox: SandboxServer, psa: str) -> None:
        self.tenant, self.sandbox, self.psa = make_tenant(company_limit=100), sandbox, psa
        self.integration = connect(self.tenant, sandbox, psa)
        ids = PsaCompanyRecord.objects.filter(importable=True).values_list("external_id", flat=True)
        import_companies(integration=self.integration, external_ids=list(ids), actor=None)
        work_off()
        self.companies = PsaCompanyRecord.objects.count()
        self.small_pages: Callable[[], None] = lambda: None

    def begin(self, monkeypatch: pytest.MonkeyPatch) -> Day:
        """A new day, on which nothing has happened yet."""
        self.sandbox.reset()
        budget_of(self.integration).forget()
        self.tenant.refresh_from_db()
        self.integration.refresh_from_db()
        self.small_pages = lambda: monkeypatch.setattr(
            registry.get_adapter(self.psa), "page_size", 10
        )
        return self

    def path(self, kind: str) -> str:
        return PATHS[self.psa][kind]

    def fault(self, name: str, kind: str = "", **options: Any) -> None:
        self.sandbox.faults.switch_on(name, path=self.path(kind) if kind else "", **options)

    def change(self, kind: str, id_: str, do: str = "change", **command: Any) -> None:
        self.sandbox.psas[self.psa].change(
            {"do": do, "kind": KINDS[self.psa][kind], "id": id_, **command}
        )

    def rename(self, kind: str, id_: str, name: str, *, touch: bool = True) -> None:
        self.change(kind, id_, values={NAMES[self.psa][kind]: name}, touch=touch)

    def merge(self, id_: str, into: str) -> None:
        """As the PSAs do it: what hangs on a company moves, and its id is gone."""
        psa: Any = self.sandbox.psas[self.psa]
        if self.psa == "connectwise":
            psa.change({"do": "merge", "kind": "companies", "id": id_, "into": into})
            return
        for kind, index in (
            ("contacts", psa.data.contacts_of),
            ("contracts", psa.data.contracts_of),
        ):
            for moved in list(index[int(id_)]):
                values = {OWNERS[self.psa]: int(into)}
                psa.change({"do": "change", "kind": kind, "id": moved, "values": values})
        self.change("companies", id_, do="delete")

    def start(self, trigger: str = "manual", **over: Any) -> SyncRun:
        self.integration.refresh_from_db()
        run, _ = start_sync_run(integration=self.integration, trigger=trigger)
        if over:
            SyncRun.objects.filter(pk=run.pk).update(**over)
        return run

    def sync(self, trigger: str = "manual", **over: Any) -> SyncRun:
        run = self.start(trigger, **over)
        work_off()
        run.refresh_from_db()
        return run

    def go_on(self, run: SyncRun, *, clear: bool = True) -> SyncRun:
        """The moment has come until which a run was told to wait."""
        if clear:
            self.sandbox.faults.clear()
        Integration.objects.update(paused_until=None)
        budget_of(self.integration).forget()
        SyncRun.objects.filter(resume_at__isnull=False).update(resume_at=timezone.now())
        work_off()
        run.refresh_from_db()
        return run

    def in_the_middle(self) -> SyncRun:
        """A run that has read companies and contacts, and waits before the agreements."""
        self.fault("rate_limited", "agreements", retry_after=300)
        run = self.sync()
        assert (run.state, run.phase) == ("running", "rules")
        return run

    def issues(self) -> list[tuple[str, str]]:
        rows = Issue.objects.filter(integration=self.integration, closed_at=None)
        return list(rows.order_by("kind", "code", "external_id").values_list("kind", "code"))

    def linked(self) -> CompanyLink:
        """A linked company that has an agreement with money in it."""
        chosen = CompanyLink.objects.filter(company__stored_mrr__minor__gt=0, unlinked_at=None)
        return chosen.order_by("external_id")[0]


@pytest.fixture(scope="module", params=PSAS)
def psa(request: Any) -> str:
    key: str = request.param
    return key


@pytest.fixture(scope="module")
def sandbox(psa: str) -> Iterator[SandboxServer]:
    """The sandbox of one PSA, alone: what is not asked for need not be made."""
    with (
        SandboxServer(seed=1, companies=33, today=TODAY, only=psa) as server,
        override_settings(**server.settings()),
    ):
        yield server


@pytest.fixture(scope="module")
def imported(
    psa: str, sandbox: SandboxServer, django_db_setup: None, django_db_blocker: Any
) -> Iterator[Day]:
    """What every day of a PSA begins with: committed once, and each test takes back what it does."""
    with django_db_blocker.unblock():
        yield Day(sandbox, psa)
        call_command("flush", interactive=False, verbosity=0)


@pytest.fixture
def day(imported: Day, db: None, monkeypatch: pytest.MonkeyPatch) -> Day:
    return imported.begin(monkeypatch)


@pytest.fixture
def open_day(imported: Day, monkeypatch: pytest.MonkeyPatch) -> Iterator[Day]:
    """A day that other threads see too: nothing but runs may come of it."""
    before = set(SyncRun.objects.values_list("pk", flat=True))
    yield imported.begin(monkeypatch)
    SyncRun.objects.exclude(pk__in=before).delete()


@pytest.fixture
def told(record_property: Any) -> Told:
    """Keep the outcome for the table."""
    return lambda outcome: record_property("outcome", outcome)


def stored() -> dict[str, list[tuple[Any, ...]]]:
    """Everything that a sync stores and a figure is made of."""
    columns = ("external_id", "fingerprint", "gone_at")
    found = {
        model.__name__: sorted(model.objects.values_list(*columns), key=str)
        for model in (PsaCompanyRecord, PsaContactRecord, Agreement, AgreementLine)
    }
    return {**found, "mrr": sorted(CompanyMrr.objects.values_list("company_id", "exact"), key=str)}


def gone() -> int:
    models: tuple[Any, ...] = (PsaCompanyRecord, PsaContactRecord, Agreement, AgreementLine)
    return sum(model.objects.exclude(gone_at=None).count() for model in models)


def said(run: SyncRun) -> str:
    return f"{run.state} ({run.error_code})" if run.error_code else str(run.state)


# Failures


def test_an_update_between_a_failed_sync_and_the_next_arrives(day: Day, told: Told) -> None:
    whole = day.sync()
    assert (whole.state, whole.reading) == ("succeeded", "full")
    link = day.linked()
    day.fault("server_error", "contacts")
    day.rename("companies", link.external_id, "Renamed Before The Failure")
    failed = day.sync("schedule")
    assert (failed.state, failed.reading) == ("failed", "changes")
    day.integration.refresh_from_db()
    marks = dict(day.integration.watermarks)
    other = CompanyLink.objects.exclude(pk=link.pk).order_by("external_id")[3]
    day.rename("companies", other.external_id, "Renamed Behind The Failure")
    day.sandbox.faults.clear()
    Integration.objects.update(paused_until=None)

    run = day.sync("schedule")

    assert (run.state, run.reading) == ("succeeded", "changes")
    assert run.counts["companies"]["seen"] < day.companies
    names = set(Company.objects.values_list("name", flat=True))
    assert {"Renamed Before The Failure", "Renamed Behind The Failure"} <= names
    day.integration.refresh_from_db()
    assert day.integration.watermarks["companies"] > marks["companies"]
    told("marks stay, both updates arrive")


def test_a_first_sync_that_dies_on_page_3_is_whole_after_the_next(
    day: Day, told: Told, sandbox: SandboxServer
) -> None:
    day.small_pages()
    sandbox.forget_requests()
    connect(make_tenant(), sandbox, day.psa)
    path = day.path("companies").lower()
    asked = sum(entry["path"].lower().endswith(path) for entry in sandbox.requests())
    day.fault("server_error", "companies", after=asked - 2)
    new = make_tenant()

    integration = connect(new, sandbox, day.psa)

    first = SyncRun.objects.for_tenant(new).get()
    assert said(first) == "failed (psa_unavailable)"
    shown = PsaCompanyRecord.objects.for_tenant(new)
    assert shown.count() == first.counts["companies"]["seen"] in {10, 20, 30}
    sandbox.faults.clear()
    run, _ = start_sync_run(integration=integration)
    work_off()
    run.refresh_from_db()
    assert run.state == "succeeded"
    assert shown.count() == day.companies
    assert run.counts["companies"]["created"] == day.companies - first.counts["companies"]["seen"]
    told(f"{said(first)}, then whole")


@pytest.mark.parametrize(
    ("name", "options", "code"),
    [
        pytest.param("server_error", {}, "psa_unavailable", id="500"),
        pytest.param("bad_gateway_html", {}, "psa_unavailable", id="502 with a page of HTML"),
        pytest.param("maintenance_html", {}, "psa_unavailable", id="503 with a page of HTML"),
        pytest.param("dropped_connection", {}, "psa_unavailable", id="dropped connections"),
        pytest.param("truncated_body", {}, "psa_unavailable", id="cut off answers"),
        pytest.param("html_200", {}, "psa_unavailable", id="200 with a page of HTML"),
        pytest.param("blocked", {}, "psa_unavailable", id="a firewall's 403 with a page of HTML"),
        pytest.param(
            "blocked", {"form": "json"}, "psa_unavailable", id="a firewall's 403 in its own JSON"
        ),
        pytest.param("truncated_json", {}, "bad_response", id="half the JSON"),
        pytest.param("redirect", {}, "not_a_psa_server", id="sent elsewhere"),
    ],
)
def test_a_lasting_trouble_fails_the_run_with_its_code_and_keeps_everything(
    day: Day, told: Told, name: str, options: dict[str, Any], code: str
) -> None:
    before = stored()
    day.fault(name, **options)

    run = day.sync()

    assert run.state == "failed"
    assert run.error_code == code
    assert run.error_message
    assert run.error_fix
    assert stored() == before
    assert day.issues() == [("integration", run.error_code)]
    day.sandbox.faults.clear()
    again = day.sync()
    assert again.state == "succeeded"
    assert day.issues() == []
    told(f"{said(run)}, then {said(again)}")


PASSING = {
    "429 with a time to wait": ("rate_limited", {"retry_after": 1}),
    "429 without one": ("rate_limited", {"retry_after": None}),
    "500": ("server_error", {}),
    "502 with a page of HTML": ("bad_gateway_html", {}),
    "dropped connection": ("dropped_connection", {}),
    "cut off answer": ("truncated_body", {}),
    "half the JSON": ("truncated_json", {}),
    "slow drip": ("slow_drip", {"seconds": 0.001}),
}


def test_one_passing_trouble_anywhere_costs_nothing(
    open_day: Day, told: Told, record_property: Any
) -> None:
    """A wait is noted from the thread that reads, so this day is open to others."""
    day, before = open_day, stored()
    for trouble, (name, options) in PASSING.items():
        for kind in LISTS:
            day.fault(name, kind, times=1, **options)

        run = day.sync()

        assert run.state == "succeeded", trouble
        assert day.sandbox.faults.listed() == [], "it has hit each list"
        assert stored() == before, trouble
        assert not SyncEvent.objects.filter(run=run).exists(), trouble
        budget_of(day.integration).forget()
    record_property("variant", "; ".join(PASSING))
    told("survived, nothing lost")


def test_a_long_wait_parks_the_run_and_it_goes_on_where_it_was(
    day: Day, told: Told, sandbox: SandboxServer
) -> None:
    day.fault("rate_limited", "contacts", times=1, retry_after=300)

    run = day.sync()

    assert run.state == "running"
    assert run.waiting_for == f"Waiting for {day.integration.name}"
    assert timedelta(seconds=250) < run.resume_at - timezone.now() <= timedelta(seconds=300)
    sandbox.forget_requests()
    run = day.go_on(run)
    assert run.state == "succeeded"
    asked = {entry["path"].lower() for entry in sandbox.requests()}
    if day.psa == "connectwise":  # the others look currencies up in that list
        assert not [path for path in asked if path.endswith(day.path("companies"))]
    assert run.counts["companies"]["seen"] == day.companies
    told("waits, shows until when, goes on")


def test_a_psa_that_is_down_is_left_alone_until_it_is_asked_again(day: Day, told: Told) -> None:
    day.fault("server_error")
    first, second = day.sync("schedule"), day.sync()
    day.integration.refresh_from_db()
    assert (first.state, second.state, day.integration.failures) == ("failed", "failed", 2)
    pause = day.integration.paused_until - timezone.now()
    assert timedelta(minutes=9) < pause <= timedelta(minutes=10)
    assert Issue.objects.get(closed_at=None).times == 2
    day.sandbox.forget_requests()

    parked = day.sync("schedule")

    assert parked.state == "running"
    assert parked.waiting_for == f"{day.integration.name} is not available"
    assert parked.resume_at >= day.integration.paused_until
    assert day.sandbox.requests() == []
    run = day.go_on(parked)
    assert run.state == "succeeded"
    day.integration.refresh_from_db()
    assert (day.integration.failures, day.integration.paused_until) == (0, None)
    assert day.issues() == []
    told("paused 5, 10 … 60 min, then by itself")


# Missing records


def test_rows_that_shift_while_paging_delete_nobody_else(day: Day, told: Told) -> None:
    day.small_pages()
    day.fault("shift_page", "companies", times=1)

    run = day.sync()

    assert PsaCompanyRecord.objects.exclude(gone_at=None).count() <= 1
    assert run.counts["companies"]["seen"] in {day.companies - 1, day.companies}
    again = day.sync()
    assert again.state == "succeeded"
    lost = PsaCompanyRecord.objects.exclude(gone_at=None)
    assert lost.count() == 1
    assert PsaCompanyRecord.objects.filter(gone_at=None).count() == day.companies - 1
    told(f"{said(run)}; only the deleted one is gone")


def test_a_row_that_a_list_loses_is_asked_for_before_it_is_gone(
    day: Day, told: Told, sandbox: SandboxServer
) -> None:
    """The list skips a company that is there all the same: its id is asked for."""
    link = day.linked()
    psa: Any = sandbox.psas[day.psa]
    records = getattr(psa.data, KINDS[day.psa]["companies"])

    class Forgetful(dict[int, Any]):
        """Shows all but one when listed, and knows that one by its id."""

        def values(self) -> Any:
            return [row for id_, row in self.items() if str(id_) != link.external_id]

    setattr(psa.data, KINDS[day.psa]["companies"], Forgetful(records))

    run = day.sync()

    assert run.state == "succeeded"
    assert run.counts["companies"]["gone"] == 0
    assert gone() == 0
    told("asked for by id, kept")


def test_a_deleted_company_stays_linked_and_is_flagged(day: Day, told: Told) -> None:
    link = day.linked()
    agreements = set(link.company.agreements.values_list("external_id", flat=True))
    day.change("companies", link.external_id, do="delete")

    run = day.sync()

    record = PsaCompanyRecord.objects.get(external_id=link.external_id)
    link.refresh_from_db()
    assert run.state == "succeeded"
    assert record.gone_at is not None
    assert (record.is_merged, link.problem_codes[0]) == (False, "deleted")
    assert link.company.status == "active"
    assert ("company", "deleted") in day.issues()
    assert set(link.company.agreements.values_list("external_id", flat=True)) == agreements
    told("gone softly, stays linked, flagged `deleted`")


@pytest.mark.parametrize(
    "trigger",
    [pytest.param("manual", id="Sync Now"), pytest.param("schedule", id="automatic sync")],
)
def test_a_merged_company_is_told_apart_from_a_deleted_one(
    day: Day, told: Told, trigger: str
) -> None:
    day.sync()
    link = day.linked()
    others = CompanyLink.objects.exclude(pk=link.pk).order_by("external_id")
    into = others.filter(company__stored_mrr__minor__gt=0)[1]
    moved = list(link.company.agreements.values_list("external_id", flat=True))
    day.merge(link.external_id, into.external_id)

    run = day.sync(trigger)
    if trigger == "schedule" and day.psa == "connectwise":  # a merge moves no stamp there
        assert PsaCompanyRecord.objects.get(external_id=link.external_id).gone_at is None
        run = day.sync()

    assert run.state == "succeeded"
    record = PsaCompanyRecord.objects.get(external_id=link.external_id)
    link.refresh_from_db()
    assert record.gone_at is not None
    assert (record.is_merged, record.merged_into) == (True, into.external_id)
    assert link.problem_codes[0] == "merged"
    issue = Issue.objects.get(closed_at=None, kind="company", code="merged")
    assert into.company.name in issue.message
    owners = Agreement.objects.filter(external_id__in=moved, gone_at=None)
    assert set(owners.values_list("company_id", flat=True)) == {into.company_id}
    told("flagged `merged`, into which one; agreements follow")


def test_a_resync_follows_an_agreement_that_has_moved_to_another_company(
    day: Day, told: Told
) -> None:
    link = day.linked()
    into = CompanyLink.objects.exclude(pk=link.pk).order_by("external_id")[2]
    moved = link.company.agreements.order_by("external_id")[0]
    owner: dict[str, Any] = {"company": {"id": int(into.external_id)}}
    if day.psa in OWNERS:
        owner = {OWNERS[day.psa]: int(into.external_id)}
    day.change("agreements", moved.external_id, values=owner)

    run, _ = start_company_sync(company=link.company, actor=None)
    work_off()

    moved.refresh_from_db()
    run.refresh_from_db()
    assert run.state == "succeeded"
    if day.psa == "kaseya_bms":  # no contract there names its account
        assert moved.gone_at is not None
        assert day.sync().state == "succeeded"
        moved.refresh_from_db()
    else:
        assert run.counts["agreements"]["gone"] == 0
    assert (moved.company_id, moved.gone_at) == (into.company_id, None)
    bms = "gone until all is read" if day.psa == "kaseya_bms" else "read with its new company"
    told(bms)


@pytest.mark.parametrize("kind", [*LISTS, "lines"])
def test_a_lost_right_ends_partial_names_the_right_and_loses_nothing(
    day: Day, told: Told, kind: str
) -> None:
    before = stored()
    day.fault("refused_right", kind)

    run = day.sync()

    assert (run.state, run.error_code) == ("partial", "permission_denied")
    assert ">" in run.error_fix
    assert stored() == before
    assert day.issues() == [("integration", "permission_denied")]
    day.sandbox.faults.clear()
    assert day.sync().state == "succeeded"
    assert day.issues() == []
    told(f"{said(run)}, nothing lost")


@pytest.mark.parametrize("kind", [*LISTS, pytest.param("", id="all of them")])
def test_a_psa_that_answers_none_wipes_nothing_and_asks_a_person(
    day: Day, told: Told, kind: str
) -> None:
    before = stored()
    day.fault("empty_answer", kind)

    run = day.sync()

    assert (run.state, run.error_code) == ("partial", "too_many_gone")
    assert stored() == before
    assert {code for kind, code in day.issues() if kind == "integration"} == {"too_many_gone"}
    day.sandbox.faults.clear()
    assert day.sync().state == "succeeded"
    assert day.issues() == []
    told(f"{said(run)}, nothing lost")


def test_lines_that_are_hidden_silently_cost_no_money(day: Day, told: Told) -> None:
    before = stored()
    day.fault("empty_answer", "lines")

    run = day.sync()

    code = "permission_denied" if day.psa == "autotask" else "too_many_gone"
    assert (run.state, run.error_code) == ("partial", code)
    assert stored() == before
    assert day.issues() == [("integration", code)]
    day.sandbox.faults.clear()
    assert day.sync().state == "succeeded"
    assert (day.issues(), stored()) == ([], before)
    told(f"{said(run)}, nothing lost")


@pytest.mark.parametrize("name", ["refused_right", "empty_answer"])
def test_a_table_that_can_not_be_read_changes_no_money(day: Day, told: Told, name: str) -> None:
    before = stored()
    day.fault(name, "tables")

    run = day.sync()

    assert run.state == "succeeded"
    assert stored() == before
    stays = "currencies and cycles stay as they were told before"
    told("it has no such tables" if day.psa == "kaseya_bms" else stays)


def test_what_a_person_says_is_gone_is_gone_and_comes_back(day: Day, told: Told) -> None:
    before = stored()
    day.fault("empty_answer", "agreements")
    assert day.sync().error_code == "too_many_gone"

    known = Agreement.objects.count()
    assert Issue.objects.get(closed_at=None).count == known
    run = day.sync(accept_gone={"agreements": known})

    assert run.state == "succeeded"
    assert not Agreement.objects.filter(gone_at=None).exists()
    assert not CompanyMrr.objects.exclude(minor=0).exists()
    assert day.issues() == []
    day.sandbox.faults.clear()
    back = day.sync()
    assert back.state == "succeeded"
    assert stored() == before
    told("gone on a person's word, back when seen")


# Records


@pytest.mark.parametrize(
    ("how", "code"),
    [
        pytest.param("wrong_type", "invalid_record", id="wrong type"),
        pytest.param("missing_id", "missing_id", id="no id"),
        pytest.param("too_long", "too_long", id="too long"),
    ],
)
@pytest.mark.parametrize("kind", LISTS)
def test_one_bad_record_is_rejected_by_name_and_its_old_version_kept(
    day: Day, told: Told, kind: str, how: str, code: str
) -> None:
    before = stored()
    path = day.path(kind)
    listed = {"kaseya_bms": "/finance/contracts/summary"}.get(day.psa, path)
    at = listed if kind == "agreements" else path
    day.sandbox.faults.switch_on("bad_record", path=f"{at}$", how=how)

    run = day.sync()

    single = {"companies": "company", "contacts": "contact", "agreements": "agreement"}[kind]
    assert run.state == "partial"
    assert run.counts[kind]["rejected"] >= 1
    assert gone() == 0
    rejected = SyncEvent.objects.filter(run=run, change="rejected", kind=single)
    assert code in set(rejected.values_list("reason_code", flat=True))
    assert (single, code) in day.issues()
    assert stored()["PsaCompanyRecord"] == before["PsaCompanyRecord"]
    assert stored()["PsaContactRecord"] == before["PsaContactRecord"]
    assert stored()["Agreement"] == before["Agreement"]
    day.sandbox.faults.clear()
    assert day.sync().state == "succeeded"
    assert day.issues() == []
    assert stored() == before
    told("rejected with its id, the rest stored, the old kept")


# Side by side, and killed


def test_one_unreadable_company_that_is_read_alone_is_no_outage(day: Day, told: Told) -> None:
    link = day.linked()
    day.rename("companies", link.external_id, "x" * 400)

    run, _ = start_reread(integration=day.integration, external_ids=[link.external_id], actor=None)
    work_off()

    run.refresh_from_db()
    day.integration.refresh_from_db()
    assert run.state == "partial"
    assert run.counts["companies"]["rejected"] == 1
    assert (day.integration.failures, day.integration.paused_until) == (0, None)
    assert day.issues() == [("company", "too_long")]
    assert Issue.objects.get(closed_at=None).company_external_id == link.external_id
    told(f"{said(run)}, rejected with its id")


def test_two_syncs_at_once_are_one(day: Day, told: Told) -> None:
    first, is_new = start_sync_run(integration=day.integration)
    second, is_second_new = start_sync_run(integration=day.integration)

    assert (is_new, is_second_new) == (True, False)
    assert first.pk == second.pk
    told("the same run")


def test_a_run_that_died_on_any_page_goes_on_to_the_same_end(
    day: Day, told: Told, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Dies before each commit in turn, as a killed worker would, and goes on as another one."""
    day.small_pages()
    ids = list(CompanyLink.objects.order_by("external_id").values_list("external_id", flat=True))
    for number, external_id in enumerate(ids[::7]):
        day.rename("companies", external_id, f"Renamed {number}")

    class Killed(BaseException):
        pass

    deaths: set[tuple[Any, ...]] = set()
    whole = RunWriter.page

    def dying(self: RunWriter, *args: Any, **kwargs: Any) -> Any:
        page = (*args, kwargs.get("done"))
        if page not in deaths:
            deaths.add(page)
            raise Killed
        return whole(self, *args, **kwargs)

    monkeypatch.setattr(RunWriter, "page", dying)
    run, _ = start_sync_run(integration=day.integration)
    for _ in range(40):
        SyncRun.objects.filter(pk=run.pk, state="running").update(
            lease_until=timezone.now() - timedelta(seconds=1)
        )
        try:
            run_sync(tenant_id=str(run.tenant_id), run_id=str(run.pk))
        except Killed:
            continue
        run.refresh_from_db()
        if run.state == "succeeded":
            break

    assert len(deaths) > 10
    assert run.state == "succeeded"
    assert run.counts["companies"]["seen"] == day.companies
    assert run.counts["companies"]["updated"] == len(ids[::7])
    assert gone() == 0
    assert day.sync().counts["companies"]["unchanged"] == day.companies
    told("taken over, same end state, true counts")


# In the middle of a run


def test_keys_that_are_replaced_in_mid_run(day: Day, told: Told) -> None:
    run = day.in_the_middle()
    secrets = {
        name: value
        for name, value in day.sandbox.credentials(day.psa).items()
        if name in day.integration.credentials
    }
    update_integration(integration=day.integration, actor=None, credentials=secrets)
    day.sandbox.faults.clear()
    work_off()

    run = day.go_on(run)

    assert run.state == "succeeded"
    day.integration.refresh_from_db()
    assert (day.integration.candidate, day.integration.status) == (None, "connected")
    told("goes on with the new ones")


def test_keys_that_are_refused_in_mid_run(day: Day, told: Told) -> None:
    before = stored()
    run = day.in_the_middle()
    day.sandbox.faults.clear()
    day.fault("bad_keys")

    run = day.go_on(run, clear=False)

    day.integration.refresh_from_db()
    assert (run.state, run.error_code) == ("failed", "invalid_credentials")
    assert day.integration.status == "failing"
    assert day.issues() == [("integration", "invalid_credentials")]
    assert stored() == before
    day.sandbox.faults.clear()
    assert day.sync().state == "succeeded"
    day.integration.refresh_from_db()
    assert day.integration.status == "connected"
    assert day.issues() == []
    told(f"{said(run)}, an issue, nothing lost")


def test_a_company_that_is_unlinked_in_mid_run(day: Day, told: Told) -> None:
    run = day.in_the_middle()
    link = day.linked()
    agreement = Agreement.objects.filter(company=link.company).order_by("external_id")[0]
    day.rename("agreements", agreement.external_id, "Not To Be Read", touch=False)
    unlink_company(company=link.company, actor=None)

    run = day.go_on(run)

    assert run.state == "succeeded"
    agreement.refresh_from_db()
    assert agreement.name != "Not To Be Read"
    assert agreement.gone_at is None
    told("left as it was, the rest is read")


def test_an_integration_that_is_disconnected_in_mid_run(day: Day, told: Told) -> None:
    before = stored()
    run = day.in_the_middle()

    disconnect_integration(integration=day.integration, actor=None)

    run = day.go_on(run)
    assert run.state == "cancelled"
    assert stored() == before
    told("cancelled, everything stays")


def test_a_licence_that_is_lowered_in_mid_run(day: Day, told: Told) -> None:
    run = day.in_the_middle()
    active = Company.objects.filter(status="active").count()
    Tenant.objects.filter(pk=day.tenant.pk).update(company_limit=1)

    run = day.go_on(run)

    assert run.state == "succeeded"
    assert Company.objects.filter(status="active").count() == active
    told("nobody is dropped, nobody can be added")


#: What becomes of an address or a token of each PSA while a run uses it.
MOVED: dict[str, tuple[str, dict[str, Any]]] = {
    "connectwise": ("new_release", {"kind": "contacts", "times": 1}),
    "autotask": ("zone_moved", {}),
    "kaseya_bms": ("token_expired", {"kind": "contacts", "times": 1}),
}


def test_an_address_or_token_that_changes_in_mid_run(day: Day, told: Told) -> None:
    name, options = MOVED[day.psa]
    day.fault(name, **options)

    run = day.sync()

    assert run.state == "succeeded"
    assert gone() == 0
    told({"new_release": "the new release is found", "zone_moved": "the new zone is found",
          "token_expired": "a new token is taken"}[name])  # fmt: skip
