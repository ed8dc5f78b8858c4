"""REST: the list of suggestions, and confirming, dismissing and restoring them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from uuid import uuid4

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from rest_framework.test import APIClient

from audit_site.tenants.models import AuditEvent, Tenant
from companies.models import Company, Contact
from integrations.matching.sides import mark_of, our_sides, their_sides
from integrations.models import (
    CompanyLink,
    Integration,
    LinkSuggestion,
    PsaCompanyRecord,
    SyncRun,
)
from tests.clients import V1, problem
from tests.factories import (
    make_api,
    make_company,
    make_integration,
    make_link,
    make_psa_company,
)
from tests.faulty_tables import refuse
from tests.integrations.matching.suggestions import brief, matched, pair


@contextmanager
def statements() -> Iterator[list[str]]:
    """The statements that are carried out meanwhile."""
    found: list[str] = []
    with CaptureQueriesContext(connection) as captured:
        yield found
    found += [query["sql"] for query in captured]


LIST, CONFIRM = f"{V1}/link-suggestions/", f"{V1}/link-suggestions/confirm/"
DISMISS, RESTORE = f"{V1}/link-suggestions/dismiss/", f"{V1}/link-suggestions/restore/"


def asked(company: Company, record: PsaCompanyRecord) -> dict[str, str]:
    return {
        "company": str(company.pk),
        "integration": str(record.integration_id),
        "external_id": record.external_id,
    }


def codes(answer: Any) -> list[tuple[str, str]]:
    assert answer.status_code == 200, answer.content
    rejected = answer.json()["rejected"]
    assert all(one["message"].endswith(".") for one in rejected)
    return [(one["external_id"], one["code"]) for one in rejected]


@pytest.fixture
def two(integration: Integration) -> list[tuple[Company, PsaCompanyRecord]]:
    """Two pairs, worked out; the first is sure."""
    pairs = [
        pair(integration, "Amber Vet", email="ada@ambervet.com"),
        pair(integration, "Zephyr Legal", "Zephyr Legal LLC"),
    ]
    matched(integration.tenant)
    return pairs


def test_the_list_is_best_first_with_both_sides_and_reasons(
    api: APIClient, two: list[tuple[Company, PsaCompanyRecord]]
) -> None:
    (company, record), (other, _) = two

    body = api.get(LIST).json()

    first, second = body["results"]
    found_at, id_ = first.pop("found_at"), first.pop("id")
    assert id_ == str(LinkSuggestion.objects.get(company=company).pk)
    assert found_at.endswith("Z")
    assert first == {
        "kind": "link",
        "from": None,
        "company": {"id": str(company.pk), "name": "Amber Vet"},
        "psa_company": {
            "integration": str(record.integration_id),
            "external_id": record.external_id,
            "name": "Amber Vet",
        },
        "score": 92,
        "reasons": [
            {"code": "same_name", "message": "Same name."},
            {"code": "same_domain", "message": "Same e-mail domain (ambervet.com)."},
        ],
        "rivals": 0,
        "sure": True,
        "dismissed": None,
        "can": ["confirm", "dismiss"],
    }
    assert (second["company"]["id"], second["score"], second["sure"]) == (str(other.pk), 80, False)
    assert (body["next"], body["previous"]) == (None, None)


def test_the_list_is_filtered_and_paged(
    api: APIClient, integration: Integration, two: list[tuple[Company, PsaCompanyRecord]]
) -> None:
    def names(**filters: str) -> list[str]:
        return [row["company"]["name"] for row in api.get(LIST, filters).json()["results"]]

    assert names(integration=str(integration.pk)) == ["Amber Vet", "Zephyr Legal"]
    assert names(integration=str(uuid4())) == []
    assert names(integration="no id") == []
    assert names(company=str(two[1][0].pk)) == ["Zephyr Legal"]
    assert names(sure="true") == ["Amber Vet"]
    assert names(sure="false") == ["Zephyr Legal"]
    assert names(kind="move") == []
    assert problem(api.get(LIST, {"kind": "odd"})) == (400, "invalid_parameter")
    page = api.get(LIST, {"page_size": "1"}).json()
    assert [row["company"]["name"] for row in page["results"]] == ["Amber Vet"]
    page = api.get(page["next"]).json()
    assert [row["company"]["name"] for row in page["results"]] == ["Zephyr Legal"]


def test_the_list_takes_a_constant_number_of_statements(
    api: APIClient, integration: Integration, two: Any
) -> None:
    api.get(LIST)  # the token is known now
    with statements() as few:
        api.get(LIST)
    for number in range(20):
        pair(integration, f"Number{number} Bakery")
    matched(integration.tenant)
    with statements() as many:
        assert len(api.get(LIST).json()["results"]) == 22
    assert len(few) == len(many)


def test_confirmed_pairs_are_linked_and_read(
    api: APIClient, integration: Integration, two: list[tuple[Company, PsaCompanyRecord]]
) -> None:
    answer = api.post(CONFIRM, {"pairs": [asked(*one) for one in two]})

    body = answer.json()
    assert codes(answer) == []
    assert [one["name"] for one in body["linked"]] == ["Amber Vet", "Zephyr Legal"]
    assert [one["link"]["external_id"] for one in body["linked"]] == [
        record.external_id for _, record in two
    ]
    run = SyncRun.objects.get()
    assert sorted(run.companies) == sorted(record.external_id for _, record in two)
    assert (body["sync_run"]["id"], len(body["sync_runs"])) == (str(run.pk), 1)
    assert brief() == []
    events = AuditEvent.objects.filter(action="company.linked").order_by("id")
    assert [event.object_name for event in events] == ["Amber Vet", "Zephyr Legal"]
    assert {event.person_id for event in events} == {str(api.user.pk)}


def test_a_confirm_of_one_is_as_its_link(
    api: APIClient, two: list[tuple[Company, PsaCompanyRecord]]
) -> None:
    answer = api.post(CONFIRM, {"pairs": [asked(*two[0])]})

    run = SyncRun.objects.get()
    assert answer.json()["sync_run"]["company"] == str(two[0][0].pk) == str(run.company_id)


def test_a_dry_run_answers_the_same_and_does_nothing(
    api: APIClient, two: list[tuple[Company, PsaCompanyRecord]]
) -> None:
    pairs = {"pairs": [asked(*one) for one in two]}

    dry = api.post(f"{CONFIRM}?dry_run=true", pairs).json()

    assert (CompanyLink.objects.count(), SyncRun.objects.count()) == (0, 0)
    assert len(brief()) == 2
    real = api.post(CONFIRM, pairs).json()
    assert [one["id"] for one in dry["linked"]] == [one["id"] for one in real["linked"]]
    assert dry["rejected"] == real["rejected"] == []


def _disconnect(company: Company, record: PsaCompanyRecord) -> None:
    Integration.objects.update(status="disconnected")


CHANGES: dict[str, tuple[Any, str]] = {
    "renamed there": (
        lambda company, record: PsaCompanyRecord.objects.filter(pk=record.pk).update(name="No"),
        "suggestion_changed",
    ),
    "renamed here": (
        lambda company, record: Company.objects.filter(pk=company.pk).update(name="No"),
        "suggestion_changed",
    ),
    "another address": (
        lambda company, record: Contact.objects.filter(company=company).update(email="a@b.com"),
        "suggestion_changed",
    ),
    "linked here": (
        lambda company, record: make_link(company, record.integration),
        "already_linked",
    ),
    "linked there": (
        lambda company, record: make_link(
            make_company(company.tenant), record.integration, external_id=record.external_id
        ),
        "already_linked",
    ),
    "dismissed": (
        lambda company, record: LinkSuggestion.objects.update(dismissed_at=timezone.now()),
        "not_suggested",
    ),
    "archived": (
        lambda company, record: Company.objects.filter(pk=company.pk).update(status="archived"),
        "not_suggested",
    ),
    "gone": (
        lambda company, record: PsaCompanyRecord.objects.update(gone_at=timezone.now()),
        "not_suggested",
    ),
    "ignored": (
        lambda company, record: PsaCompanyRecord.objects.update(ignored_at=timezone.now()),
        "not_suggested",
    ),
    "erased there": (
        lambda company, record: PsaCompanyRecord.objects.filter(pk=record.pk).delete(),
        "unknown_company",
    ),
    "erased here": (
        lambda company, record: Company.objects.filter(pk=company.pk).delete(),
        "does_not_exist",
    ),
    "refused": (
        lambda company, record: refuse(CompanyLink, "external_id", record.external_id),
        "internal_error",
    ),
    "disconnected": (_disconnect, "not_connected"),
}


@pytest.mark.parametrize("what", CHANGES)
def test_what_changed_meanwhile_is_rejected_by_itself_and_the_others_are_linked(
    api: APIClient, integration: Integration, what: str
) -> None:
    other = integration if what == "refused" else make_integration(integration.tenant)
    company, record = pair(integration, "Amber Vet")
    matched(integration.tenant)
    change, code = CHANGES[what]
    pairs = [asked(company, record)]
    change(company, record)
    good = pair(other, "Zephyr Legal")
    if what != "dismissed":
        matched_only(other, *good)
        pairs.append(asked(*good))

    answer = api.post(CONFIRM, {"pairs": pairs})

    if what == "disconnected":
        assert codes(answer) == [(one["external_id"], code) for one in pairs]
        return
    assert codes(answer) == [(record.external_id, code)]
    assert [one["name"] for one in answer.json()["linked"]] == ["Zephyr Legal" for _ in pairs[1:]]
    if what == "linked there":
        assert "Client" in answer.json()["rejected"][0]["message"]


def matched_only(integration: Integration, company: Company, record: PsaCompanyRecord) -> None:
    """A suggestion that was worked out although others are out of date."""
    ours = our_sides(integration.tenant, Company.objects.filter(pk=company.pk))[company.pk]
    theirs = their_sides(integration)[record.pk]
    LinkSuggestion.objects.create(
        tenant=integration.tenant,
        company=company,
        record=record,
        score=80,
        mark=mark_of(ours, theirs),
    )


def test_what_is_not_ours_is_rejected_like_what_there_is_not(
    api: APIClient, other_tenant: Tenant, two: list[tuple[Company, PsaCompanyRecord]]
) -> None:
    theirs = make_integration(other_tenant)
    foreign, record = pair(theirs, "Amber Vet")
    matched(other_tenant)
    (ours, our_record), _ = two
    pairs = [
        {**asked(foreign, our_record)},
        {**asked(ours, record)},
        {"company": "no id", "integration": str(uuid4()), "external_id": "x"},
    ]

    answer = api.post(CONFIRM, {"pairs": pairs})

    assert [code for _, code in codes(answer)] == ["does_not_exist"] * 3
    assert CompanyLink.objects.count() == 0
    assert api.get(LIST, {"integration": str(theirs.pk)}).json()["results"] == []


def test_a_side_that_is_named_twice_is_not_chosen_between(
    api: APIClient, integration: Integration, two: list[tuple[Company, PsaCompanyRecord]]
) -> None:
    other = make_psa_company(integration, name="Amber Veterinary")
    same, fine = asked(*two[0]), asked(*two[1])

    answer = api.post(CONFIRM, {"pairs": [same, {**same, "external_id": other.external_id}, fine]})
    assert {code for _, code in codes(answer)} == {"named_twice"}
    assert [one["name"] for one in answer.json()["linked"]] == ["Zephyr Legal"]

    answer = api.post(CONFIRM, {"pairs": [same, same]})
    assert codes(answer) == []
    assert [one["name"] for one in answer.json()["linked"]] == ["Amber Vet"]


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ({}, "required"),
        ({"pairs": []}, "empty"),
        ({"pairs": [{"company": "1"}]}, "required"),
        (
            {"pairs": [{"company": "1", "integration": "2", "external_id": "3", "x": 1}]},
            "unknown_field",
        ),
        ({"pairs": [{"company": "1", "integration": "2", "external_id": "3"}] * 501}, "max_length"),
    ],
)
def test_what_can_not_be_read_is_400(api: APIClient, body: Any, code: str) -> None:
    answer = api.post(CONFIRM, body)

    assert answer.status_code == 400
    assert code in {error["code"] for error in answer.json()["errors"]}


def test_many_take_as_many_statements_as_few_but_for_the_trail(
    api: APIClient, integration: Integration
) -> None:
    pairs = [asked(*pair(integration, f"Number{number} Bakery")) for number in range(24)]
    matched(integration.tenant)
    assert len(api.post(CONFIRM, {"pairs": pairs[:2]}).json()["linked"]) == 2

    with statements() as few:
        assert len(api.post(CONFIRM, {"pairs": pairs[2:4]}).json()["linked"]) == 2
    with statements() as many:
        assert len(api.post(CONFIRM, {"pairs": pairs[4:]}).json()["linked"]) == 20

    trail = [one for one in many if "INSERT" in one and "auditevent" in one]
    assert len(many) - len(few) == len(trail) - 2


def test_viewers_read_and_members_confirm(
    integration: Integration, two: list[tuple[Company, PsaCompanyRecord]]
) -> None:
    viewer, member = make_api(integration.tenant, "viewer"), make_api(integration.tenant, "member")
    pairs = {"pairs": [asked(*two[0])]}

    assert [row["can"] for row in viewer.get(LIST).json()["results"]] == [[], []]
    for path in (CONFIRM, DISMISS, RESTORE):
        assert problem(viewer.post(path, pairs)) == (403, "member_required")
    assert len(member.post(CONFIRM, pairs).json()["linked"]) == 1


def test_a_dismissed_pair_is_not_suggested_until_that_is_taken_back(
    api: APIClient, integration: Integration, two: list[tuple[Company, PsaCompanyRecord]]
) -> None:
    body = api.post(DISMISS, {"pairs": [asked(*two[0])]}).json()

    (row,) = body["suggestions"]
    assert (row["can"], row["dismissed"]["by"], body["rejected"]) == (
        ["restore"],
        str(api.user),
        [],
    )
    matched(integration.tenant)
    assert brief() == [("Zephyr Legal", "Zephyr Legal LLC", 80)]
    assert [
        one["company"]["name"] for one in api.get(LIST, {"dismissed": "true"}).json()["results"]
    ] == ["Amber Vet"]
    assert codes(api.post(CONFIRM, {"pairs": [asked(*two[0])]})) == [
        (two[0][1].external_id, "not_suggested")
    ]

    api.post(RESTORE, {"pairs": [asked(*two[0])]})
    api.post(RESTORE, {"pairs": [asked(*two[0])]})

    assert len(brief()) == 2
    acts = AuditEvent.objects.filter(action__startswith="suggestion.").order_by("id")
    assert [act.action for act in acts] == ["suggestion.dismissed", "suggestion.restored"]


def test_the_import_list_names_the_same_suggestion(
    api: APIClient, integration: Integration, two: list[tuple[Company, PsaCompanyRecord]]
) -> None:
    make_psa_company(integration, name="Nobody's")
    path = f"{V1}/integrations/{integration.pk}/psa-companies/"

    rows = api.get(path, {"suggested": "true"}).json()["results"]

    assert [row["suggested_company"] for row in rows] == [
        {"id": str(two[0][0].pk), "name": "Amber Vet", "score": 92},
        {"id": str(two[1][0].pk), "name": "Zephyr Legal", "score": 80},
    ]
    others = api.get(path, {"suggested": "false"}).json()["results"]
    assert [(row["name"], row["suggested_company"]) for row in others] == [("Nobody's", None)]
    assert len(api.get(path).json()["results"]) == 3
