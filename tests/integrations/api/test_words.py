"""What a PSA's words mean, over REST."""

from __future__ import annotations

from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from rest_framework.test import APIClient

from agreements.figures import company_figure
from audit_site.tenants.models import Tenant, User
from companies.models import Company
from integrations.models import Integration, PsaWord
from integrations.words.saying import say_word
from tests.clients import V1, api_of, problem
from tests.factories import make_agreement, make_api, make_company, make_integration
from tests.queries import queries

SAID = {"kind": "cycle", "word": "Contract", "meaning": "yearly", "note": "Asked Bo."}


@pytest.fixture
def address(integration: Integration) -> str:
    return f"{V1}/integrations/{integration.pk}/words/"


@pytest.fixture
def company(tenant: Tenant, integration: Integration) -> Company:
    company = make_company(tenant)
    make_agreement(company, integration, cycle={"unknown": "Contract"}, amount="1200")
    return company


def amount(company: Company) -> list[str]:
    return [total["amount"] for total in company_figure(company).totals]


def test_a_stranger_finds_nothing_and_changes_nothing(
    otto: User, address: str, integration: Integration
) -> None:
    word, _ = say_word(
        integration=integration, actor=None, kind="cycle", word="Odd", meaning="annual"
    )
    api = api_of(otto)
    own = make_integration(otto.memberships.get().tenant)
    through_own = f"{V1}/integrations/{own.pk}/words/{word.pk}/"

    answers = [
        api.get(address),
        api.post(address, SAID),
        *(ask(f"{address}{word.pk}/") for ask in (api.get, api.delete)),
        api.patch(f"{address}{word.pk}/", {"meaning": "monthly"}),
        api.patch(through_own, {"meaning": "monthly"}),
        api.delete(through_own),
        api.get(f"{address}nonsense/"),
    ]

    assert {problem(answer) for answer in answers} == {(404, "not_found")}
    assert list(PsaWord.objects.values_list("word", "meaning", "ended_at")) == [
        ("Odd", "annual", None)
    ]


@pytest.mark.parametrize("role", ["member", "viewer"])
def test_who_is_no_admin_reads_and_says_nothing(
    tenant: Tenant, role: str, address: str, company: Company, integration: Integration
) -> None:
    word, _ = say_word(
        integration=integration, actor=None, kind="cycle", word="Odd", meaning="annual"
    )
    api = make_api(tenant, role)

    writes = [
        api.post(address, SAID),
        api.patch(f"{address}{word.pk}/", {"meaning": "monthly"}),
        api.delete(f"{address}{word.pk}/"),
    ]

    assert {problem(answer) for answer in writes} == {(403, "admin_required")}
    assert len(api.get(address).json()["results"]) == 2
    assert PsaWord.objects.in_force().get().meaning == "annual"


def test_the_life_of_a_word(alex: User, address: str, company: Company) -> None:
    api = api_of(alex)
    waiting = api.get(address).json()
    before = amount(company)

    said = api.post(address, SAID)
    body = said.json()
    after = amount(company)
    changed = api.patch(f"{address}{body['id']}/", {"meaning": {"every": 18, "unit": "month"}})
    undone = api.delete(f"{address}{body['id']}/")

    assert waiting == {
        "next": None,
        "previous": None,
        "results": [
            {
                "id": None,
                "kind": "cycle",
                "word": "Contract",
                "meaning": None,
                "note": "",
                "by": None,
                "at": None,
                "waiting": {"records": 1, "money": [{"currency": "USD", "amount": "1200.00"}]},
                "can": ["say"],
            }
        ],
    }
    assert said.status_code == 201
    assert {name: body[name] for name in body if name not in {"id", "at"}} == {
        **SAID,
        "meaning": "annual",
        "by": "Alex Admin",
        "waiting": None,
        "can": ["edit", "delete"],
    }
    assert body["at"].endswith("Z")
    assert (before, after) == ([], ["100.00"])
    assert (changed.status_code, changed.json()["id"]) == (200, body["id"])
    assert changed.json()["meaning"] == {"every": 18, "unit": "month"}
    assert changed.json()["note"] == "Asked Bo."
    assert undone.status_code == 204
    assert amount(company) == []
    assert api.get(address).json() == waiting
    assert problem(api.get(f"{address}{body['id']}/")) == (404, "not_found")
    assert problem(api.delete(f"{address}{body['id']}/")) == (404, "not_found")


def test_the_same_again_is_200_and_another_meaning_409(api: APIClient, address: str) -> None:
    first = api.post(address, SAID)

    again = api.post(address, {**SAID, "word": "contract", "meaning": "annual"})
    other = api.post(address, {**SAID, "meaning": "monthly"})

    assert (first.status_code, again.status_code) == (201, 200)
    assert again.json() == first.json()
    assert problem(other) == (409, "already_said")


def test_a_post_with_a_key_is_carried_out_once(api: APIClient, address: str) -> None:
    key = {"HTTP_IDEMPOTENCY_KEY": "k1"}

    first = api.post(address, SAID, **key)
    api.delete(f"{address}{first.json()['id']}/")
    again = api.post(address, SAID, **key)

    assert (again.status_code, again.json()) == (201, first.json())
    assert not PsaWord.objects.in_force().exists()


