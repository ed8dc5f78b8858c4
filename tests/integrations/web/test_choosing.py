"""Choosing in the import list, the review, and what came of each company."""

from __future__ import annotations

import re
from typing import Any

from django.utils import timezone

from audit_site.tenants.models import AuditEvent, Tenant, User
from companies.models import Company
from companies.services import restore_company
from integrations.links.linking import unlink_company
from integrations.models import (
    CompanyLink,
    ImportBatch,
    ImportBatchRow,
    Integration,
    LinkMatching,
    PsaCompanyRecord,
)
from integrations.runs.pausing import pause_integration
from tests.clients import browser, page_text, text
from tests.factories import make_psa_contact
from tests.integrations.importing.import_lists import add, names
from tests.integrations.web.conftest import NOBODY
from tests.queries import queries
from tests.worker import work_off_imports


def pk(name: str) -> str:
    return str(PsaCompanyRecord.objects.get(name=name).pk)


def send(client: Any, shown: str, ticked: str, **more: Any) -> Any:
    body = {
        "shown": [pk(name) for name in shown.split()],
        "ticked": [pk(name) for name in ticked.split()],
        "filters": "tab=add",
        **more,
    }
    return client.post("/import/choose/", body, follow=True)


def checked(answer: Any) -> list[str]:
    return re.findall(r'checked aria-label="Choose ([^"]*)"', page_text(answer))


def bar(answer: Any) -> str:
    found = re.search(r"<span data-chosen[^>]*>(.*?)</span>", text(answer))
    assert found
    return re.sub(r"\s+", " ", re.sub("<[^>]*>", "", found[1])).strip()


def test_ticks_outlive_pages_and_are_each_persons_own(
    mia: User, alex: User, lists: list[Integration]
) -> None:
    client = browser(mia)

    turned = send(client, "Amber Birch", "Birch", goto=f"?tab=add&after={pk('Birch')}")
    second = send(client, "Cedar Dune", "Dune", goto="?tab=add")
    less = send(client, "Amber Birch Cedar Dune", "Dune")

    assert names(turned) == ["Cedar", "Dune"]
    assert bar(turned) == "1 chosen: 1 new · room for 99"
    assert checked(second) == ["Birch", "Dune"]
    assert bar(second) == "2 chosen: 2 new · room for 99"
    assert checked(less) == ["Dune"]
    assert checked(browser(alex).get("/import/")) == []
    assert bar(browser(alex).get("/import/")) == "Room for 99 more"


def test_all_that_match_are_chosen_by_the_rule_with_exceptions(
    mia: User, lists: list[Integration]
) -> None:
    client = browser(mia)

    everything = send(client, "", "", do="all")
    add(lists[0], "Alder")
    grown = client.get("/import/")
    without = send(client, "Alder Amber Birch", "Amber Birch", filters="tab=add")
    batch = send(client, "", "", do="review")

    assert bar(everything) == "4 chosen: 4 new · room for 99"
    assert bar(grown) == "5 chosen: 5 new · room for 99"
    assert bar(without) == "4 chosen: 4 new · room for 99"
    assert checked(without) == ["Amber", "Birch", "Cedar", "Dune"]
    assert "<h1>Review</h1>" in text(batch)
    rows = ImportBatchRow.objects.order_by("position").values_list("name", flat=True)
    assert list(rows) == ["Amber", "Birch", "Cedar", "Dune"]
    assert Company.objects.count() == 1


def test_a_review_says_when_suggestions_are_being_worked_out(
    mia: User, lists: list[Integration], tenant: Tenant
) -> None:
    client, said = browser(mia), "Suggestions are being worked out: wait a moment."
    matching = LinkMatching.objects.create(tenant=tenant, wanted_at=timezone.now())
    while_it_is = send(client, "Amber", "Amber", do="review")
    LinkMatching.objects.filter(pk=matching.pk).update(wanted_at=None)

    assert said in page_text(while_it_is)
    assert said not in page_text(client.get(while_it_is.redirect_chain[-1][0]))


