"""Moves to another account: what is proposed, and what of it is confirmed, between any two PSAs."""

from __future__ import annotations

import pytest
from django.utils import timezone
from rest_framework.test import APIClient

from audit_site.tenants.models import AuditEvent, Tenant, User
from integrations.links.undoing import undo_link
from integrations.models import (
    CompanyLink,
    Integration,
    LinkMatching,
    PsaCompanyRecord,
    PsaContactRecord,
)
from integrations.sandbox.server import SandboxServer
from tests.clients import V1, api_of, browser, page_text, problem
from tests.conftest import TODAY, connect
from tests.factories import (
    make_api,
    make_company,
    make_integration,
    make_link,
    make_psa_company,
)
from tests.integrations.links.stories import by_hand, linked, records_with_money
from tests.integrations.matching.moves import Story, confirm, propose, worked_out
from tests.integrations.matching.suggestions import pair
from tests.worker import work_off


def test_proposals_are_pairs_of_two_accounts(api: APIClient, integration: Integration) -> None:
    tenant = integration.tenant
    target = make_integration(tenant, name="The new one")
    company, record = pair(integration, "Amber Vet", email="ada@ambervet.com")
    make_link(company, integration, external_id=record.external_id)
    _, there = pair(target, "Amber Vet", email="bob@ambervet.com")
    make_company(tenant, name="Amber Vet")  # without a link: it has nothing to move

    (row,) = propose(api, integration, target)

    assert (row["kind"], row["from"], row["score"]) == ("move", str(integration.pk), 92)
    assert row["company"]["id"] == str(company.pk)
    assert row["psa_company"]["external_id"] == there.external_id
    (asked,) = api.get(f"{V1}/integrations/{target.pk}/move-links/").json()["results"]
    assert (asked["from"], asked["to"], asked["state"], asked["found"]) == (
        str(integration.pk),
        str(target.pk),
        "done",
        1,
    )
    event = AuditEvent.objects.get(action="integration.moves_asked")
    assert event.after == {"to": str(target.pk), "to_name": "The new one"}


def test_only_what_is_confirmed_moves_and_keeps_its_id(
    api: APIClient, integration: Integration
) -> None:
    target = make_integration(integration.tenant)
    for name in ("Amber Vet", "Zephyr Legal"):
        company, record = pair(integration, name)
        make_link(company, integration, external_id=record.external_id)
        make_psa_company(target, name=name)
    rows = propose(api, integration, target)
    amber = next(row for row in rows if row["company"]["name"] == "Amber Vet")

    body = confirm(api, amber)

    (moved,) = body["linked"]
    assert (moved["id"], moved["link"]["integration"]) == (
        amber["company"]["id"],
        str(target.pk),
    )
    assert body["sync_run"]["integration"] == str(target.pk)
    link = CompanyLink.objects.in_force().get(company=moved["id"])
    assert link.moved_from.integration == integration
    assert link.moved_from.unlinked_at is not None
    others = CompanyLink.objects.in_force().exclude(pk=link.pk)
    assert {one.integration_id for one in others} == {integration.pk}
    assert [row["company"]["name"] for row in rows if row != amber] == ["Zephyr Legal"]
    event = AuditEvent.objects.get(action="company.moved")
    assert (event.before["integration"], event.after["integration"]) == (
        str(integration.pk),
        str(target.pk),
    )


@pytest.mark.parametrize(
    ("what", "code"),
    [("taken", "already_linked"), ("renamed", "suggestion_changed"), ("unlinked", "not_suggested")],
)
def test_a_move_that_changed_meanwhile_changes_nothing(
    api: APIClient, integration: Integration, what: str, code: str
) -> None:
    target = make_integration(integration.tenant)
    company, record = pair(integration, "Amber Vet")
    link = make_link(company, integration, external_id=record.external_id)
    there = make_psa_company(target, name="Amber Vet")
    (row,) = propose(api, integration, target)
    match what:
        case "taken":
            other = make_company(integration.tenant)
            make_link(other, target, external_id=there.external_id)
        case "renamed":
            PsaCompanyRecord.objects.filter(pk=there.pk).update(name="Another")
        case "unlinked":
            CompanyLink.objects.update(unlinked_at=timezone.now())

    body = confirm(api, row)

    assert [one["code"] for one in body["rejected"]] == [code]
    link.refresh_from_db()
    assert (link.unlinked_at is None) == (what != "unlinked")
    assert CompanyLink.objects.filter(company=company).count() == 1


