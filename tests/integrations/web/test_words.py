"""The pages of what a PSA's words mean, and the ways that lead to them."""

from __future__ import annotations

import re
from typing import Any

import pytest
from django.test import Client

from agreements.figures import company_figure
from audit_site.tenants.models import Tenant, User
from companies.models import Company
from integrations.models import Integration, PsaWord
from integrations.words.saying import say_word
from tests.clients import browser, page_text, text
from tests.factories import (
    make_agreement,
    make_company,
    make_link,
    make_psa_company,
    make_psa_contact,
)


@pytest.fixture
def company(tenant: Tenant, integration: Integration) -> Company:
    company = make_company(tenant)
    make_agreement(company, integration, cycle={"unknown": "Contract & more"}, amount="1200")
    return company


def words_of(integration: Integration) -> str:
    return f"/integrations/{integration.pk}/words/"


def say(client: Client, integration: Integration, **over: Any) -> Any:
    typed = {"kind": "cycle", "word": "Contract & more", "meaning": "annual", "note": "", **over}
    return client.post(f"{words_of(integration)}say/", typed, follow=True)


def test_a_stranger_sees_and_changes_nothing(otto: User, integration: Integration) -> None:
    word, _ = say_word(
        integration=integration, actor=None, kind="cycle", word="Odd", meaning="annual"
    )
    client = browser(otto)

    answers = [
        client.get(words_of(integration)),
        client.get(f"{words_of(integration)}say/?kind=cycle"),
        say(client, integration),
        client.post(f"{words_of(integration)}{word.pk}/undo/"),
    ]

    assert {answer.status_code for answer in answers} == {404}
    assert PsaWord.objects.in_force().get().word == "Odd"


def test_an_admin_says_changes_and_takes_back(
    alex: User, company: Company, integration: Integration
) -> None:
    client = browser(alex)

    waiting = page_text(client.get(words_of(integration)))
    form = page_text(client.get(f"{words_of(integration)}say/?kind=cycle&word=Contract+%26+more"))
    said = text(say(client, integration, note="Asked Bo."))
    totals = company_figure(company).totals
    change = page_text(client.get(f"{words_of(integration)}say/?kind=cycle&word=contract+%26+more"))
    changed = text(say(client, integration, meaning="every", every="18", unit="month"))
    word = PsaWord.objects.in_force().get()
    undone = text(client.post(f"{words_of(integration)}{word.pk}/undo/", follow=True))

    assert "Not understood yet (1)" in waiting
    assert "“Contract &amp; more”" in waiting
    assert "USD 1,200.00 a cycle" in waiting
    assert "1 record of ConnectWise Manage has it." in form
    assert '<option value="annual">Yearly = USD 100.00 a month</option>' in form
    assert "“Contract &amp; more” means: Yearly. Figures and lists follow it." in said
    assert "Not understood yet (0)" in said
    assert "Asked Bo." in said
    assert [total["amount"] for total in totals] == ["100.00"]
    assert "So far: Yearly, said by Alex Admin on" in change
    assert '<option value="annual" selected>' in change
    assert "means: Every 18 months." in changed
    assert "meant: Yearly, said by Alex Admin on" in changed
    assert "Taken back: nothing is said of “Contract &amp; more” any more." in undone
    assert company_figure(company).totals == []


def test_an_agreement_that_rests_on_a_word_says_so_where_its_decisions_stand(
    alex: User, company: Company, integration: Integration
) -> None:
    client, address = browser(alex), f"/companies/{company.pk}/mrr/"
    before = page_text(client.get(address))
    say(client, integration)

    after = page_text(client.get(address))

    sentence = "The billing cycle &quot;Contract &amp; more&quot; means annual here, said by"
    assert (sentence in before, after.count(sentence)) == (False, 1)
    decided = after[after.index(sentence) :].partition("</tr>")[0]
    assert "Alex Admin" in decided
    assert f'href="/integrations/{integration.pk}/words/"' in decided


def test_an_undo_of_what_was_changed_meanwhile_takes_nothing_back(
    alex: User, integration: Integration
) -> None:
    client = browser(alex)
    say(client, integration)
    address = words_of(integration)
    stale = re.search(r'name="at" value="([^"]+)"', page_text(client.get(address)))
    assert stale is not None
    say(client, integration, meaning="monthly")
    undo = f"{address}{PsaWord.objects.in_force().get().pk}/undo/"

    refused = text(client.post(undo, {"at": stale[1]}, follow=True))
    kept = PsaWord.objects.in_force().get().meaning
    shown = re.search(r'name="at" value="([^"]+)"', page_text(client.get(address)))
    assert shown is not None
    client.post(undo, {"at": shown[1]})

    assert (
        "“Contract &amp; more” was changed meanwhile: Alex Admin said that it means monthly. "
        "Nothing was done." in refused
    )
    assert kept == "monthly"
    assert not PsaWord.objects.in_force().exists()


def test_a_change_of_what_was_changed_meanwhile_is_refused(
    alex: User, integration: Integration
) -> None:
    client = browser(alex)
    say(client, integration)
    form = f"{words_of(integration)}say/?kind=cycle&word=Contract+%26+more"
    stale = re.search(r'name="at" value="([^"]+)"', page_text(client.get(form)))
    assert stale is not None
    say(client, integration, meaning="monthly")

    refused = say(client, integration, meaning="quarterly", at=stale[1])
    kept = PsaWord.objects.in_force().get().meaning
    again = re.search(r'name="at" value="([^"]+)"', text(refused))
    assert again is not None
    said = say(client, integration, meaning="quarterly", at=again[1])

    assert refused.status_code == 422
    assert "said that it means monthly. Nothing was done." in text(refused)
    assert kept == "monthly"
    assert "means: Quarterly." in page_text(said)
    assert PsaWord.objects.in_force().get().meaning == "quarterly"