@pytest.mark.parametrize(
    ("over", "field", "code"),
    [
        ({"kind": "weather"}, "kind", "invalid_choice"),
        ({"word": ""}, "word", "blank"),
        ({"word": "x" * 256}, "word", "max_length"),
        ({"meaning": "now and then"}, "meaning", "unknown_meaning"),
        ({"meaning": None}, "meaning", "null"),
        ({"meaning": {"every": 1.5, "unit": "month"}}, "meaning", "unknown_meaning"),
        ({"kind": "currency", "word": "EUR", "meaning": "USD"}, "word", "understood"),
        ({"note": "x" * 1001}, "note", "max_length"),
        ({"by": "me"}, "by", "unknown_field"),
    ],
)
def test_what_can_not_be_said_is_400_at_its_field(
    api: APIClient, address: str, over: dict[str, Any], field: str, code: str
) -> None:
    answer = api.post(address, {**SAID, **over})

    assert answer.status_code == 400
    assert [(e["field"], e["code"]) for e in answer.json()["errors"]] == [(field, code)]
    assert not PsaWord.objects.exists()


def test_a_meaning_that_there_is_not_is_told_with_those_that_there_are(
    api: APIClient, address: str
) -> None:
    answer = api.post(address, {**SAID, "kind": "status", "meaning": "maybe"})

    assert answer.json()["errors"] == [
        {
            "field": "meaning",
            "code": "unknown_meaning",
            "message": "A status means one of: active, not_active.",
        }
    ]


def test_filters_and_pages(
    api: APIClient, address: str, tenant: Tenant, integration: Integration
) -> None:
    for number in range(3):
        make_agreement(make_company(tenant), integration, currency=f"Coin {number}")
    for word in ("a", "b"):
        say_word(integration=integration, actor=None, kind="cycle", word=word, meaning="annual")

    def words(query: str) -> list[str]:
        return [row["word"] for row in api.get(address + query).json()["results"]]

    assert words("") == ["Coin 0", "Coin 1", "Coin 2", "a", "b"]
    assert words("?waiting=true") == ["Coin 0", "Coin 1", "Coin 2"]
    assert words("?waiting=false") == ["a", "b"]
    assert words("?kind=cycle") == ["a", "b"]
    assert words("?kind=currency&waiting=false") == []
    assert problem(api.get(f"{address}?kind=weather")) == (400, "invalid_parameter")
    assert problem(api.get(f"{address}?cursor=zzz")) == (400, "invalid_parameter")


def test_pages_lead_on_and_back(api: APIClient, address: str, integration: Integration) -> None:
    for word in "abcde":
        say_word(integration=integration, actor=None, kind="cycle", word=word, meaning="annual")

    forth, page = [], api.get(f"{address}?page_size=2").json()
    while True:
        forth.append([row["word"] for row in page["results"]])
        if page["next"] is None:
            break
        page = api.get(page["next"]).json()
    back = [page]
    while back[-1]["previous"]:
        back.append(api.get(back[-1]["previous"]).json())

    assert forth == [["a", "b"], ["c", "d"], ["e"]]
    assert [[row["word"] for row in p["results"]] for p in back] == [["e"], ["c", "d"], ["a", "b"]]
    assert "page_size=2" in back[-1]["next"]


def test_the_list_costs_the_same_whatever_its_length(
    api: APIClient, address: str, integration: Integration, tenant: Tenant
) -> None:
    def add(number: int) -> None:
        for at in range(number):
            say_word(
                integration=integration,
                actor=None,
                kind="cycle",
                word=f"{number} {at}",
                meaning="annual",
            )
            make_agreement(make_company(tenant), integration, currency=f"Coin {number} {at}")

    add(1)
    api.get(address)
    few = queries(lambda: api.get(address))
    add(5)

    assert queries(lambda: api.get(address)) == few


def test_the_ledger_names_what_a_row_awaits(
    api: APIClient, company: Company, integration: Integration
) -> None:
    mrr = f"{V1}/companies/{company.pk}/mrr/"
    (before,) = api.get(mrr).json()["ledger"]

    api.post(f"{V1}/integrations/{integration.pk}/words/", SAID)
    (after,) = api.get(mrr).json()["ledger"]

    assert before["awaits"] == {"kind": "cycle", "word": "Contract"}
    assert (after["awaits"], after["included"]) == (None, True)
    assert 'The billing cycle "Contract" means annual here, said by' in after["sentence"]


def test_a_change_with_if_match_keeps_to_the_order_of_locks(
    api: APIClient, address: str, integration: Integration
) -> None:
    if not connection.features.has_select_for_update:
        pytest.skip("one writer at a time: nothing is locked")
    word, _ = say_word(
        integration=integration, actor=None, kind="cycle", word="Odd", meaning="annual"
    )
    path = f"{address}{word.pk}/"
    seen = api.get(path)["ETag"]

    with CaptureQueriesContext(connection) as asked:
        answer = api.patch(path, {"meaning": "monthly"}, HTTP_IF_MATCH=seen)

    locks = [row["sql"] for row in asked if "FOR NO KEY UPDATE" in row["sql"]]
    assert answer.status_code == 200
    assert {sql.partition(" FROM ")[2].split()[0] for sql in locks} == {
        '"integrations_integration"'
    }
