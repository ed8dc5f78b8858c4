"""What somebody should look at: which it is, who settles it, and that no other tenant sees it."""

from __future__ import annotations

import re
from typing import Any

import pytest
from rest_framework.test import APIClient

from agreements import stored_mrr
from agreements.decisions import choose, label_of
from agreements.models import Agreement, AgreementMrr, ChoiceRecord
from audit_site.errors import FieldErrors
from audit_site.tenants.models import Tenant, User
from companies.models import Company
from integrations.models import Integration
from tests.clients import V1, api_of, browser, text
from tests.factories import make_agreement, make_company, make_line, make_member, make_tenant


@pytest.fixture
def api(mia: User) -> APIClient:
    return api_of(mia)


@pytest.fixture
def company(tenant: Tenant) -> Company:
    return make_company(tenant, name="Acme")


def worked_out(company: Company) -> None:
    stored_mrr.refresh(company.tenant, [company.pk])


def listed(api: APIClient, **query: str) -> dict[str, Any]:
    body = api.get(f"{V1}/agreements/", query).json()
    return {row["external_id"]: row for row in body["results"]}


@pytest.fixture
def doubtful(company: Company, integration: Integration, time_machine: Any) -> dict[str, Agreement]:
    """Two agreements of one name, one priced for half a year, one below zero, and one that is well."""
    time_machine.move_to("2026-06-15T12:00:00Z", tick=False)
    found = {
        id_: make_agreement(company, integration, external_id=id_, name=name, **over)
        for id_, name, over in (
            ("one", "Gold Support", {"amount": "1000"}),
            ("two", "Renewal of Gold Support", {"amount": "1100"}),
            ("part", "Licences", {"cycle": "annual", "amount": "0"}),
            ("credit", "Credits", {"amount": "0"}),
            ("well", "Backup", {"amount": "70"}),
        )
    }
    make_line(found["part"], external_id="P", quantity="1", unit_price="1200",
              start_date="2026-05-01", end_date="2026-10-31")  # fmt: skip
    make_line(found["credit"], external_id="C", quantity="-1", unit_price="75")
    worked_out(company)
    return found


def test_what_is_doubtful_is_listed_with_what_it_brings(
    api: APIClient, doubtful: dict[str, Agreement]
) -> None:
    every = listed(api)

    assert {id_: row["warnings"] for id_, row in every.items()} == {
        "one": ["possible_overlap"],
        "two": ["possible_overlap"],
        "part": ["part_of_cycle"],
        "credit": ["negative_agreement"],
        "well": [],
    }
    assert {id_: row["rate"]["amount"] for id_, row in every.items()} == {
        "one": "1000.00", "two": "1100.00", "part": "100.00", "credit": "-75.00", "well": "70.00",
    }  # fmt: skip
    assert every["part"]["lines"] == [str(doubtful["part"].lines.get().pk)]
    assert every["one"]["overlaps"] == [str(doubtful["two"].pk)]
    assert every["two"]["overlaps"] == [str(doubtful["one"].pk)]
    assert every["well"]["overlaps"] == []
    assert listed(api, warning="possible_overlap").keys() == {"one", "two"}
    assert listed(api, warning="part_of_cycle").keys() == {"part"}
    assert listed(api, ended="without_renewal") == {}
    assert stored_mrr.verify([doubtful["one"].tenant_id], mend=False) == {}


def test_who_says_that_it_is_right_settles_it_and_no_figure_changes(
    api: APIClient, mia: User, doubtful: dict[str, Agreement]
) -> None:
    company = doubtful["one"].company
    before = api.get(f"{V1}/companies/{company.pk}/mrr/").json()
    line = doubtful["part"].lines.get()

    agreed = api.patch(
        f"{V1}/agreements/{doubtful['one'].pk}/choices/", {"right": ["possible_overlap"]}
    )
    client = browser(mia)
    page = client.post(f"/agreement-lines/{line.pk}/right/", {"code": "part_of_cycle"}, follow=True)
    client.post(f"/agreements/{doubtful['credit'].pk}/right/", {"code": "negative_agreement"})

    assert (agreed.status_code, agreed.json()["right"]) == (200, ["possible_overlap"])
    assert agreed.json()["history"][0]["by"] == str(mia)
    assert "Noted that" in text(page)
    assert {id_: row["warnings"] for id_, row in listed(api).items() if row["warnings"]} == {
        "two": ["possible_overlap"]
    }
    after = api.get(f"{V1}/companies/{company.pk}/mrr/").json()
    assert after["totals"] == before["totals"]
    assert [row["right"] for row in after["ledger"] if row["right"]] == [
        ["possible_overlap"], ["part_of_cycle"], ["negative_agreement"],
    ]  # fmt: skip
    api.patch(f"{V1}/agreements/{doubtful['one'].pk}/choices/", {"right": []})
    assert listed(api, warning="possible_overlap").keys() == {"one", "two"}


