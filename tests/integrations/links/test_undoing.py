"""Undoing a link, whatever has happened since it was made."""

from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import date
from typing import Any

import pytest

from agreements.decisions import choose
from agreements.figures import company_figure, company_totals
from agreements.history import shown_versions, versions_of
from agreements.models import Agreement, AgreementChoices, ChoiceRecord
from agreements.typed import add_agreement
from audit_site.errors import DomainError
from audit_site.privacy.contact_erasure import erase_contact
from audit_site.tenants.models import AuditEvent, Tenant, User
from companies.models import Company, Contact, PrimaryChoice
from companies.names import names_at
from companies.primary import choose_primary
from companies.services import archive_company, update_company
from integrations.connecting.lifecycle import disconnect_integration
from integrations.connecting.open_adapter import open_adapter
from integrations.links.linking import link_company, unlink_company
from integrations.links.plan_undo import link_to_undo, plan_undo
from integrations.links.previewing import start_preview
from integrations.links.undoing import undo_link
from integrations.models import CompanyLink, Integration, SyncRun
from integrations.runs import leases
from integrations.runs.starting import start_company_sync
from integrations.sandbox.server import SandboxServer
from integrations.sync.agreements_phase import SomeAgreementsPhase
from integrations.sync.run_writer import RunCancelled, RunWriter
from tests.concurrency import at_once, in_a_thread
from tests.conftest import connect
from tests.factories import (
    make_company,
    make_integration,
    make_link,
    make_psa_company,
    make_tenant,
)
from tests.integrations.links.stories import (
    again,
    by_hand,
    everything,
    linked,
    own_values,
    records_with_money,
)
from tests.syncing import change, import_all, mrr_of, synced
from tests.worker import work_off


def refused(company: Company, **over: Any) -> str:
    with pytest.raises(DomainError) as caught:
        undo_link(company=company, actor=None, **over)
    return caught.value.code


@pytest.fixture
def wrong(connected: Integration, sandbox: SandboxServer) -> str:
    return records_with_money(sandbox, "connectwise")[0]


@pytest.fixture
def right(connected: Integration, sandbox: SandboxServer) -> str:
    return records_with_money(sandbox, "connectwise")[1]


def test_what_the_psa_renamed_meanwhile_is_ours_again(
    connected: Integration, sandbox: SandboxServer, wrong: str
) -> None:
    company = by_hand(connected.tenant)
    before = own_values(company)
    linked(company, connected, wrong)
    for name in ("Second name", "Third name"):
        change(sandbox, "companies", wrong, values={"name": name})
        synced(connected)
    assert again(company).name == "Third name"

    undo_link(company=company, actor=None)

    assert own_values(company) == before


def test_what_a_person_changed_after_the_link_stays(connected: Integration, wrong: str) -> None:
    company = linked(by_hand(connected.tenant), connected, wrong)
    unlink_company(company=company, actor=None)
    primary = again(company).primary
    assert primary is not None
    assert primary.external_id
    update_company(
        company=again(company),
        actor=None,
        name="A person's",
        type="client",
        primary_contact={"email": "new@person.example"},
    )

    undo_link(company=company, actor=None)

    company = again(company)
    assert (company.name, company.type) == ("A person's", "client")
    people = {(p.email, p.external_id, p.is_primary) for p in company.people}
    assert people == {("ada@acme.example", "", True), ("new@person.example", "", False)}


def test_a_name_given_while_the_psa_is_disconnected_stays(
    connected: Integration, wrong: str
) -> None:
    company = linked(by_hand(connected.tenant), connected, wrong)
    disconnect_integration(integration=connected, actor=None)
    update_company(company=again(company), actor=None, name="A person's")

    undo_link(company=company, actor=None)

    assert (again(company).name, mrr_of(company)) == ("A person's", [])


def test_a_type_changed_while_it_was_linked_goes_back(connected: Integration, wrong: str) -> None:
    company = linked(by_hand(connected.tenant, type="prospect"), connected, wrong)
    update_company(company=company, actor=None, type="client")

    plan = undo_link(company=company, actor=None)

    assert again(company).type == "prospect"
    assert [(one.field, one.before, one.after) for one in plan.changes if one.field == "type"] == [
        ("type", "client", "prospect")
    ]