def test_what_is_linked_by_itself_is_chosen_no_more(mia: User, lists: list[Integration]) -> None:
    client, company = browser(mia), Company.objects.get()
    CompanyLink.objects.all().delete()
    amber = PsaCompanyRecord.objects.get(name="Amber")
    send(client, "Amber Birch", "Amber Birch")
    yes = {"integration": str(amber.integration_id), "external_id": amber.external_id}

    client.post(f"/companies/{company.pk}/link/", yes)
    unlink_company(company=company, actor=mia)

    assert checked(client.get("/import/?tab=all")) == ["Birch"]


def test_what_can_not_be_added_can_not_be_ticked(mia: User, lists: list[Integration]) -> None:
    client = browser(mia)
    shown = page_text(client.get("/import/?tab=all"))

    forced = send(client, "Elm Gorse", "Elm Gorse", do="review")

    assert re.search(r'disabled aria-label="Choose Elm"', shown)
    assert re.search(r'disabled aria-label="Choose Gorse"', shown)
    assert "None of the chosen companies can be added or linked." in text(forced)
    assert not ImportBatch.objects.exists()


def test_a_review_becomes_results(mia: User, lists: list[Integration], tenant: Tenant) -> None:
    client = browser(mia)
    send(client, "Amber Birch Cedar", "Amber Birch Cedar", do="review")
    batch = ImportBatch.objects.get()
    address = f"/import/batches/{batch.pk}/"
    rows = {row.name: str(row.pk) for row in batch.rows.all()}

    less = client.post(
        f"{address}review/",
        {"shown": list(rows.values()), "ticked": [rows["Amber"], rows["Birch"]], "do": "keep"},
        follow=True,
    )
    started = client.post(
        f"{address}review/",
        {"shown": list(rows.values()), "ticked": [rows["Amber"], rows["Birch"]], "do": "start"},
        follow=True,
    )
    work_off_imports()
    done = page_text(client.get(address))

    assert "<strong>2 ticked:</strong> 2 new · room for 99" in page_text(less)
    assert "Waiting for a worker" in page_text(started)
    assert bar(client.get("/import/")) == "Room for 97 more"
    assert "<strong>2 of 2 done.</strong>" in done
    assert done.count('<span class="mark good">Added</span>') == 2
    assert done.count('<span class="mark">Unticked</span>') == 1
    assert sorted(Company.objects.values_list("name", flat=True)) == ["Amber", "Birch", "Ours"]
    assert names(client.get("/import/")) == ["Cedar", "Dune"]


def test_more_than_there_is_room_for_is_unticked_until_it_fits(
    mia: User, lists: list[Integration], tenant: Tenant
) -> None:
    Tenant.objects.filter(pk=tenant.pk).update(company_limit=3)
    client = browser(mia)
    shown = page_text(send(client, "", "", do="all"))
    review = page_text(send(client, "", "", do="review"))
    batch = ImportBatch.objects.get()
    address = f"/import/batches/{batch.pk}/review/"

    pressed = text(client.post(address, {"do": "start"}, follow=True))
    fits = page_text(client.post(address, {"do": "fit"}, follow=True))
    client.post(address, {"do": "start"})
    work_off_imports()

    assert 'class="bad-ink"' in shown
    assert "2 too many" in review
    assert "Keep the first 2" in review
    assert "4 new audITees are ticked, and your licence has room for 2." in pressed
    assert "<strong>2 ticked:</strong> 2 new · room for 2" in fits
    assert sorted(Company.objects.values_list("name", flat=True)) == ["Amber", "Birch", "Ours"]


def test_what_was_not_done_says_why_and_is_tried_again(
    mia: User, lists: list[Integration], tenant: Tenant
) -> None:
    client = browser(mia)
    send(client, "Amber Birch", "Amber Birch", do="review")
    batch = ImportBatch.objects.get()
    address = f"/import/batches/{batch.pk}/"
    client.post(f"{address}review/", {"do": "start"})
    PsaCompanyRecord.objects.filter(name="Amber").update(**NOBODY)
    work_off_imports()

    failed = page_text(client.get(address))
    PsaCompanyRecord.objects.filter(name="Amber").update(importable=True, rule_codes=[])
    client.post(f"{address}retry/")
    work_off_imports()
    again = text(client.post(f"{address}retry/", follow=True, HTTP_REFERER=address))

    assert "<strong>1 of 2 done.</strong> 1 was not" in failed
    assert "It has no contact in ConnectWise Manage. Add a contact" in failed
    assert "Retry 1 not done" in failed
    assert "<strong>2 of 2 done.</strong>" in again
    assert "Everything of this import has been done." in again
    assert sorted(Company.objects.values_list("name", flat=True)) == ["Amber", "Birch", "Ours"]