def test_it_is_right_settles_a_pair_and_its_undo_brings_back_both(
    mia: User, doubtful: dict[str, Agreement], api: APIClient
) -> None:
    one, two = (Agreement.objects.get(pk=doubtful[id_].pk) for id_ in ("one", "two"))
    client, here = browser(mia), "/mrr/to-check/?show=possible_overlap"
    sent = {"code": "possible_overlap", "next": here}

    noted = text(client.post(f"/agreements/{one.pk}/right/", sent, follow=True))
    again = text(client.post(f"/agreements/{one.pk}/right/", sent, follow=True))
    undo_at = re.search(r'action="(/decisions/[^"]+)"', noted)
    settled = listed(api, warning="possible_overlap")
    assert undo_at is not None
    address = undo_at[1].replace("&amp;", "&")
    undone = text(client.post(address, {"next": here}, follow=True))
    twice = text(client.post(address, {"next": here}, follow=True))

    assert f"Noted that {label_of(one)} and {label_of(two)} are right." in noted
    assert "Nothing like that is warned of here any more." in again
    assert settled == {}
    assert "Undone. It is in doubt again." in undone
    assert "<h1>To check" in undone
    assert "It was undone already." in twice
    assert listed(api, warning="possible_overlap").keys() == {"one", "two"}
    other = browser(make_member(make_tenant()))
    assert other.post(address).status_code == 404


def test_of_three_of_a_name_each_is_looked_at(
    mia: User, doubtful: dict[str, Agreement], api: APIClient
) -> None:
    """Who says that one is right has not said so of the other two."""
    company = doubtful["one"].company
    make_agreement(company, doubtful["one"].integration, external_id="three",
                   name="Gold Support 2026", amount="5")  # fmt: skip
    worked_out(company)
    client, sent = browser(mia), {"code": "possible_overlap"}

    page = text(client.get("/mrr/to-check/?show=possible_overlap"))
    client.post(f"/agreements/{doubtful['one'].pk}/right/", sent)
    left = listed(api, warning="possible_overlap")
    client.post(f"/agreements/{doubtful['two'].pk}/right/", sent)

    assert page.count("It is right") == 2
    assert left.keys() == {"two", "three"}
    assert listed(api, warning="possible_overlap") == {}
    assert ChoiceRecord.objects.count() == 3


def test_right_is_only_what_is_warned_of_there_today(
    api: APIClient, mia: User, doubtful: dict[str, Agreement]
) -> None:
    line, client, twice = doubtful["part"].lines.get(), browser(mia), ["possible_overlap"] * 2
    tried = [
        (f"agreements/{doubtful['part'].pk}", "part_of_cycle"),
        (f"agreements/{doubtful['well'].pk}", "possible_overlap"),
        (f"agreement-lines/{line.pk}", "negative_agreement"),
        (f"agreement-lines/{line.pk}", ""),
    ]

    for address, code in tried:
        page = client.post(
            f"/{address}/right/", {"code": code, "next": "/mrr/to-check/"}, follow=True
        )
        assert "Nothing like that is warned of here any more." in text(page), address
        assert "<h1>To check" in text(page)
    path = f"{V1}/agreements/{doubtful['one'].pk}/choices/"

    assert not ChoiceRecord.objects.exists()
    assert api.patch(path, {"right": twice}).json()["right"] == ["possible_overlap"]
    with pytest.raises(FieldErrors, match="Some fields"):
        choose(agreement=doubtful["two"], actor=mia, changes={"right": ["part_of_cycle"]})
    choose(agreement=doubtful["two"], actor=mia, changes={"right": ["part_of_cycle"]}, repeats=True)
    said = client.post(
        f"/agreements/{doubtful['two'].pk}/right/", {"code": "possible_overlap"}, follow=True
    )
    assert "Noted that" in text(said)  # what was said otherwise once does no harm
    newest = ChoiceRecord.objects.order_by("-at")[0]
    undone = client.post(f"/decisions/{newest.pk}/undo/", follow=True)
    assert "Undone. It is in doubt again." in text(undone)