def test_after_an_unlink_the_link_is_undone_all_the_same(
    connected: Integration, wrong: str
) -> None:
    company = by_hand(connected.tenant)
    before, nothing = own_values(company), everything(company)
    linked(company, connected, wrong)
    unlink_company(company=company, actor=None)
    assert mrr_of(company) != []

    undo_link(company=company, actor=None)

    assert (own_values(company), everything(company)) == (before, nothing)
    assert refused(company) == "already_undone"


def test_an_archived_auditee_and_a_disconnected_psa(connected: Integration, wrong: str) -> None:
    company = by_hand(connected.tenant)
    before = own_values(company)
    linked(company, connected, wrong)
    archive_company(company=again(company), actor=None)
    disconnect_integration(integration=connected, actor=None)

    undo_link(company=company, actor=None)

    assert (own_values(company), again(company).status) == (before, "archived")
    assert Agreement.objects.filter(company=company).count() == 0


@pytest.mark.parametrize("psa", ["autotask", "connectwise"])
def test_a_second_link_goes_back_to_the_first_and_that_to_the_hand(
    connected: Integration, sandbox: SandboxServer, wrong: str, psa: str
) -> None:
    """Also to another PSA: what that one ended goes on as before."""
    other = connected if psa == "connectwise" else connect(connected.tenant, sandbox, psa)
    second = records_with_money(sandbox, psa)[1]
    company = by_hand(connected.tenant)
    before, nothing = own_values(company), everything(company)
    linked(company, connected, wrong)
    unlink_company(company=company, actor=None)
    first = (own_values(company), everything(company))
    linked(company, other, second)
    assert everything(company) != first[1]

    undo_link(company=company, actor=None)
    assert (own_values(company), everything(company)) == first

    earlier = CompanyLink.objects.get(company=company, undone_at=None)
    undo_link(company=company, actor=None, link_id=earlier.pk)
    assert (own_values(company), everything(company)) == (before, nothing)


@pytest.mark.parametrize("psa", ["autotask", "connectwise"])
def test_the_first_of_two_links_is_undone_below_the_second(
    connected: Integration, sandbox: SandboxServer, wrong: str, psa: str
) -> None:
    other = connected if psa == "connectwise" else connect(connected.tenant, sandbox, psa)
    second = records_with_money(sandbox, psa)[1]
    company = by_hand(connected.tenant)
    before, nothing = own_values(company), everything(company)
    linked(company, connected, wrong)
    first = CompanyLink.objects.get(company=company)
    unlink_company(company=company, actor=None)
    linked(company, other, second)

    undo_link(company=company, actor=None, link_id=first.pk)

    elsewhere = make_tenant(company_limit=100)
    alone = linked(by_hand(elsewhere), connect(elsewhere, sandbox, psa), second)
    assert everything(company) == everything(alone)
    assert again(company).name == again(alone).name
    assert CompanyLink.objects.in_force().get(company=company).external_id == second
    undo_link(company=company, actor=None)
    assert (own_values(company), everything(company)) == (before, nothing)


def test_the_same_record_linked_twice_counts_once(connected: Integration, wrong: str) -> None:
    company = by_hand(connected.tenant)
    before, nothing = own_values(company), everything(company)
    linked(company, connected, wrong)
    first = CompanyLink.objects.get(company=company)
    counted = everything(company)
    unlink_company(company=company, actor=None)
    linked(company, connected, wrong)

    undo_link(company=company, actor=None, link_id=first.pk)
    assert everything(company) == counted, "the link in force shows the same agreements"

    undo_link(company=company, actor=None)
    assert (own_values(company), everything(company)) == (before, nothing)


def test_a_record_that_was_linked_elsewhere_meanwhile_stays_there(
    connected: Integration, wrong: str
) -> None:
    company, other = by_hand(connected.tenant), by_hand(connected.tenant, name="Other")
    before, nothing = own_values(company), everything(company)
    linked(company, connected, wrong)
    unlink_company(company=company, actor=None)
    linked(other, connected, wrong)
    there = (own_values(other), everything(other))
    assert there[1]["stored"] != []

    undo_link(company=company, actor=None)

    assert (own_values(company), everything(company)) == (before, nothing)
    assert (own_values(other), everything(other)) == there


def test_a_record_that_was_merged_away(
    connected: Integration, sandbox: SandboxServer, wrong: str, right: str
) -> None:
    company = by_hand(connected.tenant)
    before, nothing = own_values(company), everything(company)
    linked(company, connected, wrong)
    sandbox.psas["connectwise"].change(
        {"do": "merge", "kind": "companies", "id": wrong, "into": right}
    )
    synced(connected)

    undo_link(company=company, actor=None)

    assert (own_values(company), everything(company)) == (before, nothing)


