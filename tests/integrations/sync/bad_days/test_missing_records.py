"""Records that a list loses, hides or moves: gone only when it is certain."""

from __future__ import annotations

from typing import Any

import pytest

from agreements.models import Agreement, CompanyMrr
from integrations.models import CompanyLink, Issue, PsaCompanyRecord, PsaContactRecord
from integrations.runs.starting import start_company_sync
from integrations.sandbox.server import SandboxServer
from tests.integrations.sync.bad_days.day import (
    KINDS,
    LISTS,
    OWNERS,
    Day,
    Outcome,
    gone,
    said,
    stored,
)
from tests.worker import work_off

pytestmark = pytest.mark.once


def test_rows_that_shift_while_paging_delete_nobody_else(day: Day, outcome: Outcome) -> None:
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
    outcome(f"{said(run)}; only the deleted one is gone")


def test_a_row_that_a_list_loses_is_asked_for_before_it_is_gone(
    day: Day, outcome: Outcome, sandbox: SandboxServer
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
    outcome("asked for by id, kept")


def test_a_deleted_company_stays_linked_and_is_flagged(day: Day, outcome: Outcome) -> None:
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
    outcome("gone softly, stays linked, flagged `deleted`")


@pytest.mark.parametrize(
    "trigger",
    [pytest.param("manual", id="Sync Now"), pytest.param("schedule", id="automatic sync")],
)
def test_a_merged_company_is_told_apart_from_a_deleted_one(
    day: Day, outcome: Outcome, trigger: str
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
    outcome("flagged `merged`, into which one; agreements follow")


def test_a_resync_follows_an_agreement_that_has_moved_to_another_company(
    day: Day, outcome: Outcome
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
    assert run.counts["agreements"]["gone"] == 0
    assert (moved.company_id, moved.gone_at) == (into.company_id, None)
    outcome("read with its new company")


@pytest.mark.parametrize("kind", [*LISTS, "lines"])
def test_a_lost_right_ends_partial_names_the_right_and_loses_nothing(
    day: Day, outcome: Outcome, kind: str
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
    outcome(f"{said(run)}, nothing lost")


def one_of(day: Day, kind: str) -> str:
    """The id of a record with money on it, of a company that has others."""
    link = day.linked()
    match kind:
        case "companies":
            return link.external_id
        case "contacts":
            people = PsaContactRecord.objects.filter(company_external_id=link.external_id)
            return people.order_by("external_id")[0].external_id
    counting = Agreement.objects.filter(company=link.company, stored_mrr__minor__gt=0)
    return counting.order_by("external_id")[0].external_id


@pytest.mark.parametrize("kind", LISTS)
def test_a_record_that_is_refused_by_its_id_is_kept_and_said(
    day: Day, outcome: Outcome, kind: str
) -> None:
    before = stored()
    day.fault("refused_records", ids=[one_of(day, kind)])

    run = day.sync()

    assert said(run) == "partial (records_withheld)"
    assert ">" in run.error_fix
    assert ("of MRR" in run.error_message) is (kind != "contacts")
    assert (gone(), stored()) == (0, before)
    day.sandbox.faults.clear()
    assert day.sync().state == "succeeded"
    assert day.issues() == []
    outcome("partial (records_withheld), names the right and the money, nothing lost")


@pytest.mark.parametrize("kind", [*LISTS, pytest.param("", id="all of them")])
def test_a_psa_that_answers_none_wipes_nothing_and_asks_a_person(
    day: Day, outcome: Outcome, kind: str
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
    outcome(f"{said(run)}, nothing lost")


def test_lines_that_are_hidden_silently_cost_no_money(day: Day, outcome: Outcome) -> None:
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
    outcome(f"{said(run)}, nothing lost")


@pytest.mark.parametrize("name", ["refused_right", "empty_answer"])
def test_a_table_that_can_not_be_read_changes_no_money(
    day: Day, outcome: Outcome, name: str
) -> None:
    before = stored()
    day.fault(name, "tables")

    run = day.sync()

    assert run.state == "succeeded"
    assert stored() == before
    stays = "currencies and cycles stay as they were before"
    outcome("it has no such tables" if day.psa == "kaseya_bms" else stays)


def test_what_a_person_says_is_gone_is_gone_and_comes_back(day: Day, outcome: Outcome) -> None:
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
    outcome("gone on a person's word, back when seen")
