"""What a PSA's bad day does to a run: its own code, true counts, and nothing lost."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from agreements.models import Agreement, AgreementLine
from companies.models import Company
from integrations.models import Integration, PsaCompanyRecord, PsaContactRecord, SyncEvent, SyncRun
from integrations.sandbox.server import SandboxServer
from integrations.services import leases, runs
from integrations.services.connection import disconnect_integration
from integrations.services.importing import import_companies
from integrations.services.run_writer import RunWriter
from integrations.services.runs import cancel_sync_run, start_sync_run
from integrations.services.sync import run_sync
from tests.integrations.test_sync import import_all, sync
from tests.worker import work_off


def stored() -> Any:
    """Everything that a sync stores, in a form that can be compared."""
    return {
        model.__name__: sorted(
            map(
                str,
                model.objects.values_list(
                    "external_id", "fingerprint", "gone_at" if with_gone else "external_id"
                ),
            )
        )
        for model, with_gone in (
            (PsaCompanyRecord, True),
            (PsaContactRecord, True),
            (Agreement, True),
            (AgreementLine, True),
        )
    }


@pytest.mark.parametrize(
    ("fault", "code"),
    [
        ({"name": "bad_keys"}, "invalid_credentials"),
        ({"name": "bad_keys", "form": "404"}, "invalid_credentials"),
        ({"name": "client_id"}, "client_id_refused"),
        ({"name": "server_error"}, "psa_unavailable"),
        ({"name": "bad_gateway_html"}, "psa_unavailable"),
        ({"name": "maintenance_html"}, "psa_unavailable"),
        ({"name": "dropped_connection"}, "psa_unavailable"),
        ({"name": "truncated_body"}, "psa_unavailable"),
        ({"name": "html_200"}, "bad_response"),
        ({"name": "truncated_json"}, "bad_response"),
        ({"name": "redirect"}, "not_a_psa_server"),
    ],
)
def test_a_lasting_trouble_fails_the_run_with_its_code_and_keeps_everything(
    connected: Integration, sandbox: SandboxServer, fault: dict[str, Any], code: str
) -> None:
    import_all(connected)
    before = stored()
    sandbox.faults.switch_on(**fault)

    run = sync(connected)

    assert (run.state, run.error_code) == ("failed", code)
    assert run.error_message
    assert run.error_fix
    assert stored() == before
    sandbox.faults.clear()
    assert sync(connected).state == "succeeded"


@pytest.mark.django_db(transaction=True)  # a wait is noted from the reading thread
@pytest.mark.parametrize(
    "name",
    [
        "rate_limited",
        "server_error",
        "bad_gateway_html",
        "dropped_connection",
        "truncated_body",
        "truncated_json",
    ],
)
def test_one_passing_trouble_anywhere_costs_nothing(
    connected: Integration, sandbox: SandboxServer, name: str
) -> None:
    for path in ("/company/companies", "/company/contacts", "/finance/agreements", "/additions"):
        sandbox.faults.switch_on(name, path=path, times=1)

    import_all(connected)
    run = sync(connected)

    assert run.state == "succeeded"
    assert PsaCompanyRecord.objects.filter(gone_at=None).count() == 40
    assert not SyncEvent.objects.filter(change__in=["gone", "rejected"]).exists()


def test_a_failure_on_a_later_page_keeps_what_was_stored_and_the_next_run_is_whole(
    tenant: Any, sandbox: SandboxServer, connected: Integration, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("integrations.adapters.connectwise.PAGE_SIZE", 10)
    for number in range(5):
        sandbox.psas["connectwise"].change(
            {
                "do": "change",
                "kind": "companies",
                "id": 20001 + number * 9,
                "values": {"city": "X", "name": f"Renamed {number}"},
            }
        )
    sandbox.faults.switch_on("server_error", path="/company/companies", after=3)

    run = sync(connected)

    assert (run.state, run.error_code) == ("failed", "psa_unavailable")
    assert run.counts["companies"]["seen"] == 20
    assert run.counts["companies"]["updated"] == 3
    sandbox.faults.clear()
    again = sync(connected)
    assert again.counts["companies"] == {
        "seen": 40, "created": 0, "updated": 2, "unchanged": 38, "gone": 0, "rejected": 0,
    }  # fmt: skip


def test_a_long_wait_parks_the_run_and_it_goes_on_where_it_was(
    connected: Integration, sandbox: SandboxServer
) -> None:
    sandbox.faults.switch_on("rate_limited", path="/company/contacts", times=1, retry_after=300)

    run = sync(connected)

    assert run.state == "running"
    assert run.waiting_for == "Waiting for ConnectWise Manage"
    assert timedelta(seconds=250) < run.resume_at - timezone.now() <= timedelta(seconds=300)
    SyncRun.objects.filter(pk=run.pk).update(resume_at=timezone.now())
    sandbox.forget_requests()
    work_off()
    run.refresh_from_db()
    assert run.state == "succeeded"
    assert "/v2025_1/apis/3.0/company/companies" not in {r["path"] for r in sandbox.requests()}


@pytest.mark.parametrize(
    ("how", "code"),
    [("wrong_type", "invalid_record"), ("missing_id", "missing_id"), ("too_long", "too_long")],
)
@pytest.mark.parametrize("path", ["/company/companies", "/company/contacts", "/finance/agreements"])
def test_one_bad_record_is_rejected_by_name_and_its_old_version_kept(
    connected: Integration, sandbox: SandboxServer, path: str, how: str, code: str
) -> None:
    import_all(connected)
    before = stored()
    sandbox.faults.switch_on("bad_record", path=f"{path}$", how=how)

    run = sync(connected)

    kind = path.rsplit("/", maxsplit=1)[-1]
    assert run.state == "partial"
    assert run.counts[kind]["rejected"] >= 1
    assert run.counts[kind]["gone"] == 0
    assert SyncEvent.objects.filter(run=run, change="rejected").first().reason_code == code
    assert {name: rows for name, rows in stored().items() if name != "AgreementLine"} == {
        name: rows for name, rows in before.items() if name != "AgreementLine"
    }


@pytest.mark.parametrize(
    ("path", "kept"),
    [
        ("/company/companies", PsaCompanyRecord),
        ("/company/contacts", PsaContactRecord),
        ("/finance/agreements", Agreement),
    ],
)
def test_a_lost_right_ends_partial_names_the_right_and_loses_nothing(
    connected: Integration, sandbox: SandboxServer, path: str, kept: Any
) -> None:
    import_all(connected)
    sandbox.faults.switch_on("refused_right", path=path)

    run = sync(connected)

    assert (run.state, run.error_code) == ("partial", "permission_denied")
    assert "Inquire All" in run.error_fix
    assert not kept.objects.exclude(gone_at=None).exists()


def test_refused_lines_leave_the_agreement_out_and_keep_the_lines(
    connected: Integration, sandbox: SandboxServer
) -> None:
    import_all(connected)
    lines = AgreementLine.objects.filter(gone_at=None).count()
    sandbox.faults.switch_on("refused_right", path="/additions")

    run = sync(connected)

    assert run.state == "succeeded"
    assert AgreementLine.objects.filter(gone_at=None).count() == lines
    assert Agreement.objects.filter(incomplete=True).exists()


def test_a_row_that_shifts_while_paging_deletes_nobody_else(
    connected: Integration, sandbox: SandboxServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("integrations.adapters.connectwise.PAGE_SIZE", 10)
    sandbox.faults.switch_on("shift_page", path="/company/companies", times=1)

    run = sync(connected)

    assert run.state == "succeeded"
    assert PsaCompanyRecord.objects.exclude(gone_at=None).count() == 0
    again = sync(connected)
    assert again.counts["companies"]["gone"] == 1


def test_a_new_release_in_the_middle_is_followed(
    connected: Integration, sandbox: SandboxServer
) -> None:
    sandbox.faults.switch_on("new_release", path="/company/contacts", times=1)

    run = sync(connected)

    assert run.state == "succeeded"
    connected.refresh_from_db()
    assert connected.memory["base"].endswith("/v2026_1/apis/3.0")


def test_explicit_nulls_change_nothing(connected: Integration, sandbox: SandboxServer) -> None:
    import_all(connected)
    sandbox.faults.switch_on("explicit_nulls")

    run = sync(connected)

    assert sum(count["updated"] for count in run.counts.values()) == 0


def test_a_server_without_forward_only_paging_is_read_whole(
    connected: Integration, sandbox: SandboxServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("integrations.adapters.connectwise.PAGE_SIZE", 10)
    sandbox.faults.switch_on("no_forward_only")

    run = sync(connected)

    assert run.state == "succeeded"
    assert run.counts["companies"]["unchanged"] == 40


def test_two_starts_are_one_run(connected: Integration) -> None:
    first, is_new = start_sync_run(integration=connected)
    second, is_second_new = start_sync_run(integration=connected)

    assert (is_new, is_second_new) == (True, False)
    assert first.pk == second.pk


def test_an_import_beside_a_full_run_has_a_run_of_its_own(connected: Integration) -> None:
    full, _ = start_sync_run(integration=connected)

    result = import_companies(integration=connected, external_ids=["20002"], actor=None)

    assert result.sync_run.pk != full.pk
    work_off()
    company = Company.objects.get()
    assert company.current_link.last_synced_at is not None


def test_a_cancelled_run_stops_and_keeps_what_it_stored(connected: Integration) -> None:
    queued, _ = start_sync_run(integration=connected)

    cancel_sync_run(run=queued, actor=None)
    work_off()

    queued.refresh_from_db()
    assert queued.state == "cancelled"


def test_a_running_run_stops_behind_its_page(connected: Integration) -> None:
    run, _ = start_sync_run(integration=connected)
    claimed = leases.claim(SyncRun, tenant_id=str(run.tenant_id), work_id=str(run.pk))

    cancel_sync_run(run=run, actor=None)

    run.refresh_from_db()
    assert (run.state, run.cancel_requested) == ("running", True)
    assert claimed is not None
    SyncRun.objects.filter(pk=run.pk).update(lease_until=timezone.now() - timedelta(seconds=1))
    run_sync(tenant_id=str(run.tenant_id), run_id=str(run.pk))
    run.refresh_from_db()
    assert run.state == "cancelled"


def test_disconnecting_ends_a_run(connected: Integration) -> None:
    run, _ = start_sync_run(integration=connected)

    disconnect_integration(integration=connected, actor=None)

    run.refresh_from_db()
    assert run.state == "cancelled"


def test_a_worker_whose_lease_ran_out_may_write_no_more(connected: Integration) -> None:
    run, _ = start_sync_run(integration=connected)
    key = {"tenant_id": str(run.tenant_id), "work_id": str(run.pk)}
    slow = leases.claim(SyncRun, **key)
    SyncRun.objects.filter(pk=run.pk).update(lease_until=timezone.now() - timedelta(seconds=1))

    quick = leases.claim(SyncRun, **key)

    assert quick.fence == slow.fence + 1
    with pytest.raises(leases.LeaseLost), RunWriter(slow).page("companies"):
        Company.objects.create(tenant=connected.tenant, name="must not stay")
    assert not Company.objects.exists()
    assert not RunWriter(slow).end("failed")
    assert leases.claim(SyncRun, **key) is None


def test_a_run_that_died_on_any_page_goes_on_to_the_same_end(
    connected: Integration, sandbox: SandboxServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Dies before each commit in turn, as a killed worker would, and goes on as another one."""
    import_all(connected)
    monkeypatch.setattr("integrations.adapters.connectwise.PAGE_SIZE", 10)
    for table in ("companies", "contacts"):
        for record in list(getattr(sandbox.psas["connectwise"].data, table).values())[::7]:
            record["name" if table == "companies" else "firstName"] = "Changed"

    class Killed(BaseException):
        pass

    deaths = 0
    whole = RunWriter.page

    def dying(self: RunWriter, *args: Any, **kwargs: Any) -> Any:
        nonlocal deaths
        if self.run.attempts % 2 == 1 and self.counts and kwargs.get("done", 0) and deaths < 15:
            deaths += 1
            raise Killed
        return whole(self, *args, **kwargs)

    monkeypatch.setattr(RunWriter, "page", dying)
    run, _ = start_sync_run(integration=connected)
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

    assert deaths >= 1
    assert run.state == "succeeded"
    assert run.counts["companies"]["seen"] == 40
    assert run.counts["companies"]["updated"] == 6
    assert PsaCompanyRecord.objects.filter(name="Changed").count() == 6
    assert not PsaCompanyRecord.objects.exclude(gone_at=None).exists()


def test_the_sweeper_sends_again_what_nobody_holds(
    connected: Integration, monkeypatch: pytest.MonkeyPatch
) -> None:
    run, _ = start_sync_run(integration=connected)
    sent: list[tuple[str, ...]] = []
    monkeypatch.setattr(runs, "enqueue", lambda *args: sent.append(args))

    runs.sweep()
    assert sent == []  # its hint may still be on its way
    SyncRun.objects.update(dispatched_at=timezone.now() - timedelta(minutes=1))
    runs.sweep()
    runs.sweep()

    assert sent == [("integrations.run_sync", str(run.tenant_id), str(run.pk))]


def test_history_is_pruned_behind_its_time(connected: Integration, settings: Any) -> None:
    old = SyncRun.objects.get()
    SyncRun.objects.update(finished_at=timezone.now() - timedelta(days=91))
    new = sync(connected)

    runs.prune_history()

    assert list(SyncRun.objects.values_list("pk", flat=True)) == [new.pk]
    assert not SyncEvent.objects.filter(run=old.pk).exists()
