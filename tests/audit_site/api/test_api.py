from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from copy import copy
from decimal import Decimal
from typing import Any
from uuid import uuid4

import pytest
from django.db import connections
from django.test import Client
from django.utils import timezone
from rest_framework.test import APIClient

from audit_site.tenants.models import ApiToken, Membership, Tenant
from companies.models import Company
from integrations.models import Integration, PsaCompanyRecord, SyncRun
from integrations.sandbox.server import SandboxServer
from tests.factories import (
    PASSWORD,
    make_agreement,
    make_api,
    make_company,
    make_integration,
    make_line,
    make_link,
    make_member,
    make_psa_company,
    make_tenant,
)
from tests.worker import work_off

V1 = "/api/v1"


@pytest.fixture
def api(tenant: Tenant) -> APIClient:
    return make_api(tenant)


def create(api: APIClient, sandbox: SandboxServer, **over: Any) -> Any:
    body = {"psa": "connectwise", "credentials": sandbox.credentials("connectwise"), **over}
    return api.post(f"{V1}/integrations/", body)


def problem(answer: Any) -> tuple[int, str]:
    assert answer["Content-Type"] == "application/problem+json"
    body = answer.json()
    assert set(body) == {"type", "title", "status", "detail", "code", "errors"}
    assert body["status"] == answer.status_code
    return answer.status_code, body["code"]


# Who asks


def test_without_credentials_it_is_401_with_a_challenge(db: None) -> None:
    answer = APIClient().get(f"{V1}/me/")

    assert problem(answer) == (401, "not_authenticated")
    assert answer["WWW-Authenticate"].startswith("Bearer")


def test_me_tells_user_role_scopes_and_licence(tenant: Tenant) -> None:
    api = make_api(tenant, "member")
    make_company(tenant)

    body = api.get(f"{V1}/me/").json()

    assert body == {
        "user": {"id": str(api.user.pk), "email": api.user.email, "name": ""},
        "role": "member",
        "scopes": ["read", "write"],
        "tenant": {
            "id": str(tenant.pk),
            "name": tenant.name,
            "timezone": "UTC",
            "company_limit": 100,
            "companies_used": 1,
        },
    }


@pytest.mark.parametrize("end", ["revoked", "inactive", "left", "wrong"])
def test_a_token_that_ended_is_401(tenant: Tenant, end: str) -> None:
    api = make_api(tenant)
    if end == "revoked":
        ApiToken.objects.update(revoked_at=timezone.now())
    elif end == "inactive":
        api.user.is_active = False
        api.user.save()
    elif end == "left":
        Membership.objects.all().delete()
    else:
        api.credentials(HTTP_AUTHORIZATION="Bearer audit_nothing")

    assert problem(api.get(f"{V1}/me/")) == (401, "authentication_failed")


def test_a_tokens_use_is_noted_at_most_once_a_minute(
    api: APIClient, django_assert_num_queries: Any
) -> None:
    api.get(f"{V1}/psas/")
    first = ApiToken.objects.get().last_used_at

    api.get(f"{V1}/psas/")

    assert first is not None
    assert ApiToken.objects.get().last_used_at == first


@pytest.mark.parametrize(
    ("role", "scopes", "method", "path", "code"),
    [
        ("viewer", None, "post", "/companies/", "member_required"),
        ("viewer", None, "post", "/integrations/", "admin_required"),
        ("member", None, "post", "/integrations/", "admin_required"),
        ("admin", ["read"], "post", "/integrations/", "insufficient_scope"),
        ("admin", ["read", "write"], "post", "/integrations/", "insufficient_scope"),
        ("admin", ["read"], "post", "/companies/", "insufficient_scope"),
        ("admin", ["write"], "get", "/companies/", "insufficient_scope"),
    ],
)
def test_a_role_or_scope_that_does_not_suffice_is_403(
    tenant: Tenant, role: str, scopes: Any, method: str, path: str, code: str
) -> None:
    api = make_api(tenant, role, scopes)

    assert problem(getattr(api, method)(V1 + path, {})) == (403, code)


def test_the_browsers_session_works_and_its_writes_need_the_csrf_token(tenant: Tenant) -> None:
    user = make_member(tenant)
    browser = Client(enforce_csrf_checks=True)
    browser.force_login(user)

    assert browser.get(f"{V1}/me/").json()["role"] == "admin"
    refused = browser.post(f"{V1}/companies/", "{}", content_type="application/json")
    assert problem(refused) == (403, "permission_denied")


