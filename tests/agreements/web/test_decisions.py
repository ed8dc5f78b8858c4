"""What people decide on pages, kept by every sync and undone."""

from __future__ import annotations

import re
from decimal import Decimal

import pytest
from django.utils.dateformat import format as date_text
from rest_framework.test import APIClient

from agreements.figures import company_figure
from agreements.models import Agreement, ChoiceRecord
from audit_site.tenants.models import Tenant, User
from integrations.models import Integration
from tests.clients import api_of, browser, text
from tests.factories import make_agreement, make_line
from tests.syncing import import_all, synced


@pytest.fixture
def api(mia: User) -> APIClient:
    return api_of(mia)


def test_decisions_survive_every_sync_and_can_be_undone(mia: User, connected: Integration) -> None:
    import_all(connected)
    agreement = Agreement.objects.filter(stored_mrr__included=True).order_by("id")[0]
    client = browser(mia)
    before = text(client.get(f"/companies/{agreement.company_id}/"))

    said = client.post(
        f"/agreements/{agreement.pk}/decide/", {"exclude": "on", "note": "Pilot"}, follow=True
    )
    assert "Decided. The figures follow it." in text(said)
    assert "Pilot" in text(said)
    assert "someone in your team excluded this agreement" in text(said)
    Agreement.objects.filter(pk=agreement.pk).update(fingerprint="old", amount="1")
    synced(connected)

    agreement.refresh_from_db()
    assert agreement.choices.exclude
    record = ChoiceRecord.objects.get()
    decide = text(client.get(f"/agreements/{agreement.pk}/decide/"))
    assert "Pilot" in decide
    undone = client.post(f"/decisions/{record.pk}/undo/", follow=True)

    assert "Decided. The figures follow it." in text(undone)
    agreement.choices.refresh_from_db()
    assert not agreement.choices.exclude
    notes = list(ChoiceRecord.objects.order_by("at").values_list("note", flat=True))
    assert notes[0] == "Pilot"
    assert re.fullmatch(r"Undoes the decision of \d+ [A-Z][a-z]{2} 20\d\d\.", notes[1])
    after = text(client.get(f"/companies/{agreement.company_id}/"))
    assert after.count("left out") == before.count("left out")


@pytest.mark.parametrize(
    ("ticked", "others"),
    [
        (("force_include",), "“Count it in spite of its type or status”"),
        (("assume_renewal",), "“Assume that it renews”"),
        (
            ("force_include", "assume_renewal"),
            "“Count it in spite of its type or status” and “Assume that it renews”",
        ),
    ],
)
def test_the_page_refuses_to_leave_out_and_count_at_once(
    mia: User, agreement: Agreement, ticked: tuple[str, ...], others: str
) -> None:
    page = browser(mia).post(
        f"/agreements/{agreement.pk}/decide/", {"exclude": "on", **dict.fromkeys(ticked, "on")}
    )

    assert page.status_code == 422
    assert (
        "It can&#x27;t be left out and counted at once: untick “Leave this agreement out”, "
        f"or else {others}."
    ) in text(page)
    assert not ChoiceRecord.objects.exists()


def test_what_begins_earlier_replaces_nothing_on_the_page(
    mia: User, api: APIClient, agreement: Agreement
) -> None:
    Agreement.objects.filter(pk=agreement.pk).update(name="Block 2025", start_date="2025-08-31")
    later = make_agreement(agreement.company, agreement.integration, external_id="A2",
                           name="Block 2026", start_date="2026-05-22")  # fmt: skip
    undated = make_agreement(agreement.company, agreement.integration, name="Block",
                             start_date=None)  # fmt: skip
    client = browser(mia)

    earlier = client.post(f"/agreements/{agreement.pk}/decide/", {"renews": str(later.pk)})
    rubbish = client.post(f"/agreements/{agreement.pk}/decide/", {"renews": "rubbish"})
    never = client.post(f"/agreements/{undated.pk}/decide/", {"renews": str(later.pk)})
    well = client.post(
        f"/agreements/{later.pk}/decide/", {"renews": str(agreement.pk), "note": "New"}
    )

    assert (earlier.status_code, never.status_code, well.status_code) == (422, 422, 302)
    assert (
        "Block 2025 begins on 31 Aug 2025, before Block 2026 (22 May 2026): nothing of that one "
        "would ever count. Choose one that begins earlier, or decide at Block 2026 that it "
        "replaces Block 2025."
    ) in text(earlier)
    assert "Choose one of these." in text(rubbish)
    assert "Block has no start date, so nothing says from when it replaces" in text(never)
    assert ChoiceRecord.objects.count() == 1