def test_a_selection_is_ignored_and_taken_back(mia: User, lists: list[Integration]) -> None:
    client = browser(mia)

    ignored = text(send(client, "Amber Dune", "Amber Dune", do="ignore"))
    hidden = text(send(client, "", "", filters="tab=hidden", do="ignore-matching"))
    every = send(client, "", "", filters="tab=ignored", do="all")
    back = text(send(client, "", "", filters="tab=ignored", do="unignore"))
    none = client.get("/import/?tab=ignored")

    assert "2 companies are ignored." in ignored
    assert "2 companies are ignored." in hidden
    assert bar(every) == "5 chosen: 5 ignored · room for 99"
    assert "5 companies are not ignored any more." in back
    assert (bar(none), 'value="review"' in text(none)) == ("", False)
    assert not PsaCompanyRecord.objects.exclude(ignored_at=None).exists()


def test_a_viewer_sees_the_list_and_nothing_to_press(vic: User, lists: list[Integration]) -> None:
    client = browser(vic)
    shown = page_text(client.get("/import/"))

    refused = client.post("/import/choose/", {"do": "all"})

    assert 'type="checkbox"' not in shown.partition("<main")[2]
    assert "Ignore<span" not in shown
    assert refused.status_code == 403


def test_with_a_script_a_tick_brings_the_bar_alone(mia: User, lists: list[Integration]) -> None:
    body = {"shown": [pk("Amber")], "ticked": [pk("Amber")], "filters": "tab=add"}

    answer = browser(mia).post("/import/choose/", body, HTTP_HX_REQUEST="true")

    assert bar(answer) == "1 chosen: 1 new · room for 99"
    assert "<html" not in text(answer)
    assert "Select all 4 that match" in text(answer)
    assert "Select the 1 that matches" in text(browser(mia).get("/import/?search=Amber"))


def test_a_strangers_rows_and_imports_are_not_there(
    mia: User, otto: User, lists: list[Integration]
) -> None:
    send(browser(mia), "Amber", "Amber", do="review")
    batch, stranger = ImportBatch.objects.get(), browser(otto)

    send(stranger, "Amber Birch", "Amber Birch", do="review")
    answers = [
        stranger.get(f"/import/batches/{batch.pk}/"),
        stranger.post(f"/import/batches/{batch.pk}/review/", {"do": "start"}),
        stranger.post(f"/import/batches/{batch.pk}/retry/"),
        stranger.post(f"/import/{pk('Amber')}/ignore/"),
    ]

    assert {answer.status_code for answer in answers} == {404}
    assert names(stranger.get("/import/?tab=all")) == []
    assert ImportBatch.objects.count() == 1


def test_while_a_connection_is_paused_it_says_when_agreements_are_read(
    mia: User, lists: list[Integration]
) -> None:
    pause_integration(integration=lists[0], actor=None)
    client = browser(mia)
    send(client, "Amber Birch", "Amber Birch", do="review")
    address = f"/import/batches/{ImportBatch.objects.get().pk}/"

    client.post(f"{address}review/", {"do": "start"})
    work_off_imports()

    assert "Agreements of East are read when it is resumed." in page_text(client.get(address))


