"""The import list over REST: filters, diagnosis, import, and what is new."""

from __future__ import annotations

from uuid import uuid4

from django.utils import timezone
from rest_framework.test import APIClient

from audit_site.tenants.models import Tenant, User
from companies.models import Company
from integrations.models import CompanyLink, Integration, PsaCompanyRecord, SyncRun
from integrations.sandbox.server import SandboxServer
from tests.clients import V1, api_of, browser, page_text, problem
from tests.factories import make_company, make_integration, make_link, make_psa_company
from tests.faulty_tables import refuse
from tests.integrations.importing.import_lists import EARLY, add, look
from tests.queries import queries
from tests.worker import work_off


def test_the_import_list_filters_and_says_why(tenant: Tenant, api: APIClient) -> None:
    integration = make_integration(tenant)
    ready = make_psa_company(integration, name="Müller & Söhne")
    hidden = make_psa_company(
        integration,
        name="Hidden",
        importable=False,
        rule_codes=["inactive", "no_contact"],
        status="Inactive",
        type="Vendor",
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
    assert ids("?type=vendor") == [hidden.external_id]
    assert ids("?reason=no_contact") == [hidden.external_id]
    assert ids("?reason=already_linked") == [linked.external_id]
    assert ids("?reason=contact_inactive") == []
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


def test_one_that_meets_an_error_of_ours_holds_no_other_up(
    api: APIClient, integration: Integration
) -> None:
    for id_, name in (("1", "Amber"), ("2", "Birch"), ("3", "Cedar")):
        make_psa_company(integration, external_id=id_, name=name)
    refuse(Company, "name", "Birch")

    answer = api.post(
        f"{V1}/companies/import/",
        {"integration": str(integration.pk), "external_ids": ["1", "2", "3", "nobody"]},
    )

    body = answer.json()
    assert answer.status_code == 200
    assert [c["name"] for c in body["imported"]] == ["Amber", "Cedar"]
    assert {r["external_id"]: r["code"] for r in body["rejected"]} == {
        "2": "internal_error",
        "nobody": "unknown_company",
    }
    assert body["rejected"][0]["message"] == (
        "Something went wrong on our side. Try it again; if it stays, tell us."
    )
    assert SyncRun.objects.get().companies == ["1", "3"]
    assert CompanyLink.objects.filter(integration=integration).count() == 2


def test_a_foreign_or_senseless_integration_in_a_body_is_400(
    api: APIClient, other_tenant: Tenant
) -> None:
    foreign = make_integration(other_tenant)

    for value in (str(foreign.pk), "nonsense", str(uuid4())):
        answer = api.post(f"{V1}/companies/import/", {"integration": value, "external_ids": ["1"]})
        assert problem(answer) == (400, "does_not_exist")
    many = {"integration": str(foreign.pk), "external_ids": [str(n) for n in range(501)]}
    assert api.post(f"{V1}/companies/import/", many).status_code == 400


def test_the_rest_list_costs_the_same_wherever(api: APIClient, integration: Integration) -> None:
    address = f"{V1}/integrations/{integration.pk}/psa-companies/"
    add(integration, "A", "B")
    api.get(address)
    few = queries(lambda: api.get(f"{address}?page_size=2"))
    add(integration, *(f"Firm {number:03}" for number in range(200)))

    following = api.get(f"{address}?search=firm").json()["next"]

    assert queries(lambda: api.get(f"{address}?page_size=200")) == few
    assert queries(lambda: api.get(following)) == few
    assert api.get(following).json()["results"][0]["name"] == "Firm 050"


def test_rest_shows_what_is_new_without_looking(
    vic: User, alex: User, integration: Integration
) -> None:
    api = api_of(vic)
    add(integration, "Anvil", first_seen_at=EARLY)
    one, listed = f"{V1}/integrations/{integration.pk}/", f"{V1}/integrations/"
    rows = f"{one}psa-companies/"

    assert api.get(one).json()["new_psa_companies"] is None
    assert api.get(f"{rows}?new=true").json()["results"] == []
    look(integration, api.user)
    add(integration, "Birch")
    add(integration, "Gone again", gone_at=timezone.now())

    for _ in range(2):
        assert api.get(one).json()["new_psa_companies"] == 1
        assert api.get(listed).json()["results"][0]["new_psa_companies"] == 1
        found = {row["name"]: row for row in api.get(rows).json()["results"]}
        assert {name: row["new"] for name, row in found.items()} == {
            "Anvil": False, "Birch": True, "Gone again": False,
        }  # fmt: skip
    assert found["Anvil"]["first_seen_at"] == "2026-11-01T00:00:00Z"
    assert [row["name"] for row in api.get(f"{rows}?new=true").json()["results"]] == ["Birch"]
    assert [row["name"] for row in api.get(f"{rows}?new=false").json()["results"]] == [
        "Anvil",
        "Gone again",
    ]
    other = api_of(alex)
    assert other.get(one).json()["new_psa_companies"] is None


def test_rest_counts_what_is_new_up_to_a_thousand(
    api: APIClient, tenant: Tenant, integration: Integration
) -> None:
    add(integration, "Anvil", first_seen_at=EARLY)
    look(integration, api.user)
    now = timezone.now()
    PsaCompanyRecord.objects.bulk_create(
        PsaCompanyRecord(
            tenant=tenant, integration=integration, external_id=f"n{n}", name="N",
            search_text=f"n n{n}", fingerprint="", seen_at=now,
        )
        for n in range(1005)
    )  # fmt: skip

    assert api.get(f"{V1}/integrations/{integration.pk}/").json()["new_psa_companies"] == 1000
    assert "1,000+ new since" in page_text(browser(api.user).get("/integrations/"))


def test_the_schema_describes_new_companies(alex: User) -> None:
    schema = api_of(alex).get(f"{V1}/schema/?format=json").json()

    integration = schema["components"]["schemas"]["Integration"]["properties"]
    rows = schema["paths"]["/api/v1/integrations/{id}/psa-companies/"]["get"]["parameters"]
    assert integration["new_psa_companies"]["type"] == ["integer", "null"]
    assert "null = you never looked" in integration["new_psa_companies"]["description"]
    assert "new" in {parameter["name"] for parameter in rows}
