"""Suggested links in the table and in imports: shown, reviewed, tied, and taken back."""

from __future__ import annotations

import re

import pytest

from audit_site.tenants.models import Tenant, User
from companies.models import Company
from integrations.batches.worker import MOST_ATTEMPTS
from integrations.importing.batch_counts import counts_of
from integrations.importing.batches import bring_back, start, undo
from integrations.importing.proposing import propose
from integrations.importing.selection import choose_all, count_chosen, selection_of
from integrations.importing.table import Filters, Tab
from integrations.links.undoing import undo_link
from integrations.matching.sides import Side, mark_of
from integrations.models import (
    CompanyLink,
    ImportBatch,
    ImportBatchRow,
    Integration,
    LinkSuggestion,
    PsaCompanyRecord,
    SyncRun,
)
from integrations.web.past_batches import Undone, undone_import
from tests.clients import browser, page_text, text
from tests.factories import make_company, make_link, make_psa_company
from tests.integrations.importing.import_lists import names
from tests.worker import work_off_imports


@pytest.fixture
def suggested(tenant: Tenant, integration: Integration) -> LinkSuggestion:
    """Of two PSA companies one is probably an audITee that is there."""
    ours = make_company(tenant, name="Amber Vet")
    reached = ours.contacts.get()
    record = make_psa_company(integration, name="Amber Veterinary", external_id="1")
    make_psa_company(integration, name="Birch", external_id="2")
    return LinkSuggestion.objects.create(
        tenant=tenant,
        company=ours,
        record=record,
        score=92,
        reasons=[{"code": "same_domain", "message": "Both have addresses at amber.example."}],
        mark=mark_of(Side("Amber Vet", {reached.email}), Side("Amber Veterinary")),
    )


def batch_of_all(tenant: Tenant, actor: User) -> ImportBatch:
    return propose(tenant=tenant, rows=PsaCompanyRecord.objects.for_tenant(tenant), actor=actor)


def carried_out(tenant: Tenant, actor: User) -> ImportBatch:
    batch = batch_of_all(tenant, actor)
    start(batch=batch, actor=actor)
    work_off_imports()
    batch.refresh_from_db()
    return batch


def test_the_table_says_whom_it_would_be_linked_to_and_why(
    mia: User, suggested: LinkSuggestion
) -> None:
    client = browser(mia)
    add, tab = client.get("/import/"), client.get("/import/?tab=suggested")

    assert (names(add), names(tab)) == (["Birch"], ["Amber Veterinary"])
    assert "Link to “Amber Vet”" in page_text(tab)
    assert "92 of 100: both have addresses at amber.example" in page_text(tab)
    numbers = re.findall(r'<span class="num" id="rows-\w+" ?>(\d)</span>', page_text(add))
    assert numbers[:6] == ["1", "1", "0", "0", "0", "2"]


def test_it_is_linked_and_the_other_one_added(
    mia: User, tenant: Tenant, integration: Integration, suggested: LinkSuggestion
) -> None:
    choose_all(tenant=tenant, user=mia, filters=Filters(Tab.ALL))
    counts = count_chosen(selection_of(tenant, mia), [integration])
    batch = batch_of_all(tenant, mia)
    review = page_text(browser(mia).get(f"/import/batches/{batch.pk}/"))

    start(batch=batch, actor=mia)
    work_off_imports()

    assert (counts.new, counts.links) == (1, 1)
    assert "Link to “Amber Vet”" in review
    assert "2 ticked:</strong> 1 new, 1 link · room for 99" in review
    links = CompanyLink.objects.in_force().order_by("external_id")
    assert [(link.external_id, link.company.name) for link in links] == [
        ("1", "Amber Vet"),
        ("2", "Birch"),
    ]
    assert Company.objects.count() == 2
    assert set(ImportBatchRow.objects.values_list("state", flat=True)) == {"done"}


def test_all_of_it_is_taken_back(mia: User, tenant: Tenant, suggested: LinkSuggestion) -> None:
    batch = carried_out(tenant, mia)

    undo(batch=batch, actor=mia)
    work_off_imports()

    assert set(ImportBatchRow.objects.values_list("state", flat=True)) == {"undone"}
    ours = CompanyLink.objects.get(external_id="1")
    assert ours.undone_at is not None
    assert Company.objects.get(name="Amber Vet").status == "active"
    assert Company.objects.get(name="Birch").status == "archived"


def test_all_of_it_is_brought_back(mia: User, tenant: Tenant, suggested: LinkSuggestion) -> None:
    batch, client = carried_out(tenant, mia), browser(mia)
    undo(batch=batch, actor=mia)
    work_off_imports()
    address = f"/import/batches/{batch.pk}/"
    offered = page_text(client.get(address))
    SyncRun.objects.all().delete()

    client.post(f"{address}bring-back/")
    work_off_imports()
    done = page_text(client.get(address))

    assert "Bring back all 2" in offered
    assert "1 archived audITee takes a place of the licence again." in offered
    assert "1 link is made again, and agreements are read." in offered
    link = CompanyLink.objects.in_force().get(external_id="1")
    assert link.company.name == "Amber Vet"
    assert Company.objects.get(name="Birch").status == "active"
    assert (
        list(ImportBatchRow.objects.values_list("state", "code")) == [("done", "brought_back")] * 2
    )
    assert "The undo of this import had undone the link; it was linked again." in done
    assert "2 of them were brought back" in done
    assert "Bring back all" not in done
    assert SyncRun.objects.filter(company=link.company).count() == 1