def test_decisions_leave_with_the_agreements_and_stay_in_the_trail(
    connected: Integration, wrong: str
) -> None:
    company = linked(by_hand(connected.tenant), connected, wrong)
    agreement = Agreement.objects.filter(company=company).select_related("tenant")[0]
    choose(agreement=agreement, actor=None, changes={"exclude": True}, note="No client of ours.")
    linked_name = again(company).name
    assert linked_name != "Acme"

    undo_link(company=company, actor=None)

    assert not Agreement.objects.filter(company=company).exists()
    record = ChoiceRecord.objects.get()
    assert (record.agreement, record.agreement_pk, record.external_id, record.source) == (
        None, agreement.pk, agreement.external_id, "connectwise",
    )  # fmt: skip
    assert names_at(company.tenant, [company.pk], record.at) == {str(company.pk): linked_name}
    said = AuditEvent.objects.get(action="mrr.choice_made")
    assert (said.after, said.object_id) == ({"exclude": True}, str(agreement.pk))
    undone = AuditEvent.objects.get(action="company.link_undone")
    assert agreement.external_id in undone.after["agreements_taken_out"]
    assert (undone.before["external_id"], undone.after["name"]) == (wrong, "Acme")


def test_who_was_chosen_before_the_link_is_chosen_again(
    connected: Integration, wrong: str, alex: User
) -> None:
    company = by_hand(connected.tenant)
    ours = company.contacts.get()
    choose_primary(company=company, contact=ours, actor=alex)
    before = own_values(company)
    linked(company, connected, wrong)
    theirs = company.contacts.exclude(external_id="").filter(is_active=True).exclude(email="")[0]
    choose_primary(company=again(company), contact=theirs, actor=None)
    assert own_values(company) != before

    undo_link(company=company, actor=None)

    assert own_values(company) == before
    choice = PrimaryChoice.objects.get(company=company)
    assert (choice.contact_id, choice.chosen_by, choice.holds) == (ours.pk, alex, True)


def test_who_is_chosen_after_the_link_ended_stays(connected: Integration, wrong: str) -> None:
    company = by_hand(connected.tenant)
    second = Contact.objects.create(
        tenant=company.tenant, company=company, first_name="Eve", email="eve@acme.example"
    )
    linked(company, connected, wrong)
    unlink_company(company=company, actor=None)
    choose_primary(company=again(company), contact=second, actor=None)

    undo_link(company=company, actor=None)

    assert again(company).primary == second
    assert PrimaryChoice.objects.get(company=company).contact == second


def test_typed_agreements_count_again_as_before(
    connected: Integration, wrong: str, alex: User
) -> None:
    """Linked and undone twice: also what a decision had counted before is not counted beside the
    PSA, and counts by that decision again."""
    company = by_hand(connected.tenant)
    values = {
        "name": "Retainer",
        "amount": "250.00",
        "currency": "USD",
        "billing_cycle": "monthly",
        "start_date": date(2026, 1, 1),
    }
    add_agreement(company=company, actor=alex, values=values)
    chosen = add_agreement(company=company, actor=alex, values={**values, "amount": "40.00"})
    choose(agreement=chosen, actor=alex, changes={"force_include": True}, note="Ours")
    before = everything(company)
    assert before["stored"] == [("USD", "290/1", 29000)]
    for _ in range(2):
        preview = start_preview(
            company=company, integration=connected, external_id=wrong, actor=None
        )
        work_off()
        preview.refresh_from_db()
        linked(company, connected, wrong)
        assert "typed_set_aside" in [one["code"] for one in preview.found["warnings"]]
        told = {one["currency"]: one["amount"] for one in preview.found["mrr"]["after"]}
        stored = company_totals(company.tenant, [company.pk])[company.pk]
        assert told == {one["currency"]: one["amount"] for one in stored}
        reasons = {one.agreement: one.summary.reason for one in company_figure(company).agreements}
        assert reasons[chosen] == "set_aside"

        plan = plan_undo(again(company), link_to_undo(company))
        assert [total["amount"] for total in plan.mrr_after] == ["290.00"]
        assert plan.mrr_before == company_figure(company).totals
        undo_link(company=company, actor=None)

        assert everything(company) == before
        assert AgreementChoices.objects.get(agreement=chosen).force_include is True
    records = ChoiceRecord.objects.filter(agreement=chosen).order_by("at")
    assert [(row.after["force_include"], row.note) for row in records] == [
        (True, "Ours"),
        *[
            (False, "It was set aside when a PSA was linked."),
            (True, "The link was undone for which it had been set aside."),
        ]
        * 2,
    ]


