"""The wrong link, undone, and the right one: nothing is left of the wrong one, on any day."""

from __future__ import annotations

from datetime import datetime

import pytest
from django.utils import timezone

from agreements.figures import company_totals
from agreements.models import Agreement
from audit_site.tenants.models import AuditEvent, Tenant
from companies.models import Company
from integrations.links.plan_undo import link_to_undo, plan_undo
from integrations.links.undoing import undo_link
from integrations.models import Integration
from integrations.sandbox.server import SandboxServer
from tests.clients import V1
from tests.conftest import connect
from tests.factories import make_api, make_tenant
from tests.integrations.links.stories import (
    a_record_of_12187_60,
    again,
    by_hand,
    everything,
    linked,
    own_values,
    records_with_money,
)
from tests.syncing import mrr_of


def test_the_measured_case(connected: Integration, sandbox: SandboxServer) -> None:
    wrong, right = a_record_of_12187_60(sandbox), records_with_money(sandbox, "connectwise")[1]
    company = by_hand(connected.tenant)
    before = own_values(company)

    linked(company, connected, wrong)
    believed = timezone.now()
    assert company_totals(company.tenant, [company.pk])[company.pk] == [
        {"currency": "USD", "amount": "12187.60"}
    ]
    assert own_values(company)["name"] != "Acme"
    plan = undo_link(company=company, actor=None)

    assert [row.integration_id for row in plan.leaving] == [connected.pk] * len(plan.leaving)
    assert own_values(company) == before
    assert (Agreement.objects.filter(company=company).count(), mrr_of(company)) == (0, [])
    assert everything(again(company))["movements"] == [[], []], "no churn, nothing new"
    linked(company, connected, right)
    other = _linked_at_once(sandbox, "connectwise", right)
    assert everything(again(company)) == everything(other)
    assert own_values(company)["name"] == again(other).name
    _is_told(company, believed)


def _is_told(company: Company, believed: datetime) -> None:
    """What was believed meanwhile is there, as it was said then, and why it changed."""
    api, address = make_api(company.tenant), f"{V1}/companies/{company.pk}"
    known = believed.isoformat().replace("+00:00", "Z")
    meanwhile = api.get(f"{address}/mrr/", {"known_at": known}).json()
    assert [(one["currency"], one["amount"]) for one in meanwhile["totals"]] == [
        ("USD", "12187.60")
    ]
    versions = api.get(f"{address}/versions/").json()["results"]
    kinds = [version["cause"]["kind"] for version in versions]
    assert [kinds[0], kinds[1], kinds[2]] == ["link", "undo_link", "link"]
    undone = versions[1]
    amounts = [[one["amount"] for one in undone[side]] for side in ("mrr_before", "mrr_after")]
    assert amounts == [["12187.60"], []]


def _linked_at_once(sandbox: SandboxServer, psa: str, external_id: str) -> Company:
    tenant = make_tenant(company_limit=100)
    return linked(by_hand(tenant), connect(tenant, sandbox, psa), external_id)


@pytest.mark.parametrize("psa", ["autotask", "connectwise", "kaseya_bms"])
def test_every_day_is_as_if_the_wrong_link_had_never_been(
    tenant: Tenant, sandbox: SandboxServer, psa: str
) -> None:
    integration = connect(tenant, sandbox, psa)
    wrong, right = records_with_money(sandbox, psa)[:2]
    company = by_hand(tenant)
    before, nothing = own_values(company), everything(company)

    linked(company, integration, wrong)
    assert everything(again(company))["stored"] != []
    plan = plan_undo(again(company), link_to_undo(company))
    says = (plan.mrr_before, plan.mrr_after)
    undo_link(company=company, actor=None)

    assert says[0] != []
    assert says[1] == []
    assert own_values(company) == before
    assert everything(again(company)) == nothing
    linked(company, integration, right)
    assert everything(again(company)) == everything(_linked_at_once(sandbox, psa, right))
    acts = AuditEvent.objects.filter(object_id=str(company.pk)).order_by("at")
    assert list(acts.values_list("action", flat=True)) == [
        "company.created",
        "company.linked",
        "company.link_undone",
        "company.linked",
    ]
