"""Undoing a link below the ones that followed it: what they have shown stays, and nothing else."""

from __future__ import annotations

import pytest

from agreements.models import Agreement
from companies.models import Company
from integrations.links.linking import link_company, unlink_company
from integrations.links.plan_undo import link_to_undo, plan_undo
from integrations.links.undoing import undo_link
from integrations.models import CompanyLink, Integration
from integrations.sandbox.server import SandboxServer
from tests.integrations.links.stories import (
    again,
    by_hand,
    everything,
    linked,
    own_values,
    records_with_money,
)
from tests.syncing import mrr_of
from tests.worker import work_off


@pytest.fixture
def wrong(connected: Integration, sandbox: SandboxServer) -> str:
    return records_with_money(sandbox, "connectwise")[0]


@pytest.fixture
def right(connected: Integration, sandbox: SandboxServer) -> str:
    return records_with_money(sandbox, "connectwise")[1]


def link_of(company: Company, number: int = 0) -> CompanyLink:
    """The audITee's first link, or its next ones."""
    return CompanyLink.objects.filter(company=company).order_by("linked_at")[number]


def undo(company: Company, number: int = 0) -> None:
    undo_link(company=again(company), actor=None, link_id=link_of(company, number).pk)


def test_a_link_that_was_not_read_yet_keeps_nothing_of_another_record(
    connected: Integration, wrong: str, right: str
) -> None:
    control = linked(by_hand(connected.tenant), connected, right)
    wanted = everything(control)
    unlink_company(company=control, actor=None)
    company = by_hand(connected.tenant)
    before, nothing = own_values(company), everything(company)
    linked(company, connected, wrong)
    unlink_company(company=again(company), actor=None)
    link_company(company=again(company), integration=connected, external_id=right, actor=None)

    plan = plan_undo(again(company), link_to_undo(company, link_of(company).pk))
    undo(company)

    assert plan.mrr_after == []
    assert (Agreement.objects.filter(company=company).count(), mrr_of(company)) == (0, [])
    assert own_values(company)["contacts"] == before["contacts"]
    work_off()
    assert everything(company) == wanted
    assert wanted["stored"] != []
    undo(company, 1)
    assert (own_values(company), everything(company)) == (before, nothing)


def test_what_an_ended_link_to_the_same_record_has_shown_stays(
    connected: Integration, wrong: str
) -> None:
    company = by_hand(connected.tenant)
    before, nothing = own_values(company), everything(company)
    for _ in range(2):
        linked(company, connected, wrong)
        unlink_company(company=again(company), actor=None)
    shown, people = everything(company), own_values(company)
    assert mrr_of(company) == [("USD", "31726/5")]

    undo(company)

    assert (own_values(company), everything(company)) == (people, shown)
    undo(company, 1)
    assert (own_values(company), everything(company)) == (before, nothing)


def test_what_only_the_last_of_three_has_shown_leaves_with_it(
    connected: Integration, sandbox: SandboxServer
) -> None:
    company = by_hand(connected.tenant)
    nothing = everything(company)
    for external_id in records_with_money(sandbox, "connectwise")[:3]:
        linked(company, connected, external_id)
        unlink_company(company=again(company), actor=None)
    shown = mrr_of(company)
    assert shown != []

    undo(company)
    assert mrr_of(company) == shown
    undo(company, 2)
    undo(company, 1)

    assert everything(company) == nothing
    assert Agreement.objects.filter(company=company).count() == 0
