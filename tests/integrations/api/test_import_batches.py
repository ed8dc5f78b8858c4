"""Imports over REST: started in one call, carried out by a worker, with a result for each row."""

from __future__ import annotations

from typing import Any

import pytest
from rest_framework.test import APIClient

from audit_site.tenants.models import AuditEvent, Tenant, User
from companies.models import Company
from companies.services import archive_company
from integrations.models import ImportBatch, Integration, PsaCompanyRecord
from tests.clients import V1, api_of, problem
from tests.factories import make_company, make_integration, make_link, make_psa_company
from tests.integrations.importing.import_lists import add
from tests.queries import queries
from tests.worker import work_off_imports

BATCHES = f"{V1}/import-batches/"


@pytest.fixture
def lists(tenant: Tenant) -> list[Integration]:
    """Two lists: three companies that can be added, and one without a contact."""
    first, second = make_integration(tenant), make_integration(tenant)
    make_psa_company(first, external_id="1", name="Amber", type="Customer")
    make_psa_company(first, external_id="2", name="Birch")
    make_psa_company(second, external_id="1", name="Cedar", type="Customer")
    nobody: dict[str, Any] = {"importable": False, "rule_codes": ["no_contact"]}
    make_psa_company(second, external_id="4", name="Dune", **nobody)
    return [first, second]


def one(integration: Integration, external_id: str) -> dict[str, str]:
    return {"integration": str(integration.pk), "external_id": external_id}


def rows_of(api: APIClient, batch: Any, query: str = "") -> list[tuple[str, str, str | None]]:
    found = api.get(f"{BATCHES}{batch['id']}/rows/{query}").json()["results"]
    return [(r["name"], r["state"], r["reason"]["code"] if r["reason"] else None) for r in found]


def test_named_companies_have_a_result_each(mia: User, lists: list[Integration]) -> None:
    api, (first, second) = api_of(mia), lists
    make_link(make_company(first.tenant, name="Ours"), first, external_id="2")
    named = [one(first, "1"), one(first, "2"), one(second, "4"), one(second, "nobody")]

    started = api.post(BATCHES, {"companies": named})
    waiting = api.get(f"{BATCHES}{started.json()['id']}/").json()
    work_off_imports()
    done = api.get(f"{BATCHES}{started.json()['id']}/").json()

    assert started.status_code == 202
    assert (waiting["state"], waiting["progress"]) == ("queued", {"done": 0, "total": 4})
    assert (done["state"], done["progress"]) == ("done", {"done": 4, "total": 4})
    assert done["counts"] == {
        "new": 4, "links": 0, "waiting": 0, "done": 2, "failed": 2, "undoing": 0, "undone": 0,
        "unticked": 0, "archived": 0, "unlinked": 0, "back": 0, "undoable": 1,
    }  # fmt: skip
    assert done["started_by"] == {"id": str(mia.pk), "name": "Mia Member"}
    assert done["can"] == ["retry", "undo"]
    assert rows_of(api, done) == [
        ("Amber", "done", None),
        ("Birch", "done", "already_linked"),
        ("Dune", "failed", "no_contact"),
        ("nobody", "failed", "unknown_company"),
    ]
    assert rows_of(api, done, "?state=failed")[0] == ("Dune", "failed", "no_contact")
    first_row = api.get(f"{BATCHES}{done['id']}/rows/").json()["results"][0]
    amber = Company.objects.get(name="Amber")
    assert first_row["company"] == {"id": str(amber.pk), "name": "Amber"}
    assert (first_row["made"], first_row["becomes"]) == (True, "new")
    assert list(AuditEvent.objects.filter(action="import.started").values_list("after")) == [
        ({"companies": 4},)
    ]


def test_all_that_match_come_but_the_exceptions(mia: User, lists: list[Integration]) -> None:
    api, (first, _) = api_of(mia), lists

    everything = {"all_that_match": {}, "exceptions": [one(first, "1")]}
    body = api.post(BATCHES, everything).json()
    work_off_imports()
    customers = api.post(BATCHES, {"all_that_match": {"type": "customer"}}).json()

    assert [row[:2] for row in rows_of(api, body)] == [("Birch", "done"), ("Cedar", "done")]
    assert rows_of(api, customers) == [("Amber", "waiting", None)]


def test_what_was_not_done_is_tried_again(mia: User, lists: list[Integration]) -> None:
    api, (_, second) = api_of(mia), lists
    body = api.post(BATCHES, {"companies": [one(second, "4")]}).json()
    early = api.post(f"{BATCHES}{body['id']}/retry/")
    work_off_imports()
    could = api.get(f"{BATCHES}{body['id']}/").json()["can"]
    PsaCompanyRecord.objects.filter(name="Dune").update(importable=True, rule_codes=[])

    again = api.post(f"{BATCHES}{body['id']}/retry/")
    work_off_imports()
    nothing = api.post(f"{BATCHES}{body['id']}/retry/")
    can = api.get(f"{BATCHES}{body['id']}/").json()["can"]

    assert problem(early) == (409, "under_way")
    assert (again.status_code, again.json()["state"]) == (202, "queued")
    assert rows_of(api, body) == [("Dune", "done", None)]
    assert problem(nothing) == (409, "nothing_to_retry")
    assert (could, can) == (["retry"], ["undo"])


