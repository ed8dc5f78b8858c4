"""What a link would change, as a worker finds it out from the PSA."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone
from rest_framework.test import APIClient

from agreements.decisions import choose
from agreements.figures import company_figure
from agreements.models import Agreement
from audit_site.tenants.models import Tenant, User
from companies.models import Company, Contact
from integrations.connecting.lifecycle import disconnect_integration
from integrations.connecting.open_adapter import budget_of
from integrations.links.linking import unlink_company
from integrations.links.previewing import forget_previews, start_preview
from integrations.models import CompanyLink, Integration, LinkPreview
from integrations.sandbox.server import SandboxServer
from tests.clients import V1, api_of, problem
from tests.conftest import TODAY, connect
from tests.factories import make_company, make_link, make_member
from tests.integrations.links.stories import (
    again,
    by_hand,
    everything,
    linked,
    own_values,
    records_with_money,
)
from tests.syncing import change, mrr_of
from tests.worker import work_off


def previewed(company: Company, integration: Integration, external_id: str) -> LinkPreview:
    """What the worker found."""
    preview = start_preview(
        company=company, integration=integration, external_id=external_id, actor=None
    )
    work_off()
    preview.refresh_from_db()
    return preview


def codes(preview: LinkPreview) -> list[str]:
    return [warning["code"] for warning in (preview.found or {})["warnings"]]


@pytest.mark.parametrize("psa", ["autotask", "connectwise", "kaseya_bms"])
def test_it_says_what_the_link_then_does(tenant: Tenant, sandbox: SandboxServer, psa: str) -> None:
    integration = connect(tenant, sandbox, psa)
    for record in records_with_money(sandbox, psa)[:3]:
        company = by_hand(tenant, name="Acme")
        before = (own_values(company), everything(company))

        found = previewed(company, integration, record).found

        assert found is not None
        assert (own_values(company), everything(company)) == before, "nothing is stored"
        linked(company, integration, record)
        company = again(company)
        api = api_of(_member(tenant))
        mrr = api.get(f"{V1}/companies/{company.pk}/mrr/").json()
        assert found["mrr"] == {"before": [], "after": mrr["totals"]}
        assert found["agreements"] == Agreement.objects.filter(company=company).count()
        assert found["contacts"] == Contact.objects.filter(company=company).count() - 1
        changes = {change["field"]: change["after"] for change in found["changes"]}
        assert changes["name"] == company.name
        assert changes["contacts"] == str(len(company.people))
        primary = company.primary
        assert primary is not None
        assert changes["primary_contact"].startswith(primary.full_name)
        assert found["warnings"][0]["code"] == "nothing_in_common"


def _member(tenant: Tenant) -> User:
    return make_member(tenant, "viewer")


def test_of_who_was_linked_before_it_says_what_ends(
    connected: Integration, sandbox: SandboxServer
) -> None:
    first, second = records_with_money(sandbox, "connectwise")[:2]
    company = linked(by_hand(connected.tenant), connected, first)
    unlink_company(company=company, actor=None)
    counted = mrr_of(company)

    preview = previewed(again(company), connected, second)

    assert "former_agreements_end" in codes(preview)
    assert mrr_of(company) == counted != []
    linked(company, connected, second)
    truth = sandbox.psas["connectwise"].truth(TODAY)["companies"][second]["mrr"]
    after = (preview.found or {})["mrr"]["after"]
    assert [(t["currency"], t["amount"]) for t in after] == [
        (t["currency"], t["amount"]) for t in truth
    ]


def totals(rows: Any) -> list[str]:
    return [f"{total['amount']} {total['currency']}" for total in rows]


def decided_and_left(tenant: Tenant, sandbox: SandboxServer, **decided: str) -> list[str]:
    """The MRR of an audITee that was linked, decided about and unlinked; of its preview; and after
    it was linked again.
    """
    record = "29683011"
    fee = {"setupFee": 300}
    sandbox.psas["autotask"].change(
        {"do": "change", "kind": "contracts", "id": "29700113", "values": fee}
    )
    integration = connect(tenant, sandbox, "autotask")
    company = linked(by_hand(tenant), integration, record)
    of_id = {row.external_id: row for row in Agreement.objects.filter(company=company)}
    agreement = of_id["29700113"]
    line = agreement.lines.get(external_id="setup-fee") if "line" in decided else None
    changes = {"force_include": True} if line else {"renews": [of_id[decided["renews"]]]}
    before = totals(company_figure(company).totals)
    choose(agreement=agreement, line=line, actor=None, changes=changes, note="So it is.")
    after = totals(company_figure(again(company)).totals)
    unlink_company(company=again(company), actor=None)

    shown = (previewed(again(company), integration, record).found or {})["mrr"]["after"]

    linked(again(company), integration, record)
    return [*before, *after, *totals(shown), *totals(company_figure(again(company)).totals)]


def test_a_line_that_counts_by_a_decision_counts_in_the_preview(
    tenant: Tenant, sandbox: SandboxServer
) -> None:
    figures = decided_and_left(tenant, sandbox, line="setup-fee")

    assert figures == ["950.00 USD", "1250.00 USD", "1250.00 USD", "1250.00 USD"]


def test_what_was_said_to_be_replaced_is_so_in_the_preview(
    tenant: Tenant, sandbox: SandboxServer
) -> None:
    figures = decided_and_left(tenant, sandbox, renews="29700111")

    assert figures == ["950.00 USD", "770.00 USD", "770.00 USD", "770.00 USD"]


def test_what_else_a_person_should_know(connected: Integration, sandbox: SandboxServer) -> None:
    record = records_with_money(sandbox, "connectwise")[0]
    company = by_hand(connected.tenant, name="Acme")
    for id_ in sandbox.psas["connectwise"].truth(TODAY)["companies"][record]["agreements"]:
        euro = {"currency": {"id": 9, "currencyCode": "EUR"}}
        change(sandbox, "agreements", id_, values=euro)
    change(sandbox, "companies", record, values={"name": "ACME", "status": {"name": "Lost"}})

    assert codes(previewed(company, connected, record)) == [
        "inactive",
        "other_currency",
    ]


def test_lines_that_are_refused_are_said(connected: Integration, sandbox: SandboxServer) -> None:
    record = records_with_money(sandbox, "connectwise")[0]
    sandbox.faults.switch_on("refused_right", path="additions")
    company = by_hand(connected.tenant)

    preview = previewed(company, connected, record)

    assert "lines_refused" in codes(preview)
    assert preview.code == ""


FAULTS = [
    ("server_error", {}, "psa_unavailable"),
    ("bad_keys", {"form": "401"}, "invalid_credentials"),
    ("refused_right", {}, "permission_denied"),
    ("truncated_json", {}, "bad_response"),
]


@pytest.mark.parametrize(("fault", "more", "code"), FAULTS)
def test_what_goes_wrong_at_the_psa_is_in_the_preview(
    connected: Integration, sandbox: SandboxServer, fault: str, more: dict[str, Any], code: str
) -> None:
    record = records_with_money(sandbox, "connectwise")[0]
    company = by_hand(connected.tenant)
    sandbox.faults.switch_on(fault, **more)

    preview = previewed(company, connected, record)

    assert (preview.state, preview.found, preview.code) == ("done", None, code)
    assert preview.message
    assert preview.fix
    assert not CompanyLink.objects.exists()


def test_a_record_that_vanished_is_said_to_be(
    connected: Integration, sandbox: SandboxServer
) -> None:
    record = records_with_money(sandbox, "connectwise")[0]
    change(sandbox, "companies", record, do="delete")

    preview = previewed(by_hand(connected.tenant), connected, record)

    assert (preview.found, preview.code) == (None, "unknown_company")


def test_one_that_was_disconnected_meanwhile(
    connected: Integration, sandbox: SandboxServer
) -> None:
    record = records_with_money(sandbox, "connectwise")[0]
    preview = start_preview(
        company=by_hand(connected.tenant), integration=connected, external_id=record, actor=None
    )
    disconnect_integration(integration=connected, actor=None)

    work_off()

    preview.refresh_from_db()
    assert (preview.state, preview.code) == ("done", "not_connected")


def test_a_psa_that_asks_to_wait_is_waited_for(
    connected: Integration, sandbox: SandboxServer
) -> None:
    record = records_with_money(sandbox, "connectwise")[0]
    sandbox.faults.switch_on("rate_limited", retry_after=300)
    company = by_hand(connected.tenant)

    preview = previewed(company, connected, record)

    assert (preview.state, preview.code) == ("running", "rate_limited")
    assert preview.message.startswith("ConnectWise Manage asks us to wait. This goes on at ")
    sandbox.faults.clear()
    LinkPreview.objects.update(resume_at=None)
    budget_of(connected).forget()
    work_off()
    preview.refresh_from_db()
    assert (preview.state, preview.code, preview.found is not None) == ("done", "", True)


def test_over_rest(
    connected: Integration, sandbox: SandboxServer, api: APIClient, other_tenant: Tenant
) -> None:
    record = records_with_money(sandbox, "connectwise")[0]
    company = by_hand(connected.tenant)
    address = f"{V1}/companies/{company.pk}/link/preview/"
    body = {"integration": str(connected.pk), "external_id": record}

    asked = api.post(address, body)
    again_asked = api.post(address, body)

    assert (asked.status_code, asked.json()["state"]) == (202, "queued")
    assert again_asked.json()["id"] == asked.json()["id"]
    assert (asked.json()["theirs"], asked.json()["mrr"]) == (None, None)
    work_off()
    answer = api.get(f"{address}{asked.json()['id']}/").json()
    assert answer["state"] == "done"
    assert (answer["ours"]["name"], answer["error"], answer["can"]) == ("Acme", None, ["link"])
    assert answer["changes"][0]["before"] == "Acme"
    assert [t["currency"] for t in answer["mrr"]["after"]]
    stranger = by_hand(connected.tenant, name="Another")
    other = f"{V1}/companies/{stranger.pk}/link/preview/{asked.json()['id']}/"
    assert problem(api.get(other)) == (404, "not_found")


def test_what_the_link_refuses_the_preview_refuses(
    connected: Integration, sandbox: SandboxServer, api: APIClient, other_tenant: Tenant
) -> None:
    record = records_with_money(sandbox, "connectwise")[0]
    company, holder = by_hand(connected.tenant), make_company(connected.tenant, name="Owl")
    address = f"{V1}/companies/{company.pk}/link/preview/"
    body = {"integration": str(connected.pk), "external_id": record}
    assert problem(api.post(address, {**body, "external_id": "0"})) == (400, "unknown_company")
    make_link(holder, connected, external_id=record)

    for act in (address, f"{V1}/companies/{company.pk}/link/"):
        refused = api.post(act, body)
        assert problem(refused) == (409, "already_linked")
        assert refused.json()["holder"] == {"id": str(holder.pk), "name": "Owl"}
        assert "is linked to “Owl” already." in refused.json()["detail"]


def test_old_previews_are_forgotten(connected: Integration, sandbox: SandboxServer) -> None:
    record = records_with_money(sandbox, "connectwise")[0]
    old, new = (previewed(by_hand(connected.tenant), connected, record) for _ in range(2))
    LinkPreview.objects.filter(pk=old.pk).update(queued_at=timezone.now() - timedelta(days=2))

    forget_previews()

    assert list(LinkPreview.objects.all()) == [new]
