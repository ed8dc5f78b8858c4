"""Lists that come in other pages than asked, end too early, or show a record twice."""

from __future__ import annotations

import re
from typing import Any

import pytest

from agreements.models import Agreement, CompanyMrr
from integrations.importing.import_companies import import_companies
from integrations.models import CompanyLink, Issue, PsaCompanyRecord
from integrations.psa import registry
from integrations.runs.starting import start_company_sync
from tests.integrations.sync.bad_days.day import Day, Outcome, gone, said, stored
from tests.worker import work_off


@pytest.mark.parametrize("links", [True, False], ids=["with links", "without links"])
def test_pages_shorter_than_asked_are_not_the_last_ones(
    day: Day, outcome: Outcome, links: bool
) -> None:
    before = stored()
    day.fault("small_pages", most=25, links=links)

    run = day.sync()

    assert said(run) == "succeeded"
    assert stored() == before
    outcome("all of it is read")


@pytest.mark.parametrize("kind", ["companies", "contacts", "agreements", "lines"])
def test_a_list_that_ends_before_its_own_count_is_no_whole_reading(
    day: Day, outcome: Outcome, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    before, size = stored(), 2 if kind == "lines" else 10
    monkeypatch.setattr(registry.get_adapter(day.psa), "page_size", size)
    is_prefix = day.psa == "connectwise" and kind == "agreements"  # of the path to their lines
    path = day.path(kind) + ("$" if is_prefix else "")
    day.sandbox.faults.switch_on("list_ends_early", path=path)

    run = day.sync()

    assert said(run) == "partial (list_ended_early)"
    assert re.search(rf"gave {size} of (\d+) ", run.error_message)
    if kind in {"companies", "contacts"}:
        assert f"10 of {len(before[kind_model(kind)])} {kind}" in run.error_message
    assert gone() == 0
    if kind != "lines":
        assert stored() == before
    outcome("partial (list_ended_early), says N of M, nothing is taken for gone")


def kind_model(kind: str) -> str:
    return {"companies": "PsaCompanyRecord", "contacts": "PsaContactRecord"}[kind]


def test_a_record_that_comes_twice_counts_as_it_was_newest(day: Day, outcome: Outcome) -> None:
    before = stored()
    day.small_pages()
    day.fault("repeated_record", "companies", times=1)

    run = day.sync()

    assert run.state == "succeeded"
    assert stored() == before
    outcome("the newer one by the PSA's stamp")


def test_a_record_that_comes_twice_around_a_wait_counts_as_it_was_newest(
    day: Day, outcome: Outcome
) -> None:
    before = stored()
    day.small_pages()
    day.sandbox.forget_requests()
    day.sync()
    path = day.path("companies").lower()
    lists = [entry for entry in day.sandbox.requests() if entry["path"].lower().endswith(path)]
    day.fault("rate_limited", "companies", after=len(lists) - 3, times=1, retry_after=300)
    day.fault("repeated_record", "companies", times=1)

    run = day.sync()
    assert run.waiting_for
    run = day.go_on(run, clear=False)

    assert run.state == "succeeded"
    assert day.sandbox.faults.listed() == []
    assert stored() == before
    outcome("the newer one by the PSA's stamp")


# Two companies claim one agreement


def owner_and_branch(day: Day) -> tuple[Agreement, CompanyLink, CompanyLink]:
    """An agreement with money in it, its company, and one of another name that is linked too."""
    head = day.linked()
    agreements = Agreement.objects.filter(company=head.company, stored_mrr__minor__gt=0)
    links = CompanyLink.objects.exclude(company__name=head.company.name).order_by("external_id")
    return agreements.order_by("external_id")[0], head, links[0]


def resync(link: CompanyLink) -> Any:
    run, _ = start_company_sync(company=link.company, actor=None)
    work_off()
    run.refresh_from_db()
    return run


def claim(day: Day, agreement: Agreement, branch: CompanyLink) -> None:
    day.sandbox.faults.switch_on(
        "second_claim", account=branch.external_id, contract=agreement.external_id
    )


def test_an_agreement_that_two_companies_show_counts_once_where_its_name_says(
    day: Day, outcome: Outcome
) -> None:
    before = stored()
    if day.psa != "kaseya_bms":
        outcome("each names its company")
        return
    agreement, head, branch = owner_and_branch(day)
    claim(day, agreement, branch)

    for read in (
        day.sync,
        lambda: resync(branch),
        lambda: resync(head),
        lambda: import_companies(
            integration=day.integration, external_ids=[branch.external_id], actor=None
        ),
    ):
        read()
        work_off()
        agreement.refresh_from_db()
        assert (agreement.company_id, agreement.gone_at) == (head.company_id, None)
        assert stored()["mrr"] == before["mrr"]
    assert day.issues() == []
    outcome("counts once, at the head office")


def test_an_agreement_that_two_companies_claim_stays_where_it_was(
    day: Day, outcome: Outcome
) -> None:
    before = stored()
    if day.psa != "kaseya_bms":
        outcome("each names its company")
        return
    agreement, head, branch = owner_and_branch(day)
    day.change("agreements", agreement.external_id, values={"accountName": None})
    claim(day, agreement, branch)

    for run in (resync(branch), day.sync(), resync(head)):
        agreement.refresh_from_db()
        assert run.state == "succeeded"
        assert agreement.company_id == head.company_id
        assert stored()["mrr"] == before["mrr"]

    assert day.issues() == [("agreement", "two_claims")]
    issue = Issue.objects.get(closed_at=None)
    names = PsaCompanyRecord.objects.filter(external_id__in=[head.external_id, branch.external_id])
    assert all(row.name in issue.message for row in names)
    day.sandbox.faults.clear()
    day.sync()
    assert day.issues() == []
    outcome("stays where it was, an issue names both (two_claims)")


# A type that changes


TYPES = {
    "connectwise": {"billingCycle": None},
    "autotask": {"contractType": 3},
    "kaseya_bms": {"contractType": "Time and Material"},
}


def test_an_agreement_that_recurs_no_more_is_listed_and_says_why(
    day: Day, outcome: Outcome
) -> None:
    agreement, head, _ = owner_and_branch(day)
    day.change("agreements", agreement.external_id, values=TYPES[day.psa])

    run = day.sync()

    agreement.refresh_from_db()
    assert run.state == "succeeded"
    assert (agreement.gone_at, agreement.recurring) == (None, False)
    assert agreement.stored_mrr.reason == "not_recurring"
    assert not agreement.stored_mrr.included
    if day.psa == "connectwise":
        outcome("listed, left out (not_recurring)")
        return
    assert agreement.former_type.startswith("Recurring Service")
    assert agreement.type_changed_on == day.tenant.today()
    day.change("agreements", agreement.external_id, values={
        "autotask": {"contractType": 7}, "kaseya_bms": {"contractType": "Recurring Services"},
    }[day.psa])  # fmt: skip
    day.sync()
    agreement.refresh_from_db()
    assert agreement.stored_mrr.included
    assert CompanyMrr.objects.filter(company=head.company).exists()
    outcome("listed, left out (not_recurring), says since when")