def test_both_sides_of_a_replacement_say_so(
    mia: User, tenant: Tenant, agreement: Agreement
) -> None:
    Agreement.objects.filter(pk=agreement.pk).update(end_date="2026-12-31")
    newer = make_agreement(agreement.company, agreement.integration, external_id="A2",
                           name="Gold", start_date="2026-01-01")  # fmt: skip
    client = browser(mia)
    choosing = text(client.get(f"/agreements/{newer.pk}/decide/"))

    client.post(f"/agreements/{newer.pk}/decide/", {"renews": str(agreement.pk), "note": "Yes"})
    client.post(
        f"/agreements/{newer.pk}/decide/",
        {"renews": str(agreement.pk), "assume_renewal": "on", "note": "Also"},
    )

    page = text(client.get(f"/companies/{agreement.company_id}/mrr/"))
    today = date_text(tenant.today(), "j M Y")
    by_whom = f"by Mia Member on {today}: Yes</div>"
    older, it = (
        "Managed Services (id A1, 1 Jan 2025 to 31 Dec 2026)",
        "Gold (id A2, 1 Jan 2026 to no end)",
    )
    assert f"{older}</label>" in choosing
    assert page.count(f'Replaced by {it}<div class="sub">decided {by_whom}') == 1
    assert page.count(f" Replaced by Gold, decided by Mia Member on {today}</div>") == 1
    assert f'<div>Replaces {older}<div class="sub">{by_whom}' in page
    assert f"Replaced by {it}" in text(client.get(f"/agreements/{agreement.pk}/decide/"))
    assert f"<td>Replaces {older}</td><td>Yes</td>" in text(
        client.get(f"/agreements/{newer.pk}/decide/")
    )


def test_a_decision_without_a_reason_is_asked_for_one_and_keeps_what_was_typed(
    mia: User, agreement: Agreement
) -> None:
    typed = make_agreement(agreement.company, agreement.integration, external_id="A2")
    line = make_line(agreement)
    client = browser(mia)

    of_agreement = client.post(
        f"/agreements/{typed.pk}/decide/", {"assume_renewal": "on", "renews": str(agreement.pk)}
    )
    of_line = client.post(f"/agreement-lines/{line.pk}/decide/", {"exclude": "on", "note": " "})
    nothing = client.post(f"/agreements/{typed.pk}/decide/", {})

    assert (of_agreement.status_code, of_line.status_code) == (422, 422)
    for page in map(text, (of_agreement, of_line)):
        assert "Say why: it stands beside the figure." in page
    assert re.search(rf'name="renews" value="{agreement.pk}"[^>]* checked', text(of_agreement))
    assert re.search(r'name="exclude"[^>]* checked', text(of_line))
    assert nothing.status_code == 302  # it was so already
    assert not ChoiceRecord.objects.exists()


def test_the_effect_of_a_decision_is_shown_before_it_is_made(
    mia: User, agreement: Agreement
) -> None:
    Agreement.objects.filter(pk=agreement.pk).update(name="Old", amount="10000")
    newer = make_agreement(agreement.company, agreement.integration, external_id="A2",
                           amount="70", start_date="2026-01-01")  # fmt: skip
    line = make_line(newer, quantity="2", unit_price="15")
    once = make_line(newer, quantity="1", unit_price="5", one_time=True)
    client = browser(mia)
    tried = [
        (f"agreements/{agreement.pk}", {"exclude": "on"}, "10,100.00 → 100.00 USD"),
        (f"agreements/{agreement.pk}", {"force_include": "on"}, "stays what it is today."),
        (f"agreements/{newer.pk}", {"renews": str(agreement.pk)}, "10,100.00 → 100.00 USD"),
        (f"agreement-lines/{line.pk}", {"exclude": "on"}, "10,100.00 → 10,070.00 USD"),
        (f"agreement-lines/{once.pk}", {"force_include": "on"}, "10,100.00 → 10,105.00 USD"),
    ]

    for address, choice, said in tried:
        asked = {**choice, "effect": "1"}
        page = client.post(f"/{address}/decide/", asked)
        part = client.post(f"/{address}/decide/", asked, headers={"HX-Request": "true"})
        assert (page.status_code, part.status_code) == (200, 200)
        for answer in (page, part):
            words = " ".join(re.sub("<[^>]+>", " ", text(answer)).split())
            assert said in words, choice
        assert "<html" not in text(part)
        assert "<html" in text(page)
    assert not ChoiceRecord.objects.exists()
    for address, choice, said in tried:  # what was said is what follows
        client.post(f"/{address}/decide/", {**choice, "note": "x"})
        after = company_figure(agreement.company).totals[0]["amount"]
        client.post(f"/{address}/decide/", {"note": "back"})
        assert said.startswith("stays") or f"→ {Decimal(after):,}" in said