def test_an_import_is_taken_back_as_a_whole(mia: User, lists: list[Integration]) -> None:
    client = browser(mia)
    send(client, "Amber Birch", "Amber Birch", do="review")
    address = f"/import/batches/{ImportBatch.objects.get().pk}/"
    client.post(f"{address}review/", {"do": "start"})
    work_off_imports()
    offered = page_text(client.get(address))

    client.post(f"{address}undo/")
    work_off_imports()
    undone = page_text(client.get(address))
    again = text(client.post(f"{address}undo/", follow=True, HTTP_REFERER=address))
    past = page_text(client.get("/import/batches/"))

    assert "Undo this import" in offered
    assert re.search(rf"<strong>2 of 2 undone today [\d:]+ by {mia}.</strong>", undone)
    assert re.search(
        rf'<span class="mark warn">Undone</span> ?<div class="sub">\s*today [\d:]+ by {mia}', past
    )
    assert undone.count('<span class="mark warn">Undone</span>') == 2
    assert "Undo this import" not in undone
    assert "Nothing that this import did is left to take back." in again
    archived = Company.objects.filter(status="archived").order_by("name")
    assert list(archived.values_list("name", flat=True)) == ["Amber", "Birch"]
    assert bar(client.get("/import/")) == "Room for 99 more"


def test_what_the_undo_archived_is_brought_back_together(
    mia: User, alex: User, lists: list[Integration], tenant: Tenant
) -> None:
    client = browser(mia)
    send(client, "Amber Birch Cedar", "Amber Birch Cedar", do="review")
    batch = ImportBatch.objects.get()
    address = f"/import/batches/{batch.pk}/"
    client.post(f"{address}review/", {"do": "start"})
    work_off_imports()
    client.post(f"{address}undo/")
    work_off_imports()
    undone_at = ImportBatch.objects.get().finished_at
    restore_company(company=Company.objects.get(name="Cedar"), actor=mia)
    Tenant.objects.filter(pk=tenant.pk).update(company_limit=3)

    full = text(browser(alex).post(f"{address}bring-back/", follow=True, HTTP_REFERER=address))
    Tenant.objects.filter(pk=tenant.pk).update(company_limit=4)
    offered = page_text(client.get(address))
    started = page_text(browser(alex).post(f"{address}bring-back/", follow=True))
    work_off_imports()
    done = page_text(client.get(address))
    past = page_text(client.get("/import/batches/"))
    again = text(client.post(f"{address}bring-back/", follow=True, HTTP_REFERER=address))

    assert "2 audITees would come back, and your licence has room for 1." in full
    assert "Bring back all 2" in offered
    assert "Waiting for a worker" in started
    assert re.search(rf"3 of 3 undone today [\d:]+ by {mia}\.", done)
    assert re.search(rf"2 of them were brought back today [\d:]+ by {alex}\.", done)
    assert "Bring back all" not in done
    said = (
        r"Undone</span>.*2 brought back</span>.*"
        rf"Undone today [\d:]+ by {mia},\s+brought back today [\d:]+ by {alex}"
    )
    assert re.search(said, past)
    assert re.findall(r'data-label="[\w ]+">(\d)<', past) == ["3", "0", "2", "0", "1"]
    assert ImportBatch.objects.get().finished_at == undone_at
    assert "Nothing that the undo of this import took away can come back." in again
    assert not Company.objects.filter(status="archived").exists()
    brought_back = AuditEvent.objects.filter(action="company.restored", person_id=alex.pk)
    assert brought_back.count() == 2
    states = dict(batch.rows.values_list("name", "state"))
    assert states == {"Amber": "done", "Birch": "done", "Cedar": "undone"}


def test_what_is_unticked_is_kept_whatever_is_pressed_next(
    mia: User, lists: list[Integration]
) -> None:
    client = browser(mia)
    send(client, "Amber Birch Cedar", "Amber Birch Cedar", do="review")
    batch = ImportBatch.objects.get()
    address = f"/import/batches/{batch.pk}/"
    rows = {row.name: str(row.pk) for row in batch.rows.all()}
    shown = {"shown": list(rows.values())}

    part = client.post(
        f"{address}review/", {**shown, "ticked": [rows["Amber"]]}, HTTP_HX_REQUEST="true"
    )
    page = page_text(client.get(address))
    turned = client.post(
        f"{address}review/", {**shown, "ticked": [rows["Birch"]], "goto": "show=unticked"}
    )
    unticked = page_text(client.get(turned["Location"]))

    assert "<strong>1 ticked:</strong> 1 new" in page_text(part)
    assert "<html" not in text(part)
    assert re.findall(r'id="rows-(\w+)" hx-swap-oob="true">(\d)', page_text(part)) == [
        ("ticked", "1"),
        ("unticked", "2"),
    ]
    tab = (
        r'name="goto" value="show=unticked" ?>\s*Unticked <span class="num" id="rows-unticked" ?>2<'
    )
    assert re.search(tab, page)
    assert turned["Location"] == f"{address}?show=unticked"
    assert re.findall(r"<td><strong>(\w+)</strong>", unticked) == ["Amber", "Cedar"]
    assert 'name="here" value="show=unticked"' in unticked
    batch.state = "queued"
    batch.save()
    late = client.post(f"{address}review/", {**shown, "ticked": []}, HTTP_HX_REQUEST="true")
    assert late["HX-Refresh"] == "true"
    assert "This import is under way." in page_text(client.get(address))