def test_what_an_undo_archived_is_brought_back_and_both_are_named(
    mia: User, alex: User, lists: list[Integration]
) -> None:
    api, (first, second) = api_of(mia), lists
    named = [one(first, "1"), one(second, "1")]
    address = f"{BATCHES}{api.post(BATCHES, {'companies': named}).json()['id']}/"
    work_off_imports()
    not_yet = api.post(f"{address}bring-back/")
    api.post(f"{address}undo/")
    early = api.post(f"{address}bring-back/")
    work_off_imports()
    undone = api.get(address).json()

    started = api_of(alex).post(f"{address}bring-back/")
    work_off_imports()
    done = api.get(address).json()
    nothing = api.post(f"{address}bring-back/")

    assert problem(not_yet) == (409, "nothing_to_bring_back")
    assert problem(early) == (409, "under_way")
    by_mia = {"id": str(mia.pk), "name": "Mia Member"}
    assert (undone["undo_by"], undone["back_by"], undone["can"]) == (by_mia, None, ["bring_back"])
    assert (undone["counts"]["archived"], undone["counts"]["back"]) == (2, 0)
    assert (started.status_code, started.json()["state"]) == (202, "queued")
    assert (done["undo_by"], done["back_by"]["id"], done["can"]) == (by_mia, str(alex.pk), ["undo"])
    assert (done["counts"]["archived"], done["counts"]["back"]) == (0, 2)
    assert done["finished_at"] == undone["finished_at"]
    assert rows_of(api, done)[0] == ("Amber", "done", "brought_back")
    assert problem(nothing) == (409, "nothing_to_bring_back")
    assert set(Company.objects.values_list("status", flat=True)) == {"active"}


def test_only_what_an_undo_would_take_back_can_be_undone(
    mia: User, lists: list[Integration]
) -> None:
    api, (first, second) = api_of(mia), lists
    make_link(make_company(first.tenant, name="Ours"), first, external_id="1")
    before = api.post(BATCHES, {"companies": [one(first, "1")]}).json()
    mixed = api.post(BATCHES, {"companies": [one(first, "2"), one(second, "1")]}).json()
    work_off_imports()
    archive_company(company=Company.objects.get(name="Birch"), actor=mia)

    linked_before, made = (api.get(f"{BATCHES}{body['id']}/").json() for body in (before, mixed))
    nothing = api.post(f"{BATCHES}{before['id']}/undo/")
    api.post(f"{BATCHES}{mixed['id']}/undo/")
    work_off_imports()
    undone = api.get(f"{BATCHES}{mixed['id']}/").json()

    assert (linked_before["counts"]["done"], linked_before["counts"]["undoable"]) == (1, 0)
    assert linked_before["can"] == []
    assert problem(nothing) == (409, "nothing_to_undo")
    assert (made["counts"]["done"], made["counts"]["undoable"], made["can"]) == (2, 1, ["undo"])
    assert rows_of(api, mixed) == [("Birch", "done", None), ("Cedar", "undone", None)]
    assert (undone["counts"]["archived"], undone["can"]) == (1, ["bring_back"])


def test_what_is_tried_again_after_an_undo_leaves_the_day_of_the_undo(
    mia: User, lists: list[Integration]
) -> None:
    api, (first, second) = api_of(mia), lists
    body = api.post(BATCHES, {"companies": [one(first, "1"), one(second, "4")]}).json()
    address = f"{BATCHES}{body['id']}/"
    work_off_imports()
    ended = api.get(address).json()["finished_at"]
    api.post(f"{address}retry/")
    work_off_imports()
    tried = api.get(address).json()["finished_at"]
    api.post(f"{address}undo/")
    work_off_imports()
    undone = api.get(address).json()["finished_at"]
    PsaCompanyRecord.objects.filter(name="Dune").update(importable=True, rule_codes=[])

    api.post(f"{address}retry/")
    work_off_imports()
    after = api.get(address).json()
    api.post(f"{address}undo/")
    work_off_imports()

    assert ended < tried < undone
    assert rows_of(api, body) == [("Amber", "undone", None), ("Dune", "undone", None)]
    assert (after["finished_at"], after["counts"]["done"]) == (undone, 1)
    assert api.get(address).json()["finished_at"] > undone, "a later undo has a day of its own"