# Errors


def test_unknown_fields_are_refused_also_inside(api: APIClient, sandbox: SandboxServer) -> None:
    outer = create(api, sandbox, color="red")
    inner = create(api, sandbox, credentials={**sandbox.credentials("connectwise"), "pin": "1"})
    contact = api.post(
        f"{V1}/companies/", {"name": "A", "primary_contact": {"email": "a@b.example", "age": 3}}
    )

    assert problem(outer) == (400, "unknown_field")
    assert outer.json()["errors"][0]["field"] == "color"
    assert inner.json()["errors"] == [
        {
            "field": "credentials.pin",
            "code": "unknown_field",
            "message": "ConnectWise Manage has no field “pin”.",
        }
    ]
    assert contact.json()["errors"][0]["field"] == "primary_contact.age"
    assert not Integration.objects.exists()


@pytest.mark.parametrize(
    ("body", "kind", "status", "code"),
    [
        ("{", "application/json", 400, "parse_error"),
        ("[]", "application/json", 400, "invalid"),
        ("a=1", "application/x-www-form-urlencoded", 415, "unsupported_media_type"),
        ('{"name": 5}', "application/json", 400, "required"),
    ],
)
def test_bodies_that_are_none_are_problems(
    api: APIClient, body: str, kind: str, status: int, code: str
) -> None:
    answer = api.post(f"{V1}/companies/", body, content_type=kind)

    assert problem(answer) == (status, code)


def test_other_methods_and_places_are_problems_too(api: APIClient) -> None:
    assert problem(api.put(f"{V1}/companies/{uuid4()}/", {})) == (405, "method_not_allowed")
    assert problem(api.get(f"{V1}/companies/{uuid4()}/")) == (404, "not_found")
    assert problem(api.get(f"{V1}/companies/not-an-id/")) == (404, "not_found")
    assert problem(api.get(f"{V1}/mrr/?as_of=2026-02-30")) == (400, "invalid")


# PSAs and integrations


def test_psas_tell_their_form_and_guide(api: APIClient) -> None:
    (connectwise,) = [p for p in api.get(f"{V1}/psas/").json() if p["psa"] == "connectwise"]

    assert connectwise["name"] == "ConnectWise Manage"
    assert [(f["name"], f["type"], f["required"]) for f in connectwise["fields"]] == [
        ("server_url", "url", True),
        ("company_id", "text", True),
        ("public_key", "text", True),
        ("private_key", "secret", True),
    ]
    assert {"label": "Member ID", "value": "audit"} in connectwise["guide"][1]["values"]


def test_connecting_answers_at_once_and_the_worker_tests(
    api: APIClient, sandbox: SandboxServer
) -> None:
    made = create(api, sandbox)

    body = made.json()
    assert made.status_code == 201
    assert body["status"] == "testing"
    assert body["credentials"]["private_key"] == {"set": True}
    assert body["credentials"]["public_key"] == "demo"
    assert body["last_test"]["state"] == "queued"
    assert body["candidate"] is None
    work_off()
    test_id = body["last_test"]["id"]
    test = api.get(f"{V1}/integrations/{body['id']}/tests/{test_id}/").json()
    assert (test["state"], test["ok"], test["code"]) == ("done", True, "ok")
    assert [check["name"] for check in test["checks"]] == [
        "reach_server", "authenticate", "read_companies", "read_contacts", "read_agreements",
    ]  # fmt: skip
    after = api.get(f"{V1}/integrations/{body['id']}/").json()
    assert after["status"] == "connected"
    assert after["last_sync"]["trigger"] == "connect"
    assert after["last_sync"]["counts"]["companies"]["created"] == 40
    assert problem(create(api, sandbox)) == (409, "integration_exists")


def test_no_answer_holds_a_secret(api: APIClient, sandbox: SandboxServer) -> None:
    made = create(api, sandbox)
    work_off()
    listed = api.get(f"{V1}/integrations/")
    patched = api.patch(
        f"{V1}/integrations/{made.json()['id']}/", {"credentials": {"private_key": "canary-2"}}
    )
    work_off()
    again = api.get(f"{V1}/integrations/{made.json()['id']}/")

    for answer in (made, listed, patched, again):
        assert "demo-private" not in answer.content.decode()
        assert "canary-2" not in answer.content.decode()
    assert patched.json()["candidate"]["state"] == "testing"
    assert again.json()["candidate"]["state"] == "refused"
    assert again.json()["candidate"]["test"]["code"] == "invalid_credentials"
    assert again.json()["status"] == "connected"
    assert again.json()["last_test"]["ok"] is True


