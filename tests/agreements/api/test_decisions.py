"""What people decide over REST: it counts at once, and what does not fit changes nothing."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

import pytest
from rest_framework.test import APIClient

from agreements.decisions import choose, label_of, undo
from agreements.models import Agreement, ChoiceRecord
from audit_site.tenants.models import AuditEvent, Tenant, User
from integrations.models import Integration
from tests.clients import V1, api_of, browser, text
from tests.factories import make_agreement, make_company, make_integration, make_line


@pytest.fixture
def api(mia: User) -> APIClient:
    return api_of(mia)


def mrr_of(api: APIClient, agreement: Agreement) -> Any:
    return api.get(f"{V1}/companies/{agreement.company_id}/mrr/").json()


def test_a_decision_counts_at_once_and_is_kept_with_name_note_and_time(
    api: APIClient, agreement: Agreement
) -> None:
    answer = api.patch(
        f"{V1}/agreements/{agreement.pk}/choices/", {"exclude": True, "note": " Not theirs "}
    )

    body = answer.json()
    assert answer.status_code == 200
    history = body.pop("history")
    assert body == {
        "agreement": str(agreement.pk), "exclude": True, "force_include": False,
        "assume_renewal": False, "renews": [], "cycle": None, "right": [],
    }  # fmt: skip
    assert [(r["note"], r["before"]["exclude"], r["after"]["exclude"]) for r in history] == [
        ("Not theirs", False, True)
    ]
    assert history[0]["by"]
    assert history[0]["at"].endswith("Z")
    found = mrr_of(api, agreement)
    assert found["totals"] == []
    assert found["ledger"][0]["reason"] == "excluded_by_user"
    assert AuditEvent.objects.filter(action="mrr.choice_made").count() == 1
    for nothing in ({"exclude": True}, {"note": "Yes, indeed"}, {}):  # it was so already
        again = api.patch(f"{V1}/agreements/{agreement.pk}/choices/", nothing)
        assert len(again.json()["history"]) == 1


@pytest.mark.parametrize(
    ("over", "choice", "warning"),
    [
        ({"recurring": False}, "force_include", "included_by_user"),
        ({"active": False}, "force_include", "included_by_user"),
        ({"end_date": "2026-01-31"}, "assume_renewal", "assumed_renewal"),
    ],
)
def test_what_the_psa_leaves_out_counts_when_someone_says_so(
    api: APIClient, tenant: Tenant, integration: Integration, over: Any, choice: str, warning: str
) -> None:
    agreement = make_agreement(make_company(tenant), integration, **over)
    assert mrr_of(api, agreement)["totals"] == []

    api.patch(f"{V1}/agreements/{agreement.pk}/choices/", {choice: True, "note": "So it is."})

    found = mrr_of(api, agreement)
    assert [total["amount"] for total in found["totals"]] == ["100.00"]
    assert warning in found["ledger"][0]["warnings"]


def test_one_agreement_replaces_another_when_someone_says_so(
    api: APIClient, tenant: Tenant, agreement: Agreement
) -> None:
    newer = make_agreement(agreement.company, agreement.integration, external_id="A2",
                           amount="130", start_date="2026-01-01")  # fmt: skip
    assert mrr_of(api, agreement)["totals"][0]["amount"] == "230.00"

    answer = api.patch(
        f"{V1}/agreements/{newer.pk}/choices/", {"renews": str(agreement.pk), "note": "New."}
    )

    assert answer.json()["renews"] == [str(agreement.pk)]
    found = mrr_of(api, agreement)
    assert found["totals"][0]["amount"] == "130.00"
    assert {row["agreement_id"]: row["reason"] for row in found["ledger"]} == {
        "A1": "superseded", "A2": None,
    }  # fmt: skip
    back = api.patch(
        f"{V1}/agreements/{agreement.pk}/choices/", {"renews": str(newer.pk), "note": "New."}
    )
    assert (back.status_code, back.json()["errors"]) == (
        400,
        [{"field": "renews", "code": "invalid", "message": (
            "Managed Services begins on 1 Jan 2025, before Managed Services (1 Jan 2026): nothing "
            "of that one would ever count. Choose one that begins earlier, or decide at Managed "
            "Services that it replaces Managed Services."
        )}],
    )  # fmt: skip
    api.patch(f"{V1}/agreements/{newer.pk}/choices/", {"renews": None, "note": "No."})
    assert mrr_of(api, agreement)["totals"][0]["amount"] == "230.00"


def test_a_line_can_be_left_out_or_said_to_recur(
    api: APIClient, tenant: Tenant, integration: Integration
) -> None:
    agreement = make_agreement(make_company(tenant), integration, amount="0")
    steady = make_line(agreement, quantity="1", unit_price="50")
    lone = make_line(agreement, quantity="1", unit_price="30",
                     start_date="2026-11-01", end_date="2026-11-30")  # fmt: skip
    day = {"as_of": "2026-11-15"}

    def amount() -> str:
        body = api.get(f"{V1}/companies/{agreement.company_id}/mrr/", day).json()
        return str(body["totals"][0]["amount"])

    assert amount() == "50.00"
    said = api.patch(
        f"{V1}/agreement-lines/{lone.pk}/choices/", {"force_include": True, "note": "It recurs."}
    )
    assert said.json()["force_include"] is True
    assert said.json()["line"] == str(lone.pk)
    assert amount() == "80.00"
    api.patch(f"{V1}/agreement-lines/{steady.pk}/choices/", {"exclude": True, "note": "gift"})
    assert amount() == "30.00"


def test_what_does_not_fit_is_a_400_and_changes_nothing(
    api: APIClient, tenant: Tenant, agreement: Agreement, other_tenant: Tenant
) -> None:
    line = make_line(agreement)
    elsewhere = make_agreement(make_company(tenant), agreement.integration)
    foreign = make_agreement(make_company(other_tenant), make_integration(other_tenant))
    agreements = f"{V1}/agreements/{agreement.pk}/choices/"
    tried: list[tuple[str, Any, str]] = [
        (agreements, {"renews": str(agreement.pk)}, "invalid"),
        (agreements, {"renews": str(elsewhere.pk)}, "invalid"),
        (agreements, {"renews": str(foreign.pk)}, "does_not_exist"),
        (agreements, {"renews": str(uuid4())}, "does_not_exist"),
        (agreements, {"renews": "what"}, "does_not_exist"),
        (agreements, {"exclude": "perhaps"}, "invalid"),
        (agreements, {"include": True}, "unknown_field"),
        (agreements, {"note": "x" * 1001}, "max_length"),
        (f"{V1}/agreement-lines/{line.pk}/choices/", {"assume_renewal": True}, "unknown_field"),
    ]

    for path, body, code in tried:
        answer = api.patch(path, body)
        assert answer.status_code == 400, body
        assert answer.json()["errors"][0]["code"] == code, body
    assert not ChoiceRecord.objects.exists()


@pytest.mark.parametrize(
    ("chosen", "lines"),
    [
        ({"exclude": True}, False),
        ({"force_include": True, "note": " "}, False),
        ({"assume_renewal": True}, False),
        ({"renews": "other"}, False),
        ({"exclude": True}, True),
        ({"force_include": True, "note": ""}, True),
    ],
)
def test_what_changes_a_figure_needs_a_note_also_when_it_is_taken_back(
    api: APIClient, agreement: Agreement, chosen: dict[str, Any], lines: bool
) -> None:
    other = make_agreement(agreement.company, agreement.integration, external_id="A0")
    path = f"{V1}/agreements/{agreement.pk}/choices/"
    if lines:
        path = f"{V1}/agreement-lines/{make_line(agreement).pk}/choices/"
    (name,) = set(chosen) - {"note"}
    values = {name: str(other.pk)} if name == "renews" else {name: True}
    back = {name: None if name == "renews" else False}
    wanted = [
        {"field": "note", "code": "required", "message": "Say why: it stands beside the figure."}
    ]

    silent = api.patch(path, {**chosen, **values}, format="json")
    made = api.patch(path, {**values, "note": "Pilot"}, format="json")
    silently_back = api.patch(path, back, format="json")

    assert (silent.status_code, silent.json()["errors"]) == (400, wanted)
    kept = [str(other.pk)] if name == "renews" else True
    assert (made.status_code, made.json()[name]) == (200, kept)
    assert (silently_back.status_code, silently_back.json()["errors"]) == (400, wanted)
    assert ChoiceRecord.objects.count() == 1


def test_viewers_read_decisions_and_make_none(vic: User, agreement: Agreement) -> None:
    viewer = api_of(vic)
    path = f"{V1}/agreements/{agreement.pk}/choices/"

    assert viewer.get(path).status_code == 200
    assert viewer.patch(path, {"exclude": True}).status_code == 403
    page = browser(vic)
    assert page.post(f"/agreements/{agreement.pk}/decide/", {"count": "exclude"}).status_code == 403
    assert "/decide/" not in text(page.get(f"/companies/{agreement.company_id}/mrr/"))
    assert not ChoiceRecord.objects.exists()


def test_no_decision_closes_a_circle_with_what_the_psa_says(
    api: APIClient, tenant: Tenant, agreement: Agreement
) -> None:
    newer = make_agreement(agreement.company, agreement.integration, external_id="A2",
                           amount="70", start_date="2025-01-01",
                           renews_external_ids=["A1"])  # fmt: skip
    last = make_agreement(agreement.company, agreement.integration, external_id="A3",
                          amount="5", start_date="2025-01-01")  # fmt: skip

    def renew(one: Agreement, other: Agreement | None) -> tuple[int, Any]:
        body = {"renews": str(other.pk) if other else None, "note": "So it is."}
        answer = api.patch(f"{V1}/agreements/{one.pk}/choices/", body, format="json")
        return answer.status_code, answer.json().get("code")

    assert renew(agreement, newer) == (409, "renewal_circle")
    assert ChoiceRecord.objects.count() == 0
    assert mrr_of(api, agreement)["totals"][0]["amount"] == "75.00"
    assert renew(last, newer) == (200, None)
    assert renew(agreement, last) == (409, "renewal_circle")
    assert renew(newer, last) == (409, "renewal_circle")
    assert renew(last, None) == (200, None)
    assert renew(newer, last) == (200, None)
    assert renew(agreement, newer) == (200, None)
    assert renew(newer, None) == (409, "renewal_circle")
    assert renew(agreement, None) == (200, None)
    assert renew(newer, None) == (200, None)


@pytest.mark.parametrize("circle", ["A1", "A2"])
def test_a_circle_of_the_psas_own_keeps_nobody_from_deciding(
    api: APIClient, tenant: Tenant, agreement: Agreement, circle: str
) -> None:
    make_agreement(agreement.company, agreement.integration, external_id="A2", amount="70",
                   start_date="2026-01-01", renews_external_ids=["A1"])  # fmt: skip
    Agreement.objects.filter(pk=agreement.pk).update(renews_external_ids=[circle])

    answer = api.patch(
        f"{V1}/agreements/{agreement.pk}/choices/",
        {"exclude": True, "renews": None, "note": "No."},
        format="json",
    )

    assert answer.status_code == 200


def test_undoing_a_replacement_brings_the_earlier_one_back(
    mia: User, agreement: Agreement, api: APIClient
) -> None:
    others = [
        make_agreement(agreement.company, agreement.integration, external_id=f"B{n}")
        for n in range(2)
    ]
    path = f"{V1}/agreements/{agreement.pk}/choices/"
    for other in others:
        api.patch(path, {"renews": str(other.pk), "note": "New."})
    newest = ChoiceRecord.objects.order_by("-at")[0]

    browser(mia).post(f"/decisions/{newest.pk}/undo/")

    assert api.get(path).json()["renews"] == [str(others[0].pk)]


def test_one_agreement_replaces_two_and_its_undo_brings_both_back(
    mia: User, agreement: Agreement, api: APIClient
) -> None:
    """Two of 100.00 go on in one of 150.00; none of them replaces what replaces it."""
    company, integration = agreement.company, agreement.integration
    second = make_agreement(company, integration, external_id="A2")
    joint = make_agreement(company, integration, external_id="A3", amount="150",
                           start_date="2026-06-01")  # fmt: skip
    path = f"{V1}/agreements/{joint.pk}/choices/"
    ids = [str(agreement.pk), str(second.pk)]

    answer = api.patch(path, {"renews": [*ids, ids[0]], "note": "Both."}, format="json")
    body = mrr_of(api, agreement)
    Agreement.objects.filter(pk=second.pk).update(start_date="2026-07-01")
    circle = api.patch(
        f"{V1}/agreements/{second.pk}/choices/",
        {"renews": [str(joint.pk)], "note": "Back."},
        format="json",
    )
    Agreement.objects.filter(pk=second.pk).update(start_date="2025-01-01")
    page = text(browser(mia).get(f"/agreements/{joint.pk}/decide/"))
    (record,) = answer.json()["history"]
    browser(mia).post(f"/decisions/{record['id']}/undo/")

    assert sorted(answer.json()["renews"]) == sorted(ids)
    assert [total["amount"] for total in body["totals"]] == ["150.00"]
    reasons = {row["row_id"]: row["reason"] for row in body["ledger"]}
    assert reasons == {
        "connectwise:A1:flat": "superseded",
        "connectwise:A2:flat": "superseded",
        "connectwise:A3:flat": None,
    }
    assert (circle.status_code, circle.json()["code"]) == (409, "renewal_circle")
    labels = [label_of(one) for one in Agreement.objects.filter(pk__in=ids).order_by("id")]
    assert f"Replaces {labels[0]} and {labels[1]}" in page
    assert api.get(path).json()["renews"] == []
    assert mrr_of(api, agreement)["totals"][0]["amount"] == "350.00"


@pytest.mark.parametrize("other", ["force_include", "assume_renewal"])
def test_nothing_is_left_out_and_counted_at_once(
    api: APIClient, mia: User, agreement: Agreement, other: str
) -> None:
    path = f"{V1}/agreements/{agreement.pk}/choices/"
    both = api.patch(path, {"exclude": True, other: True, "note": "?"})
    api.patch(path, {"exclude": True, "note": "x"})
    on_top = api.patch(path, {other: True, "note": "?"})
    instead = api.patch(path, {"exclude": False, other: True, "note": "x"})
    back = api.patch(path, {"exclude": True, "note": "?"})

    assert (both.status_code, on_top.status_code, back.status_code) == (400, 400, 400)
    assert [answer.json()["errors"][0]["field"] for answer in (both, on_top, back)] == [
        "exclude", other, "exclude",
    ]  # fmt: skip
    assert (instead.status_code, instead.json()["exclude"], instead.json()[other]) == (
        200, False, True,
    )  # fmt: skip


def test_what_was_decided_both_ways_before_is_shown_and_undone(
    alex: User, api: APIClient, agreement: Agreement
) -> None:
    for choice in ("exclude", "force_include"):  # as it could be decided once
        choose(agreement=agreement, actor=alex, changes={choice: True}, note="?", repeats=True)
    newest = ChoiceRecord.objects.order_by("-at")[0]

    page = text(browser(alex).get(f"/companies/{agreement.company_id}/mrr/"))
    undone = choose(
        agreement=agreement, actor=alex, changes={"exclude": False}, note="x", repeats=False
    )

    assert "Counted in spite of the PSA: leaving it out wins" in page
    assert mrr_of(api, agreement)["ledger"][0]["reason"] is None
    assert undone is not None
    assert undo(record=undone, actor=alex) is not None
    assert undo(record=newest, actor=alex) is not None
    assert mrr_of(api, agreement)["ledger"][0]["reason"] == "excluded_by_user"