@pytest.mark.parametrize(
    ("meanwhile", "code"),
    [("theirs is linked", "already_linked"), ("ours is linked", "already_linked"),
     ("disconnected", "not_connected"), ("erased", "not_found")],
)  # fmt: skip
def test_a_link_that_can_not_come_back_says_why_and_stays_undone(
    mia: User, tenant: Tenant, suggested: LinkSuggestion, meanwhile: str, code: str
) -> None:
    batch = carried_out(tenant, mia)
    undo(batch=batch, actor=mia)
    work_off_imports()
    batch.refresh_from_db()
    bring_back(batch=batch, actor=mia)
    ours, account = suggested.company, suggested.record.integration

    if meanwhile == "theirs is linked":
        make_link(make_company(tenant), account, external_id="1")
    elif meanwhile == "ours is linked":
        make_link(ours, account, external_id="3")
    elif meanwhile == "disconnected":
        Integration.objects.filter(pk=account.pk).update(status="disconnected")
    else:
        Company.objects.filter(pk=ours.pk).delete()
    work_off_imports()

    row = ImportBatchRow.objects.get(external_id="1")
    assert (row.state, row.code) == ("undone", code)
    assert Company.objects.get(name="Birch").status == "active"
    batch.refresh_from_db()
    assert (batch.state, counts_of([batch])[batch.pk].can_come_back) == (
        "done", 1 if meanwhile == "disconnected" else 0,
    )  # fmt: skip


def test_one_that_is_given_up_on_its_way_back_stays_undone(
    mia: User, tenant: Tenant, suggested: LinkSuggestion
) -> None:
    batch = carried_out(tenant, mia)
    undo(batch=batch, actor=mia)
    work_off_imports()
    batch.refresh_from_db()
    bring_back(batch=batch, actor=mia)
    ImportBatch.objects.update(attempts=MOST_ATTEMPTS)

    work_off_imports()

    rows = ImportBatchRow.objects.values_list("state", "code", "message")
    message = "Something went wrong on our side. Bring it back again; if it stays, tell us."
    assert list(rows) == [("undone", "internal_error", message)] * 2
    batch.refresh_from_db()
    bring_back(batch=batch, actor=mia)
    work_off_imports()
    assert set(ImportBatchRow.objects.values_list("state", flat=True)) == {"done"}


def test_a_link_that_was_undone_by_itself_is_not_undone_again(
    mia: User, tenant: Tenant, suggested: LinkSuggestion
) -> None:
    batch = carried_out(tenant, mia)
    undo_link(company=suggested.company, actor=mia)

    counts = counts_of([batch])[batch.pk]
    undo(batch=batch, actor=mia)
    work_off_imports()

    assert (counts.done, counts.undoable) == (2, 1)
    assert dict(ImportBatchRow.objects.values_list("name", "state")) == {
        "Amber Veterinary": "done", "Birch": "undone",
    }  # fmt: skip
    batch.refresh_from_db()
    assert undone_import(batch, counts_of([batch])[batch.pk]) == Undone(
        1, True, 0, str(mia), batch.finished_at
    )


def test_a_row_that_can_not_be_taken_back_holds_no_other_up(
    mia: User, tenant: Tenant, suggested: LinkSuggestion
) -> None:
    batch = carried_out(tenant, mia)
    CompanyLink.objects.filter(external_id="1").update(before={"name": "nothing else is known"})

    undo(batch=batch, actor=mia)
    work_off_imports()

    rows = ImportBatchRow.objects.order_by("external_id")
    assert list(rows.values_list("external_id", "state", "code", "message")) == [
        (
            "1",
            "done",
            "internal_error",
            "Something went wrong on our side. Try it again; if it stays, tell us.",
        ),
        ("2", "undone", "", ""),
    ]
    assert CompanyLink.objects.get(external_id="1").is_in_force
    assert Company.objects.get(name="Birch").status == "archived"
    batch.refresh_from_db()
    assert batch.state == "done"


@pytest.mark.parametrize("meanwhile", ["gone", "renamed"])
def test_what_is_no_suggestion_any_more_is_not_linked(
    mia: User, tenant: Tenant, suggested: LinkSuggestion, meanwhile: str
) -> None:
    batch = batch_of_all(tenant, mia)
    start(batch=batch, actor=mia)
    if meanwhile == "gone":
        LinkSuggestion.objects.all().delete()
    else:
        PsaCompanyRecord.objects.filter(pk=suggested.record_id).update(name="Quite another")

    work_off_imports()
    page = text(browser(mia).get(f"/import/batches/{batch.pk}/"))

    row = ImportBatchRow.objects.get(external_id="1")
    assert (row.state, row.code) == ("failed", "not_suggested")
    assert "The two are no suggestion any more" in page
    assert not CompanyLink.objects.filter(external_id="1").exists()


def test_what_another_person_confirmed_before_is_so_and_no_undo_takes_it_back(
    mia: User, alex: User, tenant: Tenant, suggested: LinkSuggestion
) -> None:
    rows = PsaCompanyRecord.objects.for_tenant(tenant).filter(external_id="1")
    first, second = (propose(tenant=tenant, rows=rows, actor=user) for user in (mia, alex))
    start(batch=first, actor=mia)
    start(batch=second, actor=alex)

    work_off_imports()

    counts = counts_of([first, second])
    assert [(one.done, one.undoable) for one in (counts[first.pk], counts[second.pk])] == [
        (1, 1), (1, 0),
    ]  # fmt: skip
    row = ImportBatchRow.objects.get(batch=second)
    assert (row.state, row.code) == ("done", "already_linked")
    shown = page_text(browser(alex).get(f"/import/batches/{second.pk}/"))
    assert "There before</span>" in shown
    assert "It was linked to this audITee before." in shown
    assert "Undo" not in shown
    assert CompanyLink.objects.get().company == suggested.company
