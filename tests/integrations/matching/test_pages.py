"""Pages of suggested links: the list, confirming, what came of it, undoing it."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from audit_site.tenants.models import User
from companies.models import Company
from integrations.matching import batches
from integrations.matching.batches import carry_undo_out, send_lost
from integrations.models import (
    CompanyLink,
    ImportBatchRow,
    Integration,
    LinkBatch,
    LinkMatching,
    LinkPreview,
    LinkSuggestion,
    PsaCompanyRecord,
)
from tests.clients import browser, page_text
from tests.factories import make_company
from tests.integrations.matching.suggestions import brief, matched, pair
from tests.queries import queries

LIST, TAB, PAST = "/link-suggestions/", "/import/?tab=suggested", "/import/batches/"


@pytest.fixture
def two(integration: Integration) -> list[LinkSuggestion]:
    pair(integration, "Amber Vet", email="ada@ambervet.com")
    pair(integration, "Zephyr Legal", "Zephyr Legal LLC")
    matched(integration.tenant)
    return list(LinkSuggestion.objects.best_first())


def ticks(answer: Any) -> list[str]:
    return re.findall(r'checked aria-label="Choose ([^"]*)"', page_text(answer))


def confirm(client: Client, **chosen: Any) -> tuple[str, LinkBatch]:
    answer = client.post(f"{LIST}confirm/", chosen, follow=True)
    batch = LinkBatch.objects.latest("made_at")
    assert answer.redirect_chain == [(f"/link-batches/{batch.pk}/", 302)]
    return page_text(answer), batch


def test_the_tab_says_how_sure_each_is_and_chooses_the_sure_ones(
    mia: User, two: list[LinkSuggestion]
) -> None:
    client = browser(mia)
    shown = page_text(client.get(TAB))
    address = f"/companies/{two[0].company_id}/link/preview/?integration="
    record = two[0].record

    sure = client.post("/import/choose/", {"do": "sure", "filters": "tab=suggested"}, follow=True)
    review = client.post("/import/choose/", {"do": "review"}, follow=True)

    assert "Link to “Amber Vet”" in shown
    assert "92 of 100: same name; same e-mail domain (ambervet.com)" in shown
    assert "ada@ambervet.com" in shown
    way = f"{address}{record.integration_id}&amp;external_id={record.external_id}"
    assert f'formaction="{way}"' in shown
    assert "Select the 1 sure" in shown
    assert "being worked out" not in shown
    assert ticks(sure) == ["Amber Vet"]
    assert "<strong>1 ticked:</strong> 1 link · room for 98" in page_text(review)
    assert client.get(LIST)["Location"] == "/import/?tab=suggested"


def test_while_they_are_worked_out_the_tab_says_so(mia: User, two: list[LinkSuggestion]) -> None:
    LinkMatching.objects.update(wanted_at=timezone.now())

    some = page_text(browser(mia).get(TAB))
    LinkSuggestion.objects.all().delete()
    none = page_text(browser(mia).get(TAB))

    for page in (some, none):
        assert page.count("suggestions are being worked out.") == 1
    assert "looks like a company" not in none


def test_a_viewer_sees_them_and_can_do_nothing(vic: User, two: list[LinkSuggestion]) -> None:
    client = browser(vic)

    shown = page_text(client.get(TAB))

    assert "92 of 100" in shown
    assert "Not the same" not in shown
    assert "Preview link" not in shown
    assert client.post(f"{LIST}confirm/", {"suggestions": [two[0].pk]}).status_code == 403
    assert client.post(f"{LIST}dismiss/", {"one": two[0].pk}).status_code == 403


def test_the_auditee_shows_its_own(mia: User, two: list[LinkSuggestion]) -> None:
    client, address = browser(mia), f"/companies/{two[1].company_id}/"
    shown = page_text(client.get(f"{address}psa/"))

    preview = client.post(
        f"{address}link/preview/?integration={two[1].record.integration_id}"
        f"&external_id={two[1].record.external_id}",
        {"shown": []},
    )

    assert "Looks like <strong>Zephyr Legal LLC</strong> in" in shown
    assert "80 of 100: same name" in shown
    assert 'aria-label="Preview link: Zephyr Legal LLC"' in shown
    assert preview["Location"] == f"{address}link/preview/{LinkPreview.objects.get().pk}/"


def test_another_auditee_is_chosen_for_a_psa_company(mia: User, two: list[LinkSuggestion]) -> None:
    client, record = browser(mia), two[0].record
    make_company(record.tenant, name="Amber Holding")
    address = f"/integrations/{record.integration_id}/companies/link/"
    query = {"external_id": record.external_id}

    shown = page_text(client.get(address, query))
    found = page_text(client.get(address, {**query, "search": "holding"}))
    review = client.post(
        f"/integrations/{record.integration_id}/companies/review/", {**query, "as": "new"}
    )

    assert "Which audITee is Amber Vet?" in shown
    assert "Probably “Amber Vet”" in shown
    rows = re.compile(r"<tr><td><strong>([^<]*)</strong>")
    assert rows.findall(shown) == ["Amber Holding", "Amber Vet", "Zephyr Legal"]
    assert rows.findall(found) == ["Amber Holding"]
    (row,) = ImportBatchRow.objects.all()
    assert review["Location"] == f"/import/batches/{row.batch_id}/"
    assert (row.name, row.becomes, row.company) == ("Amber Vet", "new", None)
    assert Company.objects.count() == 3, "nothing is added before the review is started"
    missing = client.get(address, {"external_id": "no such"})
    assert missing.status_code == 404


def test_what_is_ticked_is_linked_and_the_page_says_what_came_of_each(
    mia: User, two: list[LinkSuggestion]
) -> None:
    PsaCompanyRecord.objects.filter(pk=two[1].record_id).update(name="Another")

    body, batch = confirm(browser(mia), suggestions=[one.pk for one in two])

    assert "1 linked, 1 not" in body
    assert "Amber Vet" in body
    assert "<strong>Zephyr Legal</strong> and Another: Names or contacts have changed" in body
    link = batch.links.get()
    assert f'href="/companies/{two[0].company_id}/undo-link/?link={link.pk}"' in body
    assert batch.made_by_name == str(mia)
    assert list(batch.links.values_list("company__name", flat=True)) == ["Amber Vet"]


def test_all_that_is_sure_is_chosen_over_all_pages(mia: User, integration: Integration) -> None:
    for number in range(51):
        name = f"Number{number} Bakery"
        pair(integration, name, email=f"a@bakery{number}.com")
    pair(integration, "Zephyr Legal")
    matched(integration.tenant)
    client = browser(mia)
    assert "Select the 51 sure" in page_text(client.get(TAB))

    sure = client.post("/import/choose/", {"do": "sure", "filters": "tab=suggested"}, follow=True)

    assert "<strong>51 chosen:</strong> 51 links" in page_text(sure)


def test_nothing_ticked_is_said(mia: User, two: list[LinkSuggestion]) -> None:
    for chosen in ({}, {"suggestions": "no id"}):
        answer = browser(mia).post(f"{LIST}confirm/", chosen, follow=True, HTTP_REFERER=LIST)
        assert "Nothing is ticked." in page_text(answer)
    assert LinkBatch.objects.count() == 0


def test_dismissing_is_taken_back(mia: User, two: list[LinkSuggestion]) -> None:
    client = browser(mia)

    answer = client.post(f"{LIST}dismiss/", {"one": two[0].pk}, follow=True)

    assert "1 suggestion is dismissed." in page_text(answer)
    assert brief() == [("Zephyr Legal", "Zephyr Legal LLC", 80)]
    body = page_text(client.get(TAB))
    assert "Not the same (1)" in body
    assert f"Said by {mia}" in body
    client.post(f"{LIST}restore/", {"one": two[0].pk})
    assert len(brief()) == 2


def test_the_batch_is_undone_together(mia: User, two: list[LinkSuggestion]) -> None:
    client = browser(mia)
    body, batch = confirm(client, suggestions=[one.pk for one in two])
    assert "Undo all 2 links" in body
    Company.objects.filter(name="Amber Vet").update(name="Renamed by the PSA")
    CompanyLink.objects.filter(company=two[0].company_id).update(given_name="Renamed by the PSA")

    body = page_text(client.post(f"/link-batches/{batch.pk}/undo/", follow=True))
    assert "The links are being undone." in body
    ids = {"tenant_id": str(batch.tenant_id), "batch_id": str(batch.pk)}
    carry_undo_out(**ids)
    carry_undo_out(**ids)

    body = page_text(client.get(f"/link-batches/{batch.pk}/"))
    assert "All of it was undone" in body
    assert body.count("Undone") == 2
    assert CompanyLink.objects.in_force().count() == 0
    assert set(Company.objects.values_list("name", flat=True)) == {"Amber Vet", "Zephyr Legal"}


def test_an_undo_whose_message_was_lost_is_sent_again(
    mia: User,
    two: list[LinkSuggestion],
    messages: list[str],
    django_capture_on_commit_callbacks: Any,
) -> None:
    confirm(browser(mia), suggestions=[two[0].pk])
    LinkBatch.objects.update(undo_wanted_at="2026-01-01T00:00:00Z")
    messages.clear()

    with django_capture_on_commit_callbacks(execute=True):
        send_lost()

    assert messages == ["integrations.undo_links"]


def test_a_link_that_can_not_be_undone_holds_no_other_up(
    mia: User, two: list[LinkSuggestion]
) -> None:
    client = browser(mia)
    _, batch = confirm(client, suggestions=[one.pk for one in two])
    bad, good = batch.links.order_by("id")
    CompanyLink.objects.filter(pk=bad.pk).update(before={"name": "nothing else is known"})
    client.post(f"/link-batches/{batch.pk}/undo/")

    carry_undo_out(tenant_id=str(batch.tenant_id), batch_id=str(batch.pk))

    batch.refresh_from_db()
    assert batch.undo_done_at is not None
    assert batch.left == [
        {
            "name": bad.company.name,
            "code": "internal_error",
            "message": "Something went wrong on our side. Try it again; if it stays, tell us.",
        }
    ]
    assert list(CompanyLink.objects.standing()) == [bad]
    assert list(CompanyLink.objects.exclude(undone_at=None)) == [good]
    assert "Something went wrong on our side." in page_text(
        client.get(f"/link-batches/{batch.pk}/")
    )


def test_each_link_renews_the_lease_of_the_undo(
    mia: User,
    two: list[LinkSuggestion],
    messages: list[str],
    django_capture_on_commit_callbacks: Any,
) -> None:
    confirm(browser(mia), suggestions=[one.pk for one in two])
    asked_at = timezone.now() - timedelta(hours=1)
    LinkBatch.objects.update(undo_wanted_at=asked_at)
    worker, late = LinkBatch.objects.get(), LinkBatch.objects.get()

    assert batches.hold(worker)

    messages.clear()
    with django_capture_on_commit_callbacks(execute=True):
        send_lost()
    assert messages == [], "a worker is at it"
    assert not batches.hold(late), "another one has gone on"
    assert batches.hold(worker)
    LinkBatch.objects.update(undo_wanted_at=asked_at)
    with django_capture_on_commit_callbacks(execute=True):
        send_lost()
    assert messages == ["integrations.undo_links"]


def test_the_tab_costs_a_constant_number_of_statements(
    mia: User, integration: Integration, two: list[LinkSuggestion]
) -> None:
    client = browser(mia)
    client.get(TAB)
    few = queries(lambda: client.get(TAB))
    for number in range(20):
        pair(integration, f"Number{number} Bakery")
    matched(integration.tenant)

    assert queries(lambda: client.get(TAB)) == few


def test_links_that_were_made_together_stand_among_past_imports(
    mia: User, two: list[LinkSuggestion]
) -> None:
    client = browser(mia)
    PsaCompanyRecord.objects.filter(pk=two[1].record_id).update(name="Another")
    body, batch = confirm(client, suggestions=[one.pk for one in two])
    standing = page_text(client.get(PAST))
    client.post(f"/link-batches/{batch.pk}/undo/")
    during = page_text(client.get(PAST))
    carry_undo_out(tenant_id=str(batch.tenant_id), batch_id=str(batch.pk))
    undone = page_text(client.get(PAST))

    assert f'href="{PAST}">Past imports and links</a>' in body
    assert f'<a href="/link-batches/{batch.pk}/">Links, today' in standing
    numbers = re.findall(r'<td class="num" data-label="([^"]*)">(\d+)', standing)
    told = {"New": "0", "Links": "2", "Done": "1", "Not done": "1", "Undone": "0"}
    assert dict(numbers) == told
    assert "Being undone" in during
    assert re.search(
        rf'<span class="mark warn">Undone</span> ?<div class="sub">\s*today .* by {mia}', undone
    )
    assert f"by {mia}." in page_text(client.get(f"/link-batches/{batch.pk}/"))


def test_nothing_proposed_is_said(mia: User) -> None:
    client = browser(mia)

    assert "Nobody has asked for moves." in page_text(client.get("/import/moves/"))
    assert "Nothing is dismissed." in page_text(client.get("/import/moves/?show=dismissed"))
    assert "No PSA is connected yet." in page_text(client.get(TAB))
