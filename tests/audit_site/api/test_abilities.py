"""`can`: what a caller may do with an object, by role, scope and the state of the object."""

from __future__ import annotations

from typing import Any

import pytest
from django.utils import timezone

from audit_site.tenants.models import Tenant, User
from companies.models import Company
from integrations.models import Integration, SyncRun
from integrations.runs.pausing import pause_integration
from tests.clients import V1, api_of, problem
from tests.factories import (
    make_api,
    make_company,
    make_integration,
    make_issue,
    make_link,
    make_psa_company,
)


def of(api: Any, path: str) -> list[str]:
    found: list[str] = api.get(V1 + path).json()["can"]
    return found


@pytest.fixture
def people(alex: User, mia: User, vic: User) -> dict[str, Any]:
    return {"admin": api_of(alex), "member": api_of(mia), "viewer": api_of(vic)}


def test_an_integration(people: dict[str, Any], integration: Integration) -> None:
    path = f"/integrations/{integration.pk}/"

    assert of(people["admin"], path) == ["edit", "delete", "test", "sync", "import", "pause"]
    assert of(people["member"], path) == ["test", "sync", "import"]
    assert of(people["viewer"], path) == []
    Integration.objects.update(status=Integration.Status.DISCONNECTED)
    assert of(people["admin"], path) == []


def test_an_integration_on_pause(
    people: dict[str, Any], tenant: Tenant, integration: Integration
) -> None:
    company = make_company(tenant)
    make_link(company, integration)
    pause_integration(integration=integration, actor=None)
    path = f"/integrations/{integration.pk}/"

    assert of(people["admin"], path) == ["edit", "delete", "test", "import", "pause", "resume"]
    assert of(people["member"], path) == ["test", "import"]
    assert of(people["member"], f"/companies/{company.pk}/") == ["edit", "delete", "unlink"]
    for act in (f"/integrations/{integration.pk}/sync/", f"/companies/{company.pk}/sync/"):
        assert problem(people["member"].post(V1 + act)) == (409, "paused")


def test_a_company(people: dict[str, Any], tenant: Tenant, integration: Integration) -> None:
    company = make_company(tenant)
    path = f"/companies/{company.pk}/"

    assert of(people["member"], path) == ["edit", "delete", "link"]
    make_link(company, integration)
    assert of(people["member"], path) == ["edit", "delete", "unlink", "sync"]
    Company.objects.update(status=Company.Status.ARCHIVED)
    Integration.objects.update(status=Integration.Status.DISCONNECTED)
    assert of(people["member"], path) == ["edit", "unlink"]
    assert of(people["viewer"], path) == []


def test_a_sync_run(people: dict[str, Any], tenant: Tenant, integration: Integration) -> None:
    run = SyncRun.objects.create(tenant=tenant, integration=integration)
    path = f"/sync-runs/{run.pk}/"

    assert of(people["member"], path) == ["cancel"]
    assert of(people["viewer"], path) == []
    SyncRun.objects.update(state=SyncRun.State.SUCCEEDED)
    assert of(people["member"], path) == []


def test_an_issue(people: dict[str, Any], integration: Integration) -> None:
    issue = make_issue(integration, kind="integration", code="too_many_gone")
    path = f"{V1}/integrations/{integration.pk}/issues/"

    def of_issue(who: str) -> list[str]:
        (row,) = people[who].get(path).json()["results"]
        found: list[str] = row["can"]
        return found

    assert of_issue("admin") == ["retry", "dismiss", "confirm_gone"]
    assert of_issue("member") == ["retry", "dismiss"]
    issue.closed_at = timezone.now()
    issue.save()
    assert of_issue("admin") == []


def test_a_psa_company(people: dict[str, Any], tenant: Tenant, integration: Integration) -> None:
    linked = make_psa_company(integration, name="B")
    make_psa_company(integration, name="A", importable=False, rule_codes=["inactive"])
    make_psa_company(integration, name="C")
    make_link(make_company(tenant), integration, external_id=linked.external_id)
    path = f"{V1}/integrations/{integration.pk}/psa-companies/"

    rows = people["member"].get(path).json()["results"]

    assert {row["name"]: row["can"] for row in rows} == {
        "A": ["link", "ignore", "diagnosis"],
        "B": ["diagnosis"],
        "C": ["import", "link", "ignore", "diagnosis"],
    }
    assert {*people["viewer"].get(path).json()["results"][2]["can"]} == {"diagnosis"}


def test_a_tokens_scopes_narrow_it(tenant: Tenant, integration: Integration) -> None:
    path = f"/integrations/{integration.pk}/"

    assert of(make_api(tenant, "admin", ["read"]), path) == []
    assert of(make_api(tenant, "admin", ["read", "write"]), path) == ["test", "sync", "import"]


def test_what_is_said_is_what_is_done(people: dict[str, Any], tenant: Tenant) -> None:
    company = make_company(tenant)
    path = f"{V1}/companies/{company.pk}/"

    for who in ("member", "viewer"):
        may = "delete" in people[who].get(path).json()["can"]
        answer = people[who].patch(path, {"name": f"By {who}"})
        assert (answer.status_code == 200) is may


def test_a_list_says_it_of_each(people: dict[str, Any], tenant: Tenant) -> None:
    for _ in range(3):
        make_link(make_company(tenant), make_integration(tenant))

    rows = people["admin"].get(f"{V1}/companies/").json()["results"]

    assert [row["can"] for row in rows] == [["edit", "delete", "unlink", "sync"]] * 3