def test_a_replacement_settles_an_overlap(api: APIClient, doubtful: dict[str, Agreement]) -> None:
    Agreement.objects.filter(pk=doubtful["two"].pk).update(start_date="2026-06-01")
    body = {"renews": [str(doubtful["one"].pk)], "note": "It goes on."}

    answer = api.patch(f"{V1}/agreements/{doubtful['two'].pk}/choices/", body)

    assert answer.json()["renews"] == [str(doubtful["one"].pk)]
    assert listed(api, warning="possible_overlap") == {}


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"right": ["zero_amount"]}, "right.0"),
        ({"right": "possible_overlap"}, "right"),
        ({"right": ["part_of_cycle"]}, "right.0"),
    ],
)
def test_only_what_a_person_settles_is_right(
    api: APIClient, doubtful: dict[str, Agreement], body: dict[str, Any], field: str
) -> None:
    answer = api.patch(f"{V1}/agreements/{doubtful['one'].pk}/choices/", body)

    assert answer.status_code == 400
    assert [error["field"] for error in answer.json()["errors"]] == [field]


def test_what_ended_without_a_renewal_is_listed_for_92_days(
    api: APIClient, company: Company, integration: Integration, time_machine: Any
) -> None:
    time_machine.move_to("2026-06-15T12:00:00Z", tick=False)
    ends = {"yesterday": "2026-06-14", "longest": "2026-03-15", "before": "2026-03-14"}
    for id_, end in ends.items():
        make_agreement(company, integration, external_id=id_, name=id_, end_date=end, amount="10")
    make_agreement(company, integration, external_id="renewed", end_date="2026-06-01", amount="10")
    make_agreement(company, integration, external_id="newer", start_date="2026-07-01",
                   renews_external_ids=["renewed"], amount="11")  # fmt: skip
    make_agreement(company, integration, external_id="let go", end_date="2026-05-31", amount="10")
    make_agreement(company, integration, external_id="called off", start_date="2026-06-01",
                   cancelled=True, cancelled_date="2026-05-20", renews_external_ids=["let go"],
                   amount="11")  # fmt: skip
    line_of = make_agreement(company, integration, external_id="lines", end_date="2026-06-10",
                             amount="0")  # fmt: skip
    make_line(line_of, external_id="L", quantity="3", unit_price="20")
    left = make_company(company.tenant, status="archived")
    make_agreement(left, integration, external_id="left", end_date="2026-06-10", amount="10")
    worked_out(company)
    worked_out(left)

    found = listed(api, ended="without_renewal")

    assert {id_: (row["last_day"], row["rate"]["amount"]) for id_, row in found.items()} == {
        "yesterday": ("2026-06-14", "10.00"),
        "longest": ("2026-03-15", "10.00"),
        "let go": ("2026-05-31", "10.00"),
        "lines": ("2026-06-10", "60.00"),
    }
    body = {"assume_renewal": True, "note": "It renews by itself."}
    api.patch(f"{V1}/agreements/{found['lines']['id']}/choices/", body)
    assert listed(api, ended="without_renewal").keys() == {"yesterday", "longest", "let go"}


def test_what_ended_long_ago_tells_what_it_brought_on_its_last_day(
    api: APIClient, company: Company, integration: Integration
) -> None:
    agreement = make_agreement(company, integration, external_id="old", amount="0",
                               end_date="2024-03-01", start_date="2020-01-01")  # fmt: skip
    make_line(agreement, external_id="L", quantity="5", unit_price="100")
    worked_out(company)

    assert listed(api)["old"]["rate"] == {"currency": "USD", "amount": "500.00"}


def test_an_overlap_that_a_day_brings_is_there_on_that_day(
    api: APIClient, company: Company, integration: Integration, time_machine: Any
) -> None:
    time_machine.move_to("2026-06-15T12:00:00Z", tick=False)
    make_agreement(company, integration, external_id="one", name="Gold", amount="10")
    make_agreement(company, integration, external_id="two", name="Gold 2027", amount="11",
                   start_date="2026-06-17", end_date="2026-06-18")  # fmt: skip
    worked_out(company)
    doubts = AgreementMrr.objects.order_by("agreement__external_id").values_list(
        "doubts", flat=True
    )
    found = {}

    for day in ("16", "17", "18", "19"):
        time_machine.move_to(f"2026-06-{day}T12:00:00Z", tick=False)
        stored_mrr.pass_days()
        found[day] = list(doubts.all())
        assert stored_mrr.verify([company.tenant_id], mend=False) == {}

    overlap = ["possible_overlap", "possible_overlap"]
    assert found == {"16": ["", ""], "17": overlap, "18": overlap, "19": ["", ""]}


def test_nobody_else_sees_or_settles_it(doubtful: dict[str, Agreement]) -> None:
    other = make_member(make_tenant())
    api, client = api_of(other), browser(other)

    assert listed(api) == {}
    assert listed(api, company=str(doubtful["one"].company_id)) == {}
    assert (
        client.post(
            f"/agreements/{doubtful['one'].pk}/right/", {"code": "possible_overlap"}
        ).status_code
        == 404
    )
    assert "Acme" not in text(client.get("/mrr/to-check/"))