def test_disconnecting_leaves_the_list_and_connecting_again_revives(
    api: APIClient, sandbox: SandboxServer
) -> None:
    pk = create(api, sandbox).json()["id"]
    work_off()
    imported = api.post(f"{V1}/companies/import/", {"integration": pk, "external_ids": ["20002"]})
    company = imported.json()["imported"][0]["id"]

    gone = api.delete(f"{V1}/integrations/{pk}/")

    assert gone.status_code == 204
    assert api.get(f"{V1}/integrations/").json()["results"] == []
    listed = api.get(f"{V1}/integrations/?status=disconnected").json()["results"]
    assert [row["id"] for row in listed] == [pk]
    assert listed[0]["credentials"]["private_key"] == {"set": False}
    assert api.get(f"{V1}/companies/{company}/").json()["link"]["active"] is False
    assert create(api, sandbox).json()["id"] == pk
    assert api.get(f"{V1}/companies/{company}/").json()["link"]["active"] is True


def test_sync_now_is_202_and_then_the_same_run_with_200(
    tenant: Tenant, connected: Integration
) -> None:
    member = make_api(tenant, "member")

    first = member.post(f"{V1}/integrations/{connected.pk}/sync/")
    second = member.post(f"{V1}/integrations/{connected.pk}/sync/")

    assert (first.status_code, second.status_code) == (202, 200)
    assert first.json()["id"] == second.json()["id"]
    assert first.json()["state"] == "queued"
    work_off()
    run = member.get(f"{V1}/sync-runs/{first.json()['id']}/").json()
    assert run["state"] == "succeeded"
    assert run["progress"]["done"] == run["progress"]["total"]
    assert run["started_at"].endswith("Z")
    assert set(run["counts"]) == {"companies", "contacts", "agreements", "lines"}


def test_the_import_list_filters_and_says_why(tenant: Tenant, api: APIClient) -> None:
    integration = make_integration(tenant)
    ready = make_psa_company(integration, name="Müller & Söhne")
    hidden = make_psa_company(
        integration,
        name="Hidden",
        importable=False,
        rule_codes=["inactive", "no_contact"],
        status="Inactive",
    )
    linked = make_psa_company(integration, name="Linked")
    company = make_company(tenant)
    make_link(company, integration, external_id=linked.external_id)
    address = f"{V1}/integrations/{integration.pk}/psa-companies/"

    def ids(query: str) -> list[str]:
        return [row["external_id"] for row in api.get(address + query).json()["results"]]

    assert ids("?importable=true") == [ready.external_id]
    assert ids("?importable=false") == [hidden.external_id, linked.external_id]
    assert ids("?linked=true") == [linked.external_id]
    assert ids("?search=MULLER") == [ready.external_id]
    assert ids(f"?search={hidden.external_id}") == [hidden.external_id]
    assert ids("?status=inactive") == [hidden.external_id]
    rows = {row["external_id"]: row for row in api.get(address).json()["results"]}
    assert [r["code"] for r in rows[hidden.external_id]["reasons"]] == ["inactive", "no_contact"]
    assert rows[linked.external_id]["linked_company"] == str(company.pk)
    assert [r["code"] for r in rows[linked.external_id]["reasons"]] == ["already_linked"]
    assert rows[ready.external_id]["importable"] is True
    assert rows[ready.external_id]["suggested_company"] is None


def test_a_diagnosis_asks_the_psa_right_now(
    api: APIClient, connected: Integration, sandbox: SandboxServer
) -> None:
    address = f"{V1}/integrations/{connected.pk}/psa-companies"
    psa = sandbox.psas["connectwise"]
    psa.change(
        {
            "do": "change",
            "kind": "companies",
            "id": 20002,
            "values": {"status": {"id": 2, "name": "Inactive"}},
        }
    )

    found = api.get(f"{address}/20002/diagnosis/").json()
    nobody = api.get(f"{address}/77777/diagnosis/")

    assert found["importable"] is False
    assert {c["name"]: c["ok"] for c in found["checks"]} == {
        "exists": True, "active": False, "has_contact": True, "has_contact_method": True, "licence": True,
    }  # fmt: skip
    assert nobody.status_code == 200
    assert nobody.json()["checks"][0]["code"] == "unknown_company"
    sandbox.faults.switch_on("bad_keys")
    assert problem(api.get(f"{address}/20002/diagnosis/")) == (502, "invalid_credentials")


