"""A phase is one object; the order of a run and what its page shows come from one list."""

from __future__ import annotations

from typing import ClassVar

import pytest

from integrations.kinds import LINES
from integrations.models import Integration, SyncRun
from integrations.runs.starting import start_sync_run
from integrations.sync import engine
from integrations.sync.company_sync import CompanySync
from integrations.sync.full_sync import FullSync
from integrations.sync.phase import Phase
from integrations.web.run_progress import live
from tests.worker import work_off


def test_phases_have_an_order_and_titles() -> None:
    assert [(phase.name, phase.title) for phase in FullSync.phases] == [
        ("companies", "Reading companies"),
        ("contacts", "Reading contacts"),
        ("absences", "Settling what is gone"),
        ("rules", "Checking the import rules"),
        ("agreements", "Reading agreements and lines"),
    ]
    assert [(phase.name, phase.title) for phase in CompanySync.phases] == [
        ("companies", "Reading companies"),
        ("contacts", "Reading contacts"),
        ("rules", "Checking the import rules"),
        ("agreements", "Reading agreements and lines"),
    ]


@pytest.mark.parametrize(
    ("sync", "counted"),
    [
        (FullSync, ["companies", "contacts", None, None, "companies"]),
        (CompanySync, ["companies", None, None, "companies"]),
    ],
)
def test_phases_say_what_they_count(sync: type, counted: list[str | None]) -> None:
    assert [phase.counted and phase.counted.name for phase in sync.phases] == counted


class Counting(Phase):
    """A phase as a later release may add it."""

    name = "lines"
    title = "Counting lines"
    counted = LINES
    carried_out: ClassVar[list[str]] = []

    def run(self) -> None:
        with self.writer.page(self.name, done=7, total=9):
            self.carried_out.append(str(self.sync_run.pk))
        status = live(SyncRun.objects.get(pk=self.sync_run.pk))
        self.carried_out += [status.step, status.title, status.numbers]


class LongerSync(FullSync):
    phases = (*FullSync.phases[:3], Counting, *FullSync.phases[3:])


def test_a_phase_more_is_a_place_in_the_list(
    connected: Integration, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Counting, "carried_out", [])
    monkeypatch.setitem(engine.SYNCS, SyncRun.Scope.ALL, LongerSync)
    run, _ = start_sync_run(integration=connected)

    work_off()

    run.refresh_from_db()
    assert run.state == "succeeded"
    assert Counting.carried_out == [str(run.pk), "Step 4 of 6", "Counting lines", "7 of 9 lines"]
    assert run.checkpoint["done"] == [phase.name for phase in LongerSync.phases]
