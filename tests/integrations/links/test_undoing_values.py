"""What agreements had said before a link whose reading has written them is said again."""

from __future__ import annotations

from typing import Any

import pytest

from agreements.figures import company_totals
from agreements.models import Agreement, AgreementLine
from companies.models import Company
from integrations.links.linking import unlink_company
from integrations.links.plan_undo import link_to_undo, plan_undo
from integrations.links.undoing import undo_link
from integrations.models import CompanyLink, Integration
from integrations.sandbox.server import SandboxServer
from tests.integrations.links.stories import (
    again,
    by_hand,
    everything,
    linked,
    records_with_money,
)
from tests.syncing import change

COLUMNS = ("id", "external_id", "amount", "name", "status", "synced_at", "gone_at")


@pytest.fixture
def wrong(connected: Integration, sandbox: SandboxServer) -> str:
    return records_with_money(sandbox, "connectwise")[0]


def amounts(company: Company) -> list[str]:
    totals = company_totals(company.tenant, [company.pk])[company.pk]
    return [f"{one['amount']} {one['currency']}" for one in totals]


def said(company: Company) -> list[Any]:
    lines = AgreementLine.objects.filter(agreement__company=company).order_by("id")
    return [
        *Agreement.objects.filter(company=company).order_by("id").values_list(*COLUMNS),
        *lines.values_list("id", "quantity", "unit_price", "units", "gone_at"),
    ]


def raise_prices(sandbox: SandboxServer, company: Company, amount: float) -> None:
    for agreement in Agreement.objects.filter(company=company):
        change(sandbox, "agreements", agreement.external_id, values={"billAmount": amount})


def test_prices_of_a_second_link_leave_with_it(
    connected: Integration, sandbox: SandboxServer, wrong: str
) -> None:
    company = by_hand(connected.tenant)
    nothing = everything(company)
    linked(company, connected, wrong)
    unlink_company(company=again(company), actor=None)
    before, rows = everything(company), said(company)
    assert amounts(company) == ["6345.20 USD"]
    raise_prices(sandbox, company, 5000.0)
    linked(company, connected, wrong)
    assert amounts(company) == ["22469.95 USD"]

    plan = plan_undo(again(company), link_to_undo(company))
    undo_link(company=again(company), actor=None)

    assert [one["amount"] for one in plan.mrr_after] == ["6345.20"]
    assert amounts(company) == ["6345.20 USD"]
    assert (everything(company), said(company)) == (before, rows)
    linked(company, connected, wrong)
    assert amounts(company) == ["22469.95 USD"]
    undo_link(company=again(company), actor=None)
    first = CompanyLink.objects.get(company=company, undone_at=None)
    undo_link(company=again(company), actor=None, link_id=first.pk)
    assert everything(company) == nothing


def test_below_a_later_link_its_undo_leads_back_to_the_values(
    connected: Integration, sandbox: SandboxServer, wrong: str
) -> None:
    company = by_hand(connected.tenant)
    for amount in (1000.0, 2000.0, 5000.0):
        linked(company, connected, wrong)
        if amount < 5000:
            unlink_company(company=again(company), actor=None)
            raise_prices(sandbox, company, amount)
    now = amounts(company)
    second = CompanyLink.objects.filter(company=company).order_by("linked_at")[1]

    undo_link(company=again(company), actor=None, link_id=second.pk)
    assert amounts(company) == now
    undo_link(company=again(company), actor=None)

    assert amounts(company) == ["6345.20 USD"]


def test_lines_that_came_or_changed_are_as_they_were(
    connected: Integration, sandbox: SandboxServer, wrong: str
) -> None:
    company = by_hand(connected.tenant)
    linked(company, connected, wrong)
    unlink_company(company=again(company), actor=None)
    before, rows = everything(company), said(company)
    first = AgreementLine.objects.filter(agreement__company=company).order_by("id")[0]
    link = linked(company, connected, wrong).links.in_force().get()
    AgreementLine.objects.filter(pk=first.pk).update(unit_price="12345.6789", units=None)
    AgreementLine.objects.create(
        tenant=company.tenant,
        agreement=first.agreement,
        external_id="addition-new",
        kind="addition",
    )

    undo_link(company=again(company), actor=None, link_id=link.pk)

    assert (everything(company), said(company)) == (before, rows)
