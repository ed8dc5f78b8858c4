"""One record that can't be used costs no other."""

from __future__ import annotations

import pytest

from integrations.models import Issue, PsaCompanyRecord, SyncEvent
from integrations.runs.starting import start_reread
from tests.integrations.sync.bad_days.day import LISTS, Day, Outcome, gone, said, stored
from tests.worker import work_off

pytestmark = pytest.mark.once


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
    day: Day, outcome: Outcome, kind: str, how: str, code: str
) -> None:
    before = stored()
    path = day.path(kind)
    listed = {"kaseya_bms": "/finance/contracts/summary"}.get(day.psa, path)
    at = listed if kind == "agreements" else path
    day.sandbox.faults.switch_on("bad_record", path=f"{at}$", how=how)

    run = day.sync()

    single = {"companies": "company", "contacts": "contact", "agreements": "agreement"}[kind]
    assert run.state == "partial"
    # BMS lists all contracts at once, for each batch of companies: without an id it is refused twice
    twice = (day.psa, kind, how) == ("kaseya_bms", "agreements", "missing_id")
    assert run.counts[kind]["rejected"] == (2 if twice else 1)
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
    outcome("rejected with its id, the rest stored, the old kept")


def test_one_unreadable_company_that_is_read_alone_is_no_outage(day: Day, outcome: Outcome) -> None:
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
    outcome(f"{said(run)}, rejected with its id")


def test_pictures_that_make_a_page_too_heavy_cost_nothing(day: Day, outcome: Outcome) -> None:
    before = stored()
    known = PsaCompanyRecord.objects.order_by("external_id").values_list("external_id", flat=True)
    weights = dict.fromkeys(known[:2], 11 * 1024 * 1024)
    day.fault("heavy_records", "companies", weights=weights)

    run = day.sync()

    assert run.state == "succeeded"
    assert stored() == before
    outcome("read in parts, nothing lost")


def test_a_record_that_is_too_heavy_alone_is_set_aside_by_its_id(
    day: Day, outcome: Outcome
) -> None:
    before = stored()
    heavy = day.linked().external_id
    day.fault("heavy_records", "companies", weights={heavy: 21 * 1024 * 1024})

    run = day.sync()

    assert run.state == "partial"
    assert gone() == 0
    rejected = SyncEvent.objects.filter(run=run, change="rejected", kind="company")
    assert {*rejected.values_list("external_id", "reason_code")} == {(heavy, "invalid_record")}
    assert stored()["PsaCompanyRecord"] == before["PsaCompanyRecord"]
    assert stored()["Agreement"] == before["Agreement"]
    outcome(f"{said(run)}, rejected with its id")
