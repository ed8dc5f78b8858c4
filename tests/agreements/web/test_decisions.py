"""What people decide on pages, kept by every sync and undone."""

from __future__ import annotations

import re
from decimal import Decimal
from typing import Any

import pytest
from django.utils.dateformat import format as date_text
from rest_framework.test import APIClient

from agreements.decisions import choose, label_of
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
        f"/agreements/{agreement.pk}/decide/", {"count": "exclude", "note": "Pilot"}, follow=True
    )
    assert f"Decided about {label_of(agreement)}. The figures follow it." in text(said)
    assert "Pilot" in text(said)
    assert "someone in your team excluded this agreement" in text(said)
    assert ": left out by your team" in text(said)
    Agreement.objects.filter(pk=agreement.pk).update(fingerprint="old", amount="1")
    synced(connected)

    agreement.refresh_from_db()
    assert agreement.choices.exclude
    record = ChoiceRecord.objects.get()
    decide = text(client.get(f"/agreements/{agreement.pk}/decide/"))
    assert "Pilot" in decide
    undone = client.post(f"/decisions/{record.pk}/undo/", follow=True)

    assert "Undone. The figures follow it." in text(undone)
    agreement.choices.refresh_from_db()
    assert not agreement.choices.exclude
    notes = list(ChoiceRecord.objects.order_by("at").values_list("note", flat=True))
    assert notes[0] == "Pilot"
    assert re.fullmatch(r"Undoes the decision of \d+ [A-Z][a-z]{2} 20\d\d\.", notes[1])
    after = text(client.get(f"/companies/{agreement.company_id}/"))
    assert after.count("left out") == before.count("left out")


