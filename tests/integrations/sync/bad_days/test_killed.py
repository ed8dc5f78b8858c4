"""Runs side by side, and killed on any page."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.utils import timezone

from integrations.models import CompanyLink, SyncRun
from integrations.runs.starting import start_sync_run
from integrations.sync import gathering
from integrations.sync.engine import run_sync
from tests.integrations.sync.bad_days.day import Day, Outcome, gone

pytestmark = pytest.mark.once


def test_two_syncs_at_once_are_one(day: Day, outcome: Outcome) -> None:
    first, is_new = start_sync_run(integration=day.integration)
    second, is_second_new = start_sync_run(integration=day.integration)

    assert (is_new, is_second_new) == (True, False)
    assert first.pk == second.pk
    outcome("the same run")


def test_a_run_that_died_on_any_page_goes_on_to_the_same_end(
    day: Day, outcome: Outcome, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Dies before each commit in turn, as a killed worker would, and goes on as another one."""
    monkeypatch.setattr(gathering, "GATHER_SECONDS", 0.0)  # no page lets the next one come with it
    day.small_pages()
    ids = list(CompanyLink.objects.order_by("external_id").values_list("external_id", flat=True))
    for number, external_id in enumerate(ids[::7]):
        day.rename("companies", external_id, f"Renamed {number}")

    class Killed(BaseException):
        pass

    pages: list[str] = []

    def dying(moment: str, subject: str) -> None:
        if moment == "page":
            pages.append(subject)
            if len(pages) % 2:  # the second try is stored, and then the next page is begun
                raise Killed

    run, _ = start_sync_run(integration=day.integration)
    for _ in range(40):
        SyncRun.objects.filter(pk=run.pk, state="running").update(
            lease_until=timezone.now() - timedelta(seconds=1)
        )
        try:
            run_sync(tenant_id=str(run.tenant_id), run_id=str(run.pk), on_moment=dying)
        except Killed:
            continue
        run.refresh_from_db()
        if run.state == "succeeded":
            break

    assert len(pages) / 2 == {"autotask": 17, "connectwise": 21, "kaseya_bms": 18}[day.psa]
    assert run.state == "succeeded"
    assert run.counts["companies"]["seen"] == day.companies
    assert run.counts["companies"]["updated"] == len(ids[::7])
    assert gone() == 0
    assert day.sync().counts["companies"]["unchanged"] == day.companies
    outcome("taken over, same end state, true counts")