def test_a_review_in_which_nothing_is_ticked_can_be_left_only(
    mia: User, lists: list[Integration]
) -> None:
    client = browser(mia)
    send(client, "Amber", "Amber", do="review")
    batch = ImportBatch.objects.get()
    address = f"/import/batches/{batch.pk}/"
    listed = page_text(client.get("/import/batches/"))

    none = page_text(
        client.post(f"{address}review/", {"shown": [batch.rows.get().pk]}, follow=True)
    )
    hidden = page_text(client.get("/import/batches/"))
    left = client.post(f"{address}review/", {"do": "leave"})

    assert "To review" in listed
    assert "<strong>0 ticked</strong>" in none
    assert "Tick what you want to add or link." in none
    assert 'value="start"' not in none
    assert "To review" not in hidden
    assert left["Location"] == "/import/"
    assert not ImportBatch.objects.exists()
    send(client, "Amber", "Amber", do="review")
    kept = ImportBatch.objects.get()
    client.post(
        f"/import/batches/{kept.pk}/review/",
        {"do": "leave", "shown": [kept.rows.get().pk], "ticked": [kept.rows.get().pk]},
    )
    assert ImportBatch.objects.get() == kept


def test_primary_contact_and_type_are_chosen_in_the_review(
    mia: User, lists: list[Integration]
) -> None:
    record = PsaCompanyRecord.objects.get(name="Amber")
    for number, name in enumerate(("Ada", "Bea")):
        make_psa_contact(lists[0], f"p{number}", record.external_id, first_name=name)
    PsaCompanyRecord.objects.filter(pk=record.pk).update(primary_contact_id="p0")
    client = browser(mia)
    review = page_text(send(client, "Amber Birch", "Amber Birch", do="review"))
    batch = ImportBatch.objects.get()
    rows = {row.name: str(row.pk) for row in batch.rows.all()}

    sent = {
        "shown": list(rows.values()),
        "ticked": list(rows.values()),
        f"contact-{rows['Amber']}": "p1",
        f"type-{rows['Amber']}": "prospect",
        f"contact-{rows['Birch']}": "nobody",
    }
    kept = page_text(client.post(f"/import/batches/{batch.pk}/review/", sent, follow=True))
    client.post(f"/import/batches/{batch.pk}/review/", {**sent, "do": "start"})
    work_off_imports()

    assert '<option value="">Ada</option>' in review
    assert '<option value="p1" selected>Bea</option>' in kept
    amber = Company.objects.get(name="Amber")
    assert (amber.type, str(amber.primary)) == ("prospect", "Bea")
    refused = ImportBatchRow.objects.get(name="Birch")
    assert (refused.state, refused.code) == ("failed", "unknown_contact")


def test_a_page_of_the_review_costs_the_same_however_long(
    mia: User, lists: list[Integration]
) -> None:
    client = browser(mia)
    send(client, "Amber", "Amber", do="review")
    short = f"/import/batches/{ImportBatch.objects.get().pk}/"
    add(lists[1], *(f"Firm {number:03}" for number in range(130)))
    send(client, "", "", do="all")
    send(client, "", "", do="review")
    long = f"/import/batches/{ImportBatch.objects.latest('id').pk}/"

    client.get(short)
    assert queries(lambda: client.get(long)) == queries(lambda: client.get(short))
    assert "Firm 060" not in page_text(client.get(f"{long}?from=100"))