@pytest.mark.parametrize("role", ["mia", "vic"])
def test_who_is_no_admin_reads_it_and_is_told_whom_to_ask(
    role: str,
    alex: User,
    company: Company,
    integration: Integration,
    request: pytest.FixtureRequest,
) -> None:
    word, _ = say_word(
        integration=integration, actor=alex, kind="cycle", word="Odd", meaning="annual"
    )
    client = browser(request.getfixturevalue(role))

    page = page_text(client.get(words_of(integration)))
    form = page_text(client.get(f"{words_of(integration)}say/?kind=cycle&word=Odd"))
    refused = say(client, integration)
    undone = client.post(f"{words_of(integration)}{word.pk}/undo/")

    for shown in (page, form):
        assert "Alex Admin</strong> (alex@example.com)" in shown
    assert "/undo/" not in page
    assert '<button type="submit" class="btn btn-primary">Save' not in form
    assert "disabled" in form
    assert (refused.status_code, undone.status_code) == (403, 403)
    assert list(PsaWord.objects.values_list("word", "ended_at")) == [("Odd", None)]


@pytest.mark.parametrize(
    ("over", "message"),
    [
        ({"meaning": ""}, "This field is required."),
        ({"word": " "}, "This field is required."),
        ({"meaning": "every", "every": ""}, "Type how many: every 18 months, for example."),
        ({"meaning": "every", "every": "0"}, "greater than or equal to 1"),
        (
            {"kind": "currency", "word": "USD", "meaning": "EUR"},
            "“USD” is a currency code already, so nothing waits for its meaning.",
        ),
    ],
)
def test_a_refused_form_keeps_what_was_typed_and_says_why(
    alex: User, integration: Integration, over: dict[str, str], message: str
) -> None:
    answer = say(browser(alex), integration, note="Asked Bo.", **over)

    assert answer.status_code == 422
    assert message in text(answer)
    assert 'value="Asked Bo."' in text(answer)
    assert not PsaWord.objects.exists()


def test_a_kind_that_there_is_not_is_no_page(alex: User, integration: Integration) -> None:
    client = browser(alex)

    assert client.get(f"{words_of(integration)}say/?kind=weather").status_code == 404
    assert client.get(f"{words_of(integration)}say/")["Location"] == words_of(integration)
    assert say(client, integration, kind="").status_code == 404


def test_a_word_is_chosen_from_those_that_were_seen(
    alex: User, tenant: Tenant, integration: Integration
) -> None:
    make_agreement(make_company(tenant), integration, type="Retainer")

    page = page_text(browser(alex).get(f"{words_of(integration)}say/?kind=agreement_type"))

    assert '<option value="Retainer"></option>' in page
    assert 'list="words"' in page


def test_a_row_that_waits_leads_to_saying_it(
    mia: User, company: Company, integration: Integration
) -> None:
    client = browser(mia)
    address = f"{words_of(integration)}say/?kind=cycle&amp;word=Contract%20%26%20more"

    for path in (f"/companies/{company.pk}/", f"/companies/{company.pk}/mrr/"):
        page = page_text(client.get(path))
        assert "its billing cycle &quot;Contract &amp; more&quot; is not one we know" in page
        assert f'href="{address}"' in page
    assert page_text(client.get(address.replace("&amp;", "&")))


def test_the_sum_and_its_csv_name_the_word_that_decided(
    alex: User, mia: User, company: Company, integration: Integration
) -> None:
    word, _ = say_word(
        integration=integration, actor=alex, kind="cycle", word="Contract & more", meaning="annual"
    )
    client = browser(mia)

    page = page_text(client.get(f"/companies/{company.pk}/mrr/"))
    csv = text(client.get(f"/companies/{company.pk}/mrr/ledger.csv"))

    said = f"means annual here, said by Alex Admin on {word.at.day} {word.at:%b %Y}."
    assert f"The billing cycle &quot;Contract &amp; more&quot; {said}" in page
    assert f'The billing cycle ""Contract & more"" {said}' in csv


def test_a_status_that_stands_in_the_way_leads_to_saying_it(
    alex: User, tenant: Tenant, integration: Integration
) -> None:
    record = make_psa_company(
        integration, status="Gold", is_active=False, importable=False, rule_codes=["inactive"]
    )
    make_psa_contact(integration, "p1", record.external_id)
    company = make_company(tenant)
    link = make_link(
        company, integration, external_id=record.external_id, problem_codes=["inactive"]
    )
    client, address = browser(alex), f"{words_of(integration)}say/?kind=status&amp;word=Gold"

    linked = page_text(client.get(f"/companies/{company.pk}/"))
    link.delete()
    listed = page_text(client.get("/import/?tab=all"))
    say_word(integration=integration, actor=alex, kind="status", word="Gold", meaning="active")
    after = page_text(client.get("/import/?tab=all"))

    for page in (linked, listed):
        assert "Its status in ConnectWise Manage, “Gold”, does not count as Active." in page
        assert f'href="{address}"' in page
    assert address not in after
    assert '<span class="text-secondary">Becomes a new audITee</span>' in after
    assert '<span class="mark">Gold</span>' not in after


def test_the_settings_say_how_many_words_wait(
    alex: User, company: Company, integration: Integration
) -> None:
    client = browser(alex)
    address = f"/integrations/{integration.pk}/setup/"

    before = page_text(client.get(address))
    say(client, integration)
    after = page_text(client.get(address))

    assert "1 not understood" in before
    assert "Every word that was read so far is understood." in after
    assert f'href="{words_of(integration)}"' in before