# Companies


def test_importing_creates_companies_and_their_agreements_follow(
    api: APIClient, connected: Integration
) -> None:
    answer = api.post(
        f"{V1}/companies/import/",
        {"integration": str(connected.pk), "external_ids": ["20002", "20001", "nobody"]},
    )

    body = answer.json()
    assert answer.status_code == 200
    assert [c["link"]["external_id"] for c in body["imported"]] == ["20002"]
    assert body["imported"][0]["primary_contact"]["is_primary"] is True
    assert {r["external_id"]: r["code"] for r in body["rejected"]} == {
        "20001": PsaCompanyRecord.objects.get(external_id="20001").rule_codes[0],
        "nobody": "unknown_company",
    }
    assert body["sync_run"]["trigger"] == "import"
    work_off()
    company = body["imported"][0]["id"]
    assert api.get(f"{V1}/sync-runs/{body['sync_run']['id']}/").json()["state"] == "succeeded"
    assert api.get(f"{V1}/companies/{company}/agreements/").json()["results"]
    assert api.get(f"{V1}/companies/{company}/").json()["last_synced_at"] is not None


def test_a_foreign_or_senseless_integration_in_a_body_is_400(
    api: APIClient, other_tenant: Tenant
) -> None:
    foreign = make_integration(other_tenant)

    for value in (str(foreign.pk), "nonsense", str(uuid4())):
        answer = api.post(f"{V1}/companies/import/", {"integration": value, "external_ids": ["1"]})
        assert problem(answer) == (400, "does_not_exist")
    many = {"integration": str(foreign.pk), "external_ids": [str(n) for n in range(501)]}
    assert api.post(f"{V1}/companies/import/", many).status_code == 400


def test_a_companys_life(tenant: Tenant, api: APIClient) -> None:
    Tenant.objects.filter(pk=tenant.pk).update(company_limit=1)
    contact = {"first_name": "Ada", "phone": "555"}

    made = api.post(f"{V1}/companies/", {"name": " Acme ", "primary_contact": contact})
    full = api.post(f"{V1}/companies/", {"name": "B", "primary_contact": contact})
    no_method = api.post(f"{V1}/companies/", {"name": "B", "primary_contact": {"first_name": "X"}})
    address = f"{V1}/companies/{made.json()['id']}/"

    assert made.status_code == 201
    assert made.json()["name"] == "Acme"
    assert made.json()["mrr"] == []
    assert made.json()["link"] is None
    assert problem(full) == (409, "licence_exceeded")
    assert problem(no_method) == (400, "contact_without_method")
    assert api.patch(address, {"name": "Acme 2"}).json()["name"] == "Acme 2"
    assert (
        api.patch(address, {"primary_contact": {"email": "a@b.example"}}).json()["primary_contact"][
            "phone"
        ]
        == "555"
    )
    assert api.delete(address).status_code == 204
    assert api.get(address).json()["status"] == "archived"
    assert api.get(f"{V1}/me/").json()["tenant"]["companies_used"] == 0
    assert api.patch(address, {"status": "active"}).json()["status"] == "active"


def test_the_psa_owns_name_and_contacts_while_linked(tenant: Tenant, api: APIClient) -> None:
    company, integration = make_company(tenant), make_integration(tenant)
    record = make_psa_company(integration)
    address = f"{V1}/companies/{company.pk}"

    linked = api.post(
        f"{address}/link/", {"integration": str(integration.pk), "external_id": record.external_id}
    )

    assert linked.json()["link"]["external_id"] == record.external_id
    assert problem(api.patch(f"{address}/", {"name": "Mine"})) == (409, "owned_by_psa")
    again = api.post(
        f"{address}/link/", {"integration": str(integration.pk), "external_id": record.external_id}
    )
    assert problem(again) == (409, "already_linked")
    assert api.post(f"{address}/sync/").status_code == 200  # linking has started it already
    assert api.post(f"{address}/unlink/").json()["link"] is None
    assert api.patch(f"{address}/", {"name": "Mine"}).json()["name"] == "Mine"
    assert problem(api.post(f"{address}/sync/")) == (409, "not_linked")


# MRR


