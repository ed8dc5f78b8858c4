"""Agreements typed in over REST."""

from __future__ import annotations

import json
from typing import Any

import pytest
from django.utils import timezone
from rest_framework.test import APIClient

from agreements.models import Agreement, TypedChange
from audit_site.tenants.models import Tenant
from companies.models import Company
from tests.clients import V1, problem
from tests.factories import (
    make_agreement,
    make_api,
    make_company,
    make_integration,
    make_psa_company,
)

GOLD: dict[str, Any] = {
    "name": "Gold support",
    "amount": "1200.00",
    "currency": "USD",
    "billing_cycle": "annual",
    "start_date": "2026-01-01",
}


@pytest.fixture
def company(tenant: Tenant) -> Company:
    return make_company(tenant)


def typed(api: APIClient, company: Company, **over: Any) -> Any:
    return api.post(f"{V1}/companies/{company.pk}/agreements/", {**GOLD, **over})


def mrr_of(api: APIClient, company: Company) -> Any:
    return api.get(f"{V1}/companies/{company.pk}/").json()["mrr"]


def test_typing_one_in(api: APIClient, company: Company) -> None:
    api.user.name = "Tess"
    api.user.save()

    answer = typed(api, company, note="By phone", end_date="2026-12-31")

    assert answer.status_code == 201
    body = json.loads(answer.content)
    pk, at = body.pop("id"), body["typed"].pop("at")
    assert at.endswith("Z")
    assert body == {
        "external_id": pk,
        "name": "Gold support",
        "type": "",
        "status": "",
        "recurring": True,
        "start_date": "2026-01-01",
        "end_date": "2026-12-31",
        "currency": "USD",
        "billing_cycle": "annual",
        "included": True,
        "reason": None,
        "mrr": {"currency": "USD", "amount": "100.00"},
        "gone_at": None,
        "source": "manual",
        "set_aside": False,
        "typed": {
            "amount": "1200.00",
            "note": "By phone",
            "by": "Tess",
            "changed_by": "",
            "changed_at": None,
            "set_aside_at": None,
        },
        "can": ["edit", "delete", "choose"],
    }
    assert mrr_of(api, company) == [{"currency": "USD", "amount": "100.00"}]
    (listed,) = api.get(f"{V1}/companies/{company.pk}/agreements/").json()["results"]
    assert listed == api.get(f"{V1}/agreements/{pk}/").json() == answer.json()
    figure = api.get(f"{V1}/companies/{company.pk}/mrr/").json()
    (row,) = figure["ledger"]
    assert (row["source"], row["agreement"], row["mrr"]) == ("manual", pk, "100.00")
    moved = api.get(f"{V1}/mrr/movement/?from=2025-12-31&to=2026-06-01").json()["currencies"][0]
    assert (moved["opening"], moved["new"], moved["closing"]) == ("0.00", "100.00", "100.00")


@pytest.mark.parametrize("family", ["agreements/{0}", "companies/{1}/agreements/{0}"])
def test_changing_and_removing_it(api: APIClient, company: Company, family: str) -> None:
    pk = typed(api, company).json()["id"]
    address = f"{V1}/{family.format(pk, company.pk)}/"
    etag = api.get(address)["ETag"]

    changed = api.patch(address, {"amount": "600", "end_date": "2027-01-31"})

    assert (changed.status_code, changed.json()["mrr"]["amount"]) == (200, "50.00")
    assert changed.json()["typed"]["amount"] == "600.00"
    stale = api.delete(address, HTTP_IF_MATCH=etag)
    assert problem(stale) == (412, "precondition_failed")
    assert api.delete(address, HTTP_IF_MATCH=changed["ETag"]).status_code == 204
    assert problem(api.get(address)) == (404, "not_found")
    assert mrr_of(api, company) == []
    acts = TypedChange.objects.order_by("at").values_list("act", flat=True)
    assert list(acts) == ["added", "changed", "removed"]


def test_a_psas_agreement_is_not_ours_to_change(
    api: APIClient, tenant: Tenant, company: Company
) -> None:
    agreement = make_agreement(company, make_integration(tenant))
    address = f"{V1}/agreements/{agreement.pk}/"

    assert problem(api.patch(address, {"name": "Ours"})) == (409, "owned_by_psa")
    assert problem(api.patch(address, {"nonsense": 1})) == (409, "owned_by_psa")
    assert problem(api.delete(address)) == (409, "owned_by_psa")
    body = api.get(address).json()
    assert (body["source"], body["typed"], body["can"]) == ("connectwise", None, ["choose"])
    assert body["name"] == "Managed Services"