def test_the_page_offers_what_settles_each(mia: User, doubtful: dict[str, Agreement]) -> None:
    client = browser(mia)

    doubts = text(client.get("/mrr/to-check/"))
    ledger = text(client.get(f"/companies/{doubtful['one'].company_id}/mrr/"))

    # in the list the acts stand once for a pair; either may replace the other: they begin together
    assert (doubts.count("It is right"), ledger.count("It is right")) == (3, 4)
    assert (doubts.count("It replaces"), doubts.count("Replaced by")) == (1, 1)
    assert (ledger.count("It replaces"), ledger.count("Replaced by")) == (2, 2)
    assert (
        "Counted twice?</strong> See above: Gold Support (id one, 1 Jan 2025 to no end)" in doubts
    )
    assert "The other one: Renewal of Gold Support (id two, 1 Jan 2025 to no end)" in doubts
    assert "Leave the whole agreement out" in doubts
    assert "Doubtful amounts (4)" in doubts
    assert "Ended, nothing follows (0)" in text(client.get("/mrr/to-check/?show=ended"))
    assert "To check (4)" in text(client.get("/mrr/"))


def test_only_the_later_one_is_offered_to_replace_the_other(
    mia: User, doubtful: dict[str, Agreement]
) -> None:
    one, two = doubtful["one"], doubtful["two"]
    Agreement.objects.filter(pk=two.pk).update(start_date="2026-06-01")
    make_line(doubtful["part"], external_id="all", quantity="1", unit_price="12")
    worked_out(one.company)
    client, listed_at = browser(mia), "/mrr/to-check/?show=possible_overlap&page=1"
    way = f"/agreements/{two.pk}/decide/?choose=renews&amp;other={one.pk}"
    back = "&amp;next=%2Fmrr%2Fto-check%2F%3Fshow%3Dpossible_overlap%26page%3D1"

    page = text(client.get(listed_at))
    ledger = text(client.get(f"/companies/{one.company_id}/mrr/"))
    form = text(client.get(f"{way}{back}".replace("&amp;", "&")))
    asked = {"renews": str(one.pk), "note": "It goes on."}
    decided = client.post(f"{way}{back}".replace("&amp;", "&"), asked)
    elsewhere = client.post(
        f"/agreements/{doubtful['credit'].pk}/right/",
        {"code": "negative_agreement", "next": "//evil.example/"},
    )

    label = "Renewal of Gold Support (id two, 1 Jun 2026 to no end)"
    assert page.count(f"{way}{back}#agreement-{two.pk}-renews") == 1
    assert page.count("It replaces") == 0
    assert page.count(f"Replaced by {label}…") == 1
    assert ledger.count(f'href="{way}') == 2
    assert re.search(rf'value="{one.pk}"[^>]*checked', form)
    assert "2,196.00 → 1,196.00" in form
    assert re.search(r'href="/mrr/to-check/\?show=possible_overlap&amp;page=1"\s*>Cancel', form)
    assert decided["Location"] == listed_at
    assert elsewhere["Location"] == f"/companies/{one.company_id}/mrr/"
    assert "Nothing of this kind is doubtful." in text(client.get(listed_at))
    parts = text(client.get("/mrr/to-check/?show=part_of_cycle"))
    assert re.search(r"USD\s+100.00 of\s+101.00", parts)


def test_who_only_looks_is_not_told_to_act(tenant: Tenant, doubtful: dict[str, Agreement]) -> None:
    client = browser(make_member(tenant, role="viewer"))

    pages = [text(client.get(f"/mrr/to-check/{query}")) for query in ("", "?show=ended")]

    assert "a member of your team can decide." in pages[0]
    assert "It is right" not in pages[0]
    assert 'class="visually-hidden">Decide<' not in pages[1]


def test_the_list_costs_the_same_whatever_its_length(
    api: APIClient,
    tenant: Tenant,
    integration: Integration,
    django_assert_num_queries: Any,
    django_assert_max_num_queries: Any,
) -> None:
    def add(name: str) -> None:
        company = make_company(tenant, name=name)
        for end in ("", " 2"):
            make_agreement(company, integration, name=f"Gold{end}", amount="1")
        worked_out(company)

    add("First")
    listed(api)
    with django_assert_max_num_queries(20) as first:
        listed(api)
    for number in range(5):
        add(f"More {number}")
    with django_assert_num_queries(len(first)):
        assert len(api.get(f"{V1}/agreements/").json()["results"]) == 12