def test_who_may_ask_for_moves_and_what_is_refused(
    integration: Integration, other_tenant: Tenant
) -> None:
    admin, member = make_api(integration.tenant), make_api(integration.tenant, "member")
    target, foreign = make_integration(integration.tenant), make_integration(other_tenant)
    path = f"{V1}/integrations/{integration.pk}/move-links/"

    assert problem(member.post(path, {"to": str(target.pk)})) == (403, "admin_required")
    assert problem(admin.post(path, {"to": str(integration.pk)}))[0] == 400
    assert problem(admin.post(path, {}))[0] == 400
    for unknown in (str(foreign.pk), "no id"):
        answer = admin.post(path, {"to": unknown})
        assert answer.json()["errors"][0]["code"] == "does_not_exist"
    foreign_path = f"{V1}/integrations/{foreign.pk}/move-links/"
    assert problem(admin.post(foreign_path, {"to": str(target.pk)})) == (404, "not_found")
    assert LinkMatching.objects.count() == 0


def test_the_button_of_a_connection_leads_to_the_proposals(
    alex: User, mia: User, integration: Integration
) -> None:
    target = make_integration(integration.tenant, name="The new one")
    company, record = pair(integration, "Amber Vet")
    make_link(company, integration, external_id=record.external_id)
    make_psa_company(target, name="Amber Vet")
    settings = f"/integrations/{integration.pk}/"
    assert "Propose moves" in page_text(browser(alex).get(f"{settings}setup/"))
    assert "Propose moves" not in page_text(browser(mia).get(settings))
    client = browser(alex)

    body = page_text(client.post(f"{settings}move/", {"to": str(target.pk)}, follow=True))
    assert "proposals are being worked out" in body
    worked_out(integration.tenant)

    body = page_text(client.get(f"/import/moves/?integration={target.pk}"))
    assert f"Linked to {integration.name} now" in body
    assert "1 proposal" in body
    assert "Move what is ticked" in body
    old = client.get(f"/link-suggestions/?kind=move&integration={target.pk}")
    assert old["Location"] == f"/import/moves/?integration={target.pk}"
    assert "Proposed moves to another account: 1" in page_text(client.get("/import/?tab=suggested"))


def test_from_a_disconnected_account_audit_ees_move_as_well(
    alex: User, integration: Integration
) -> None:
    target = make_integration(integration.tenant)
    company, record = pair(integration, "Amber Vet")
    make_link(company, integration, external_id=record.external_id)
    make_psa_company(target, name="Amber Vet")
    Integration.objects.filter(pk=integration.pk).update(status="disconnected")

    api = api_of(alex)
    (row,) = propose(api, integration, target)

    assert [one["id"] for one in confirm(api, row)["linked"]] == [str(company.pk)]
    assert "Propose moves" in page_text(browser(alex).get(f"/integrations/{integration.pk}/"))


@pytest.mark.parametrize(
    ("old", "new"), [("autotask", "kaseya_bms"), ("kaseya_bms", "connectwise")]
)
def test_between_any_two_psas_it_is_the_same(
    tenant: Tenant, api: APIClient, sandbox: SandboxServer, old: str, new: str
) -> None:
    source, target = connect(tenant, sandbox, old), connect(tenant, sandbox, new)
    left, there = (records_with_money(sandbox, psa)[0] for psa in (old, new))
    company = linked(by_hand(tenant), source, left)
    rows = PsaCompanyRecord.objects.filter(integration=target, external_id=there)
    rows.update(name=company.name)
    PsaContactRecord.objects.filter(integration=target).update(email="", phone="")
    truth = sandbox.psas[new].truth(TODAY)["companies"][there]["mrr"]
    moving = Story(api, company, source, target, there, api, company)
    before = moving.series()

    moving.move()
    work_off()

    assert moving.figure() == [(one["currency"], one["amount"]) for one in truth]
    assert moving.series()[1:] == before[1:]
    assert CompanyLink.objects.in_force().get(company=company).record == (target.pk, there)
    undo_link(company=company, actor=None)
    work_off()
    assert moving.series() == before
    assert CompanyLink.objects.in_force().get(company=company).record == (source.pk, left)