def test_the_page_refuses_to_leave_out_what_is_assumed_to_renew(
    mia: User, agreement: Agreement
) -> None:
    page = browser(mia).post(
        f"/agreements/{agreement.pk}/decide/", {"count": "exclude", "assume_renewal": "on"}
    )

    assert page.status_code == 422
    assert (
        "It can&#x27;t be left out and counted at once: take back that it is left out, or that it "
        "is assumed to renew."
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
    assert page.count(f"Replaced by {it}, decided {by_whom}") == 1
    assert page.count(f"Replaces {older}, {by_whom}") == 1
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
    of_line = client.post(f"/agreement-lines/{line.pk}/decide/", {"count": "exclude", "note": " "})
    nothing = client.post(f"/agreements/{typed.pk}/decide/", {})

    assert (of_agreement.status_code, of_line.status_code) == (422, 422)
    for page in map(text, (of_agreement, of_line)):
        assert "Say why: it stands beside the figure." in page
    assert re.search(rf'name="renews" value="{agreement.pk}"[^>]* checked', text(of_agreement))
    assert chosen_on(of_line) == "exclude"
    assert "MRR today" in text(of_line)  # what it would do stays in sight
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
        (f"agreements/{agreement.pk}", {"count": "exclude"}, "10,100.00 → 100.00 USD"),
        (f"agreements/{agreement.pk}", {"count": "force_include"}, "Nothing changes."),
        (f"agreements/{newer.pk}", {"renews": str(agreement.pk)}, "10,100.00 → 100.00 USD"),
        (f"agreement-lines/{line.pk}", {"count": "exclude"}, "10,100.00 → 10,070.00 USD"),
        (f"agreement-lines/{once.pk}", {"count": "force_include"}, "10,100.00 → 10,105.00 USD"),
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
        assert said.startswith("Nothing") or f"→ {Decimal(after):,}" in said


def test_the_effect_also_tells_what_becomes_of_the_averages_and_what_is_proposed(
    mia: User, agreement: Agreement, time_machine: Any
) -> None:
    time_machine.move_to("2026-06-15T12:00:00Z", tick=False)
    Agreement.objects.filter(pk=agreement.pk).update(amount="100")
    ended = make_agreement(agreement.company, agreement.integration, external_id="A2", amount="120",
                           start_date="2025-01-01", end_date="2026-05-31")  # fmt: skip
    ends = make_agreement(agreement.company, agreement.integration, external_id="A3", amount="60",
                          start_date="2025-01-01", end_date="2026-08-31")  # fmt: skip
    client = browser(mia)

    def effect(pk: Any, choice: str) -> str:
        part = text(client.get(f"/agreements/{pk}/decide/?choose={choice}"))
        part = part.split('id="effect"')[1].split(">", 1)[1].split("</div>")[0]
        return " ".join(re.sub("<[^>]+>", " ", part).split())

    name = agreement.company
    assert effect(ended.pk, "exclude") == (
        f"{name}: the MRR stays what it is today, average of the last 12 months 280.00 → 160.00 USD"
    )
    assert effect(ended.pk, "assume_renewal") == (
        f"{name}: MRR today 160.00 → 280.00 USD , average of the next 12 months as signed "
        "115.00 → 235.00 USD"
    )
    assert effect(ends.pk, "assume_renewal") == (
        f"{name}: the MRR stays what it is today, average of the next 12 months as signed 115.00 "
        "→ 160.00 USD"
    )
    assert effect(agreement.pk, "force_include") == "Nothing changes."
    assert effect(agreement.pk, "note") == ""
    choose(agreement=agreement, actor=mia, changes={"force_include": True}, note="x")
    assert "MRR today" in effect(agreement.pk, "exclude")  # instead, for it is one choice
    assert effect(agreement.pk, "force_include") == ""  # it is so already
    assert effect(agreement.pk, "as_read") == "Nothing changes."


def test_a_form_that_is_out_of_date_undoes_no_decision_of_a_colleague(
    mia: User, alex: User, tenant: Tenant, agreement: Agreement
) -> None:
    other = make_agreement(agreement.company, agreement.integration, external_id="A2")
    line, client = make_line(agreement), browser(mia)
    ours = f"/agreements/{agreement.pk}/decide/"
    theirs = {"exclude": True}
    for address, one in ((ours, None), (f"/agreement-lines/{line.pk}/decide/", line)):
        shown = seen_on(client.get(address))
        made = choose(agreement=agreement, line=one, actor=alex, changes=theirs, note="Gift")
        sent = {"seen": shown, "cycle": "annual", "note": "Yearly"}
        if one is None:
            sent["renews"] = str(other.pk)

        late = client.post(address, sent)

        assert (shown, late.status_code) == ("", 409)
        assert (
            f"Alex Admin decided about this on {date_text(tenant.today(), 'j M Y')}: look again. "
            "Nothing was saved."
        ) in text(late)
        assert ChoiceRecord.objects.filter(line=one).count() == 1
        assert made is not None
        assert seen_on(late) == str(made.pk)
        assert chosen_on(late) == "exclude"  # what the colleague decided
        assert re.search(r'value="annual"[^>]* selected', text(late))  # what was typed
        assert 'value="Yearly"' in text(late)
        again = client.post(address, {**sent, "count": "exclude", "seen": seen_on(late)})
        assert again.status_code == 302
        record = ChoiceRecord.objects.filter(line=one).order_by("-at")[0]
        assert (record.before["exclude"], record.after["exclude"]) == (True, True)
        assert record.after["cycle"] == "annual"
    agreement.choices.refresh_from_db()
    assert agreement.choices.renews == ["A2"]


def test_what_was_changed_on_an_old_form_stands_beside_what_was_decided_since(
    mia: User, alex: User, agreement: Agreement
) -> None:
    address, client = f"/agreements/{agreement.pk}/decide/", browser(mia)
    choose(agreement=agreement, actor=alex, changes={"force_include": True}, note="a")
    shown = seen_on(client.get(address))
    choose(agreement=agreement, actor=alex, changes={"force_include": False}, note="b")
    choose(agreement=agreement, actor=alex, changes={"assume_renewal": True}, note="c")

    late = client.post(address, {"seen": shown, "count": "force_include", "cycle": "annual"})

    assert late.status_code == 409
    assert chosen_on(late) == ""
    assert re.search(r'name="assume_renewal"[^>]* checked', text(late))
    assert re.search(r'value="annual"[^>]* selected', text(late))
    assert client.post(address, {"seen": "what"}).status_code == 422


def chosen_on(page: Any) -> str:
    """Which of the three is chosen."""
    (found,) = re.findall(r'name="count" value="([a-z_]*)"[^>]* checked', text(page))
    return str(found)


def seen_on(page: Any) -> str:
    """The newest decision that a form was shown with."""
    (found,) = re.findall(r'<input type="hidden" name="seen"([^>]*)>', text(page))
    return "".join(re.findall(r'value="([^"]*)"', found))


def test_what_was_taken_back_does_not_seem_decided_and_the_history_names_it(
    alex: User, agreement: Agreement
) -> None:
    Agreement.objects.filter(pk=agreement.pk).update(recurring=False)
    line, client = make_line(agreement, product="Backup"), browser(alex)

    def decided() -> str:
        page = text(client.get(f"/companies/{agreement.company_id}/mrr/"))
        return " ".join(re.sub("<[^>]+>", " ", page).split())

    def say(note: str, line: Any = None, **changes: Any) -> None:
        choose(agreement=agreement, line=line, actor=alex, changes=changes, note=note)

    say("a", force_include=True, cycle="annual")
    say("b", right=["negative_agreement"])
    assert "Said to be right as it is (“Less than nothing?”), by Alex Admin" in decided()
    say("c", right=[])
    assert "Counted in spite of the PSA, billed annual, by Alex Admin" in decided()
    say("d", cycle=None)
    assert "Counted in spite of the PSA, by Alex Admin" in decided()
    say("e", force_include=False)
    say("f", line, exclude=True)
    assert "Left out, by Alex Admin" in decided()
    say("g", line, exclude=False)

    assert "as the PSA says again" not in decided().lower()
    assert "counted again" not in decided().lower()
    ledger = client.get(f"/companies/{agreement.company_id}/mrr/ledger.csv").content.decode()
    assert "again" not in ledger.lower()
    history = text(client.get(f"/companies/{agreement.company_id}/history/"))
    history = " ".join(re.sub("<[^>]+>", " ", history).split())
    named = "Decided by Alex Admin Managed Services (id A1, 1 Jan 2025 to no end): "
    assert f"{named}Counted in spite of the PSA, billed annual (a)" in history
    assert (
        f"{named}Said to be right as it is (“Less than nothing?”) (b); it changes no figure"
    ) in history
    assert f"{named}In doubt again (“Less than nothing?”) (c); it changes no figure" in history
    assert f"{named}As the PSA says again (e)" in history
    assert (
        "Decided by Alex Admin Backup of Managed Services (id A1, 1 Jan 2025 to no end): Left out "
        "(f)"
    ) in history
