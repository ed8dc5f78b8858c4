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
    Integration,
    LinkBatch,
    LinkSuggestion,
    PsaCompanyRecord,
)
from tests.clients import browser, page_text
from tests.integrations.matching.suggestions import brief, matched, pair
from tests.queries import queries

LIST = "/link-suggestions/"


@pytest.fixture
def two(integration: Integration) -> list[LinkSuggestion]:
    pair(integration, "Amber Vet", email="ada@ambervet.com")
    pair(integration, "Zephyr Legal", "Zephyr Legal LLC")
    matched(integration.tenant)
    return list(LinkSuggestion.objects.best_first())


def ticks(answer: Any) -> list[tuple[str, bool]]:
    boxes = re.findall(r'<input [^>]*name="suggestions"[^>]*>', page_text(answer))
    return [(re.search('value="([^"]*)"', box)[1], " checked" in box) for box in boxes]


def confirm(client: Client, **chosen: Any) -> tuple[str, LinkBatch]:
    answer = client.post(f"{LIST}confirm/", chosen, follow=True)
    batch = LinkBatch.objects.latest("made_at")
    assert answer.redirect_chain == [(f"/link-batches/{batch.pk}/", 302)]
    return page_text(answer), batch


def test_sure_ones_are_ticked_and_each_says_why(mia: User, two: list[LinkSuggestion]) -> None:
    answer = browser(mia).get(LIST)

    assert ticks(answer) == [(str(two[0].pk), True), (str(two[1].pk), False)]
    body = page_text(answer)
    assert "92 of 100" in body
    assert "Same name. Same e-mail domain (ambervet.com)." in body
    assert "2 suggested, 1 of them sure" in body


def test_a_viewer_sees_them_and_can_do_nothing(vic: User, two: list[LinkSuggestion]) -> None:
    client = browser(vic)

    answer = client.get(LIST)

    assert ticks(answer) == []
    assert "Not the same" not in page_text(answer)
    assert client.post(f"{LIST}confirm/", {"suggestions": [two[0].pk]}).status_code == 403
    assert client.post(f"{LIST}dismiss/", {"one": two[0].pk}).status_code == 403


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


def test_all_that_is_sure_is_linked_over_all_pages(mia: User, integration: Integration) -> None:
    for number in range(51):
        name = f"Number{number} Bakery"
        pair(integration, name, email=f"a@bakery{number}.com")
    pair(integration, "Zephyr Legal")
    matched(integration.tenant)
    client = browser(mia)
    assert "All 51 sure ones" in page_text(client.get(LIST))

    body, batch = confirm(client, all="yes")

    assert "51 linked" in body
    assert batch.links.count() == 51
    assert brief() == [("Zephyr Legal", "Zephyr Legal", 80)]


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
    body = page_text(client.get(LIST, {"show": "dismissed"}))
    assert f"Dismissed by {mia}" in body
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


def test_the_list_costs_a_constant_number_of_statements(
    mia: User, integration: Integration, two: list[LinkSuggestion]
) -> None:
    client = browser(mia)
    client.get(LIST)
    few = queries(lambda: client.get(LIST))
    for number in range(20):
        pair(integration, f"Number{number} Bakery")
    matched(integration.tenant)

    assert queries(lambda: client.get(LIST)) == few


def test_the_import_list_leads_to_them(mia: User, two: list[LinkSuggestion]) -> None:
    body = page_text(browser(mia).get("/import/", {"tab": "suggested"}))

    assert f'<a href="{LIST}">Compare both sides' in body
    assert "Amber Vet" in body


@pytest.mark.parametrize("query", ["", "?kind=move", "?show=dismissed", "?integration=odd"])
def test_an_empty_list_says_so(mia: User, query: str) -> None:
    assert "Nothing is" in page_text(browser(mia).get(f"{LIST}{query}"))
