"""Syncs that fail, wait, or are refused: the next one is whole."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from companies.models import Company
from integrations.connecting.open_adapter import budget_of
from integrations.models import (
    CompanyLink,
    Integration,
    Issue,
    PsaCompanyRecord,
    SyncEvent,
    SyncRun,
)
from integrations.runs.starting import start_sync_run
from integrations.sandbox.server import SandboxServer
from tests.conftest import connect
from tests.factories import make_tenant
from tests.integrations.sync.bad_days.day import LISTS, Day, Outcome, said, stored
from tests.worker import work_off

pytestmark = pytest.mark.once


def test_an_update_between_a_failed_sync_and_the_next_arrives(day: Day, outcome: Outcome) -> None:
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
    outcome("marks stay, both updates arrive")


def test_a_first_sync_that_dies_on_page_3_is_whole_after_the_next(
    day: Day, outcome: Outcome, sandbox: SandboxServer
) -> None:
    day.small_pages()
    sandbox.forget_requests()
    connect(make_tenant(), sandbox, day.psa)
    path = day.path("companies").lower()
    asked = sum(path in entry["path"].lower() for entry in sandbox.requests())
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
    outcome(f"{said(first)}, then whole")


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
        pytest.param(
            "blocked", {"after": 3}, "psa_unavailable", id="a firewall from one moment of a run on"
        ),
        pytest.param("truncated_json", {}, "bad_response", id="half the JSON"),
        pytest.param("redirect", {}, "not_a_psa_server", id="sent elsewhere"),
    ],
)
def test_a_lasting_trouble_fails_the_run_with_its_code_and_keeps_everything(
    day: Day, outcome: Outcome, name: str, options: dict[str, Any], code: str
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
    outcome(f"{said(run)}, then {said(again)}")


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
    open_day: Day, outcome: Outcome, record_property: Any
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
    outcome("survived, nothing lost")


def test_a_long_wait_parks_the_run_and_it_goes_on_where_it_was(
    day: Day, outcome: Outcome, sandbox: SandboxServer
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
    outcome("waits, shows until when, goes on")


def test_a_psa_that_is_down_is_left_alone_until_it_is_asked_again(
    day: Day, outcome: Outcome
) -> None:
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
    outcome("paused 5, 10 … 60 min, then by itself")
