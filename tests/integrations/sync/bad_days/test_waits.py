"""A PSA that answers some questions and then asks to wait, again and again: nothing is asked twice."""

from __future__ import annotations

import pytest

from integrations.models import CompanyLink, SyncRun, SyncRunPage
from integrations.runs.starting import start_reread
from tests.integrations.sync.bad_days.day import Day, Outcome, stored
from tests.worker import work_off

pytestmark = pytest.mark.once
MOST_WAITS = 60


def answered(day: Day, kind: str) -> int:
    """How many questions about a kind the PSA has answered since this was asked last."""
    path = day.path(kind).lower()
    found = [entry["status"] for entry in day.sandbox.requests() if path in entry["path"].lower()]
    day.sandbox.forget_requests()
    return found.count(200)


def waited_out(day: Day, run: SyncRun) -> int:
    """Let a run wait as often as it is asked to; how often that was."""
    work_off()
    run.refresh_from_db()
    waits = 0
    while run.state == "running" and waits < MOST_WAITS:
        assert run.waiting_for == f"Waiting for {day.integration.name}"
        waits += 1
        run = day.go_on(run, clear=False)
    return waits


def test_waits_inside_the_agreements_of_some_companies_throw_nothing_away(
    day: Day, outcome: Outcome
) -> None:
    day.small_pages()
    before = stored()
    answered(day, "lines")
    day.sync()
    questions = answered(day, "lines")
    day.fault("quota", "lines", allowed=max(questions // 5, 1))

    run = day.start()
    waits = waited_out(day, run)

    run.refresh_from_db()
    assert run.state == "succeeded"
    assert waits >= 4
    assert answered(day, "lines") == questions
    assert stored() == before
    assert not SyncRunPage.objects.filter(run=run).exists()
    outcome("waits, each line is read once, nothing lost")


def test_waits_inside_the_contacts_of_some_companies_throw_nothing_away(
    day: Day, outcome: Outcome
) -> None:
    day.small_pages()
    before = stored()
    links = CompanyLink.objects.order_by("external_id").values_list("external_id", flat=True)
    answered(day, "contacts")
    start_reread(integration=day.integration, external_ids=list(links), actor=None)
    work_off()
    questions = answered(day, "contacts")
    day.fault("quota", "contacts", allowed=max(questions // 3, 1))

    run, _ = start_reread(integration=day.integration, external_ids=list(links), actor=None)
    waits = waited_out(day, run)

    run.refresh_from_db()
    assert run.state == "succeeded"
    assert waits >= 2
    assert answered(day, "contacts") == questions
    assert stored() == before
    outcome("waits, each page is read once, nothing lost")


def test_waits_while_missing_records_are_asked_for_go_on_behind_them(
    day: Day, outcome: Outcome
) -> None:
    ids = CompanyLink.objects.order_by("external_id").values_list("external_id", flat=True)[:8]
    for external_id in list(ids):
        day.change("companies", external_id, do="delete")
    day.fault("quota", "companies", allowed=2)

    run = day.start()
    waits = waited_out(day, run)

    run.refresh_from_db()
    assert run.state == "succeeded"
    assert waits >= 3
    assert run.counts["companies"]["gone"] == 8
    outcome("waits, each is asked for once")