def test_the_same_key_brings_back_once_and_only_what_there_is_room_for(
    mia: User, tenant: Tenant, lists: list[Integration]
) -> None:
    api = api_of(mia)
    address = f"{BATCHES}{api.post(BATCHES, {'all_that_match': {}}).json()['id']}/"
    work_off_imports()
    api.post(f"{address}undo/")
    work_off_imports()
    Tenant.objects.filter(pk=tenant.pk).update(company_limit=2)

    full = api.post(f"{address}bring-back/")
    Tenant.objects.filter(pk=tenant.pk).update(company_limit=3)
    first, again = (api.post(f"{address}bring-back/", HTTP_IDEMPOTENCY_KEY="k") for _ in range(2))
    work_off_imports()

    assert problem(full) == (409, "licence_exceeded")
    assert "3 audITees would come back, and your licence has room for 2." in full.json()["detail"]
    assert (first.status_code, first.json()) == (202, again.json())
    assert Company.objects.filter(status="active").count() == 3
    assert AuditEvent.objects.filter(action="import.brought_back").count() == 1


def test_more_than_there_is_room_for_is_refused_as_a_whole(
    mia: User, tenant: Tenant, lists: list[Integration]
) -> None:
    Tenant.objects.filter(pk=tenant.pk).update(company_limit=2)

    refused = api_of(mia).post(BATCHES, {"all_that_match": {}})

    assert problem(refused) == (409, "licence_exceeded")
    assert "3 new audITees are ticked, and your licence has room for 2." in refused.json()["detail"]
    assert not ImportBatch.objects.exists()
    assert not Company.objects.exists()


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ({}, "invalid"),
        ({"companies": [], "all_that_match": {}}, "empty"),
        ({"companies": []}, "empty"),
        ({"companies": {}}, "not_a_list"),
        ({"all_that_match": {"colour": "red"}}, "unknown_field"),
        ({"all_that_match": {"tab": "hidden"}}, "invalid_choice"),
        ({"all_that_match": {"search": "nobody"}}, "nothing_chosen"),
    ],
)
def test_what_can_not_be_taken_is_refused(
    mia: User, lists: list[Integration], body: dict[str, Any], code: str
) -> None:
    answer = api_of(mia).post(BATCHES, body)

    assert problem(answer) == (400, code)
    assert "Expected" not in answer.json()["detail"]
    assert not ImportBatch.objects.exists()


def test_the_same_key_starts_one_import(mia: User, lists: list[Integration]) -> None:
    api = api_of(mia)
    body: dict[str, Any] = {"all_that_match": {}}

    answers = [api.post(BATCHES, body, headers={"Idempotency-Key": "k"}) for _ in range(2)]

    assert answers[0].json()["id"] == answers[1].json()["id"]
    assert ImportBatch.objects.count() == 1


def test_another_tenants_companies_and_imports_are_not_there(
    otto: User, mia: User, lists: list[Integration]
) -> None:
    stranger, (first, _) = api_of(otto), lists
    body = api_of(mia).post(BATCHES, {"all_that_match": {}}).json()

    named = stranger.post(BATCHES, {"companies": [one(first, "1")]})
    filtered = stranger.post(BATCHES, {"all_that_match": {"integration": str(first.pk)}})
    everything = stranger.post(BATCHES, {"all_that_match": {}})
    hidden = [
        stranger.get(f"{BATCHES}{body['id']}/"),
        stranger.get(f"{BATCHES}{body['id']}/rows/"),
        stranger.post(f"{BATCHES}{body['id']}/retry/"),
        stranger.post(f"{BATCHES}{body['id']}/bring-back/"),
    ]

    for answer in (named, filtered):
        assert answer.status_code == 400
        assert answer.json()["errors"][0]["code"] == "does_not_exist"
    assert problem(everything) == (400, "nothing_chosen")
    assert {answer.status_code for answer in hidden} == {404}
    assert stranger.get(BATCHES).json()["results"] == []


def test_a_viewer_reads_and_starts_nothing(vic: User, lists: list[Integration]) -> None:
    api = api_of(vic)

    batch = ImportBatch.objects.create(tenant=lists[0].tenant)

    assert problem(api.post(BATCHES, {"all_that_match": {}}))[0] == 403
    assert problem(api.post(f"{BATCHES}{batch.pk}/bring-back/"))[0] == 403
    assert api.get(BATCHES).status_code == 200


def test_lists_cost_the_same_however_long(mia: User, lists: list[Integration]) -> None:
    api = api_of(mia)
    body = api.post(BATCHES, {"all_that_match": {}}).json()
    rows = f"{BATCHES}{body['id']}/rows/"
    api.get(BATCHES)
    few = queries(lambda: api.get(BATCHES)), queries(lambda: api.get(rows))

    add(lists[0], *(f"Firm {number}" for number in range(20)))
    more = api.post(BATCHES, {"all_that_match": {}}).json()
    rows = f"{BATCHES}{more['id']}/rows/"

    assert (queries(lambda: api.get(BATCHES)), queries(lambda: api.get(rows))) == few