def test_mrr_with_its_ledger_adds_up(tenant: Tenant, api: APIClient) -> None:
    company, integration = make_company(tenant), make_integration(tenant)
    make_link(company, integration)
    for _ in range(3):
        make_agreement(company, integration, cycle="annual", amount="100")
    monthly = make_agreement(company, integration, amount="50", currency="EUR")
    line = make_line(monthly, quantity="3", unit_price="10.005")
    make_line(monthly, bill="no_charge")
    make_agreement(company, integration, end_date="2026-01-31")

    body = api.get(f"{V1}/companies/{company.pk}/mrr/?as_of=2026-06-15").json()

    assert body["as_of"] == "2026-06-15"
    assert body["company"] == str(company.pk)
    assert [(t["currency"], t["amount"]) for t in body["totals"]] == [
        ("EUR", "80.02"),
        ("USD", "25.00"),
    ]
    assert body["totals"][0]["average"] == {"trailing12": "80.02", "forward12": "80.02"}
    sums: dict[str, Decimal] = {}
    for row in body["ledger"]:
        sums[row["currency"]] = sums.get(row["currency"], Decimal(0)) + Decimal(row["mrr"])
    assert sums == {"EUR": Decimal("80.02"), "USD": Decimal("25.00")}
    rounding = [row for row in body["ledger"] if row["kind"] == "rounding"]
    assert [(r["row_id"], r["mrr"], r["agreement"], r["line"]) for r in rounding] == [
        ("rounding:USD", "0.01", None, None)
    ]
    counted = next(row for row in body["ledger"] if row["line"] == str(line.pk))
    assert counted["agreement"] == str(monthly.pk)
    assert counted["formula"] == "3 x 10.005 = 30.015 monthly = 30.02 a month"
    assert counted["from"] == "2025-01-01"
    assert counted["through"] is None
    assert [row["reason"] for row in body["ledger"] if not row["included"]] == [
        "no_charge",
        "expired",
    ]
    assert body["source"]["psa"] == "connectwise"
    assert [a["included"] for a in body["agreements"]] == [True, True, True, True, False]
    agreements = api.get(f"{V1}/companies/{company.pk}/agreements/").json()["results"]
    assert agreements[-1]["reason"]["code"] == "expired"
    assert agreements[-1]["end_date"] == "2026-01-31"
    tenant_body = api.get(f"{V1}/mrr/?as_of=2026-06-15").json()
    assert tenant_body["companies"] == 1
    assert [t["amount"] for t in tenant_body["totals"]] == ["80.02", "25.00"]


def test_a_gone_agreement_is_out_from_then_on(tenant: Tenant, api: APIClient) -> None:
    company, integration = make_company(tenant), make_integration(tenant)
    make_agreement(company, integration, gone_at=timezone.now())
    address = f"{V1}/companies/{company.pk}/mrr/"

    assert api.get(address).json()["totals"] == []
    assert api.get(f"{address}?as_of=2026-01-01").json()["totals"][0]["amount"] == "100.00"


# Lists


@pytest.mark.parametrize("path", ["/companies/", "/integrations/", "/sync-runs/"])
def test_a_list_costs_the_same_however_long(
    tenant: Tenant, api: APIClient, path: str, django_assert_num_queries: Any
) -> None:
    from django.db import connection  # noqa: PLC0415
    from django.test.utils import CaptureQueriesContext  # noqa: PLC0415

    def add(count: int) -> None:
        for _ in range(count):
            integration = make_integration(tenant)
            company = make_company(tenant)
            make_link(company, integration)
            make_line(make_agreement(company, integration))
            SyncRun.objects.create(tenant=tenant, integration=integration, company=company)

    def queries() -> int:
        with CaptureQueriesContext(
            connection,
        ) as captured:
            answer = api.get(f"{V1}{path}?page_size=200")
        assert answer.status_code == 200
        return len(captured)

    api.get(f"{V1}/psas/")
    add(1)
    one = queries()
    add(19)
    assert queries() == one
    assert len(api.get(f"{V1}{path}?page_size=200").json()["results"]) == 20


def test_pages_follow_each_other_and_200_is_the_most(tenant: Tenant, api: APIClient) -> None:
    for _ in range(5):
        make_company(tenant)

    first = api.get(f"{V1}/companies/?page_size=2").json()
    second = api.get(first["next"]).json()
    third = api.get(second["next"]).json()

    names = [c["name"] for page in (first, second, third) for c in page["results"]]
    assert names == sorted(Company.objects.values_list("name", flat=True))
    assert third["next"] is None
    assert first["previous"] is None
    assert api.get(second["previous"]).json()["results"] == first["results"]
    assert len(api.get(f"{V1}/companies/?page_size=9999").json()["results"]) == 5