def test_each_wrong_field_is_named(api: APIClient, company: Company) -> None:
    missing = api.post(f"{V1}/companies/{company.pk}/agreements/", {})
    wrong = typed(api, company, currency="Dollars", billing_cycle="often", start_date="2027-01-01")
    ends = typed(api, company, end_date="2025-01-01")
    long = typed(api, company, name="x" * 300)

    assert problem(missing) == (400, "required")
    assert sorted(e["field"] for e in missing.json()["errors"]) == sorted(GOLD)
    assert [(e["field"], e["code"]) for e in wrong.json()["errors"]] == [
        ("currency", "invalid"),
        ("billing_cycle", "invalid_choice"),
    ]
    assert ends.json()["errors"] == [
        {"field": "end_date", "code": "invalid", "message": "It ends before it starts."}
    ]
    assert [(e["field"], e["code"]) for e in long.json()["errors"]] == [("name", "max_length")]
    assert problem(typed(api, company, source="manual")) == (400, "unknown_field")
    assert Agreement.objects.count() == 0


def test_a_viewer_reads_and_types_nothing(api: APIClient, tenant: Tenant, company: Company) -> None:
    viewer = make_api(tenant, "viewer")
    pk = typed(api, company).json()["id"]

    assert viewer.get(f"{V1}/agreements/{pk}/").json()["can"] == []
    assert problem(typed(viewer, company)) == (403, "member_required")
    assert problem(viewer.patch(f"{V1}/agreements/{pk}/", {"name": "X"})) == (
        403,
        "member_required",
    )
    assert problem(viewer.delete(f"{V1}/agreements/{pk}/")) == (403, "member_required")
    assert typed(make_api(tenant, "member"), company).status_code == 201


def test_another_tenants_company_and_agreement_are_not_found(
    api: APIClient, other_tenant: Tenant, company: Company
) -> None:
    theirs = make_api(other_tenant)
    foreign = make_company(other_tenant)
    pk = typed(theirs, foreign).json()["id"]

    assert problem(typed(api, foreign)) == (404, "not_found")
    for address in (
        f"agreements/{pk}",
        f"companies/{foreign.pk}/agreements/{pk}",
        f"companies/{company.pk}/agreements/{pk}",
    ):
        for act in (api.get, api.delete, lambda url: api.patch(url, {"name": "Ours"})):
            assert problem(act(f"{V1}/{address}/")) == (404, "not_found")
    assert theirs.get(f"{V1}/agreements/{pk}/").json()["name"] == "Gold support"


def test_the_same_key_types_it_once(api: APIClient, company: Company) -> None:
    address = f"{V1}/companies/{company.pk}/agreements/"

    first, again = (api.post(address, GOLD, HTTP_IDEMPOTENCY_KEY="one") for _ in range(2))

    assert first.json() == again.json()
    assert Agreement.objects.count() == 1


def test_linking_sets_it_aside_and_a_choice_with_note_counts_it(
    api: APIClient, tenant: Tenant, company: Company
) -> None:
    pk = typed(api, company).json()["id"]
    integration = make_integration(tenant)
    record = make_psa_company(integration)
    address = f"{V1}/agreements/{pk}"

    linked = api.post(
        f"{V1}/companies/{company.pk}/link/",
        {"integration": str(integration.pk), "external_id": record.external_id},
    )

    assert linked.json()["mrr"] == []
    body = api.get(f"{address}/").json()
    assert (body["set_aside"], body["included"], body["reason"]["code"]) == (
        True,
        False,
        "set_aside",
    )
    assert body["reason"]["message"] == (
        "Left out: typed by hand, and set aside since ConnectWise Manage was linked on "
        f"{tenant.today().isoformat()}."
    )
    assert body["mrr"] == {"currency": "USD", "amount": "0.00"}
    assert body["typed"]["set_aside_at"] is not None
    silent = api.patch(f"{address}/choices/", {"force_include": True})
    assert (problem(silent), silent.json()["errors"][0]["field"]) == ((400, "invalid"), "note")
    assert mrr_of(api, company) == []
    api.patch(f"{address}/choices/", {"force_include": True, "note": "Not in the PSA"})
    assert mrr_of(api, company) == [{"currency": "USD", "amount": "100.00"}]
    another = typed(api, company, name="Typed beside it").json()
    assert (another["set_aside"], another["reason"]["code"]) == (True, "set_aside")
    assert mrr_of(api, company) == [{"currency": "USD", "amount": "100.00"}]
    undone = api.post(f"{V1}/companies/{company.pk}/unlink/")
    assert undone.json()["mrr"] == [{"currency": "USD", "amount": "100.00"}]


def test_what_was_believed_of_it_is_told_by_its_moment(
    api: APIClient, tenant: Tenant, company: Company
) -> None:
    pk = typed(api, company).json()["id"]
    believed = timezone.now().isoformat().replace("+00:00", "Z")
    api.delete(f"{V1}/agreements/{pk}/")
    address = f"{V1}/companies/{company.pk}"

    past = api.get(f"{address}/mrr/", {"known_at": believed}).json()
    now = api.get(f"{address}/mrr/").json()

    assert (past["totals"][0]["amount"], now["totals"]) == ("100.00", [])
    assert [row["row_id"] for row in past["ledger"]] == [f"manual:{pk}:flat"]
    causes = [row["cause"] for row in api.get(f"{address}/versions/").json()["results"]]
    assert [cause["kind"] for cause in causes] == ["manual", "manual"]