def test_an_undo_is_one_version_of_the_book(connected: Integration, wrong: str, alex: User) -> None:
    company = by_hand(connected.tenant)
    values = {
        "name": "Care",
        "amount": "100",
        "currency": "USD",
        "billing_cycle": "monthly",
        "start_date": date(2025, 1, 1),
    }
    agreement = add_agreement(company=company, actor=alex, values=values)
    linked(company, connected, wrong)
    agreement.refresh_from_db()
    choose(agreement=agreement, actor=alex, changes={"force_include": True}, note="Beside it")

    undo_link(company=company, actor=alex)

    company = again(company)
    shown = [
        (
            one.version.kind,
            *([t["amount"] for t in side] for side in (one.mrr_before, one.mrr_after)),
        )
        for one in shown_versions(company, list(versions_of(company)))
    ]
    assert shown[:2] == [
        ("undo_link", ["6445.20"], ["100.00"]),
        ("choice", ["6345.20"], ["6445.20"]),
    ]


def test_an_erased_contact_does_not_come_back(connected: Integration, wrong: str) -> None:
    company = linked(by_hand(connected.tenant), connected, wrong)
    ada = Contact.objects.select_related("tenant", "company").get(email="ada@acme.example")
    erase_contact(contact=ada, actor=None)
    kept = CompanyLink.objects.get(company=company).before
    assert "ada@" not in str(kept)
    assert "Byron" not in str(kept)

    undo_link(company=company, actor=None)

    assert own_values(company)["contacts"] == []


def test_an_auditee_that_an_import_made_has_nothing_to_go_back_to(
    connected: Integration, tenant: Tenant
) -> None:
    imported = import_all(connected)[0]
    assert refused(imported) == "nothing_to_undo"
    assert refused(make_company(tenant)) == "not_linked"


def test_a_link_of_somebody_else_is_not_named(tenant: Tenant, other_tenant: Tenant) -> None:
    theirs = make_link(
        make_company(other_tenant), make_integration(other_tenant), before={"name": "x"}
    )
    assert refused(make_company(tenant), link_id=theirs.pk) == "not_linked"
    theirs.refresh_from_db()
    assert theirs.undone_at is None


@pytest.mark.django_db(transaction=True)
def test_of_two_undos_at_once_one_wins() -> None:
    integration = make_integration(make_tenant())
    company, record = make_company(integration.tenant), make_psa_company(integration)
    link_company(
        company=company, integration=integration, external_id=record.external_id, actor=None
    )
    codes: list[str] = []

    def undo() -> None:
        try:
            undo_link(company=company, actor=None)
            codes.append("done")
        except DomainError as error:
            codes.append(error.code)

    at_once(undo, undo, undo)

    assert sorted(codes) == ["already_undone", "already_undone", "done"]
    assert AuditEvent.objects.filter(action="company.link_undone").count() == 1


@pytest.mark.django_db(transaction=True)
def test_a_page_of_agreements_that_is_being_written_is_undone_too(sandbox: SandboxServer) -> None:
    integration = connect(make_tenant(), sandbox, "connectwise")
    wrong = records_with_money(sandbox, "connectwise")[0]
    company = by_hand(integration.tenant)
    before = own_values(company)
    link_company(company=company, integration=integration, external_id=wrong, actor=None)
    run, _ = start_company_sync(company=company, actor=None)
    claimed = leases.claim(SyncRun, tenant_id=str(run.tenant_id), work_id=str(run.pk))
    assert claimed is not None
    begun = threading.Event()

    def slow(moment: str, subject: str) -> None:
        if (moment, subject) == ("page", "agreements"):
            begun.set()
            time.sleep(0.5)

    def read() -> None:
        with open_adapter(claimed.integration) as adapter, suppress(RunCancelled):
            SomeAgreementsPhase(RunWriter(claimed, slow), adapter).run()

    with ThreadPoolExecutor(1) as pool:
        page = pool.submit(in_a_thread(read))
        assert begun.wait(20)
        undo_link(company=company, actor=None)
        page.result()

    assert own_values(company) == before
    assert Agreement.objects.filter(company=company).count() == 0
    run.refresh_from_db()
    assert run.cancel_requested