def test_foreign_ids_in_filters_give_an_empty_list(
    tenant: Tenant, api: APIClient, other_tenant: Tenant
) -> None:
    foreign = make_integration(other_tenant)
    SyncRun.objects.create(tenant=other_tenant, integration=foreign)
    SyncRun.objects.create(tenant=tenant, integration=make_integration(tenant))

    for value in (foreign.pk, "nonsense"):
        assert api.get(f"{V1}/sync-runs/?integration={value}").json()["results"] == []
    assert len(api.get(f"{V1}/sync-runs/").json()["results"]) == 1


# Idempotency


def test_the_same_key_is_carried_out_once(api: APIClient) -> None:
    body = {"name": "Acme", "primary_contact": {"phone": "1"}}

    first = api.post(f"{V1}/companies/", body, HTTP_IDEMPOTENCY_KEY="k1")
    second = api.post(f"{V1}/companies/", body, HTTP_IDEMPOTENCY_KEY="k1")
    other = api.post(f"{V1}/companies/", {**body, "name": "B"}, HTTP_IDEMPOTENCY_KEY="k1")

    assert (first.status_code, second.status_code) == (201, 201)
    assert first.json() == second.json()
    assert problem(other) == (422, "idempotency_key_reused")
    assert Company.objects.count() == 1


def test_after_an_error_the_same_key_tries_again(api: APIClient) -> None:
    bad = api.post(
        f"{V1}/companies/", {"name": "A", "primary_contact": {}}, HTTP_IDEMPOTENCY_KEY="k"
    )
    good = api.post(
        f"{V1}/companies/",
        {"name": "A", "primary_contact": {"phone": "1"}},
        HTTP_IDEMPOTENCY_KEY="k",
    )

    assert bad.status_code == 400
    assert good.status_code == 201


@pytest.mark.django_db(transaction=True)
def test_the_same_key_twice_at_once_is_carried_out_once() -> None:
    api = make_api(make_tenant())
    body = {"name": "Acme", "primary_contact": {"phone": "1"}}

    def ask(api: APIClient) -> Any:
        try:
            return api.post(f"{V1}/companies/", body, HTTP_IDEMPOTENCY_KEY="k").json()
        finally:
            connections.close_all()

    with ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(ask, [copy(api) for _ in range(4)]))

    assert Company.objects.count() == 1
    assert answers == [answers[0]] * 4
    assert answers[0]["name"] == "Acme"


def test_one_key_of_two_people_are_two(tenant: Tenant, other_tenant: Tenant) -> None:
    body = {"name": "Acme", "primary_contact": {"phone": "1"}}

    for whose in (tenant, other_tenant):
        answer = make_api(whose).post(f"{V1}/companies/", body, HTTP_IDEMPOTENCY_KEY="same")
        assert answer.status_code == 201
    assert Company.objects.count() == 2


# The schema


def test_the_schema_is_complete_and_without_warnings(client: Client, db: None) -> None:
    from drf_spectacular.drainage import GENERATOR_STATS  # noqa: PLC0415
    from drf_spectacular.validation import validate_schema  # noqa: PLC0415

    GENERATOR_STATS.reset()
    answer = client.get(f"{V1}/schema/", HTTP_ACCEPT="application/json")

    schema = json.loads(answer.content)
    assert answer.status_code == 200
    assert schema["openapi"].startswith("3.1")
    validate_schema(schema)
    assert not GENERATOR_STATS
    assert "/api/v1/companies/{id}/mrr/" in schema["paths"]


def test_its_pages_are_served_from_here(client: Client, db: None) -> None:
    page = client.get(f"{V1}/docs/")

    assert page.status_code == 200
    assert b"//cdn" not in page.content


def test_health_needs_no_sign_in(client: Client, db: None) -> None:
    from audit_site import heartbeat  # noqa: PLC0415

    assert client.get("/healthz/").json() == {"status": "ok"}
    silent = client.get("/readyz/")
    assert (silent.status_code, silent.json()["worker"]) == (503, "failing")
    heartbeat.beat()
    assert client.get("/readyz/").json() == {
        "status": "ok", "database": "ok", "broker": "ok", "worker": "ok",
    }  # fmt: skip
    assert PASSWORD not in str(client.get("/readyz/").content)
