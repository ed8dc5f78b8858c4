"""REST: links that were made together, and undoing all of them."""

from __future__ import annotations

from typing import Any

import pytest
from rest_framework.test import APIClient

from audit_site.tenants.models import Tenant
from companies.models import Company
from integrations.matching.batches import carry_undo_out
from integrations.models import CompanyLink, Integration, LinkBatch
from tests.clients import V1, problem
from tests.factories import make_api
from tests.integrations.matching.suggestions import matched, pair
from tests.queries import queries

LIST = f"{V1}/link-batches/"


@pytest.fixture
def batch(api: APIClient, integration: Integration) -> str:
    """The id of two links that were confirmed together, and a pair that was not linked."""
    pairs = [pair(integration, name) for name in ("Amber Vet", "Zephyr Legal", "Birch")]
    matched(integration.tenant)
    Company.objects.filter(name="Birch").update(name="Another")
    asked = [
        {
            "company": str(company.pk),
            "integration": str(integration.pk),
            "external_id": record.external_id,
        }
        for company, record in pairs
    ]
    body = api.post(f"{V1}/link-suggestions/confirm/", {"pairs": asked}).json()
    batch: str = body["batch"]
    assert batch == str(LinkBatch.objects.get().pk)
    return batch


def carry_out(tenant: Tenant, batch: str) -> None:
    carry_undo_out(tenant_id=str(tenant.pk), batch_id=batch)


def test_what_came_of_it_and_its_undo(api: APIClient, integration: Integration, batch: str) -> None:
    path = f"{LIST}{batch}/"
    whole = api.get(path).json()
    (listed,) = api.get(LIST).json()["results"]
    links = api.get(f"{path}links/").json()["results"]
    asked = api.post(f"{path}undo/")

    assert whole["counts"] == {"linked": 2, "standing": 2, "rejected": 1}
    (rejected,) = whole.pop("rejected")
    assert (rejected["name"], rejected["theirs"]) == ("Another", "Birch")
    assert rejected["code"] == "suggestion_changed"
    assert listed == whole
    assert (whole["made_by"], whole["undo"], whole["can"]) == (str(_user(api)), None, ["undo"])
    assert [one["company"]["name"] for one in links] == ["Amber Vet", "Zephyr Legal"]
    assert {one["integration"] for one in links} == {str(integration.pk)}
    assert {tuple(one["can"]) for one in links} == {("undo",)}
    assert asked.status_code == 202
    assert asked.json()["can"] == []
    assert asked.json()["undo"] == {
        "state": "running",
        "by": {"id": str(_user(api).pk), "name": str(_user(api))},
        "finished_at": None,
        "left": [],
    }
    assert api.post(f"{path}undo/").status_code == 202, "the one that is under way"

    carry_out(integration.tenant, batch)

    done = api.get(path).json()
    assert done["counts"] == {"linked": 2, "standing": 0, "rejected": 1}
    assert (done["undo"]["state"], done["undo"]["left"], done["can"]) == ("done", [], [])
    assert not CompanyLink.objects.standing().exists()
    assert {one["undone_at"] for one in links} == {None}
    after = api.get(f"{path}links/").json()["results"]
    assert all(one["undone_at"] and one["can"] == [] for one in after)
    assert problem(api.post(f"{path}undo/")) == (409, "nothing_to_undo")


def _user(api: APIClient) -> Any:
    return api.user


def test_what_can_not_be_undone_is_said_and_may_be_tried_again(
    api: APIClient, integration: Integration, batch: str
) -> None:
    bad = CompanyLink.objects.get(company__name="Amber Vet")
    before = CompanyLink.objects.with_before().get(pk=bad.pk).before
    CompanyLink.objects.filter(pk=bad.pk).update(before={"name": "nothing else is known"})
    path = f"{LIST}{batch}/"

    api.post(f"{path}undo/")
    carry_out(integration.tenant, batch)

    body = api.get(path).json()
    (left,) = body["undo"]["left"]
    assert (left["name"], left["code"]) == ("Amber Vet", "internal_error")
    assert (body["counts"]["standing"], body["can"]) == (1, ["undo"])
    CompanyLink.objects.filter(pk=bad.pk).update(before=before)
    api.post(f"{path}undo/")
    carry_out(integration.tenant, batch)
    assert api.get(path).json()["counts"]["standing"] == 0


def test_a_viewer_reads_and_a_member_undoes(
    integration: Integration, batch: str, other_tenant: Tenant
) -> None:
    viewer, member = (make_api(integration.tenant, role) for role in ("viewer", "member"))

    assert viewer.get(f"{LIST}{batch}/").json()["can"] == []
    assert problem(viewer.post(f"{LIST}{batch}/undo/")) == (403, "member_required")
    assert problem(make_api(other_tenant).post(f"{LIST}{batch}/undo/")) == (404, "not_found")
    assert make_api(other_tenant).get(LIST).json()["results"] == []
    assert LinkBatch.objects.get().undo_wanted_at is None
    assert member.post(f"{LIST}{batch}/undo/").status_code == 202


def test_the_list_costs_the_same_however_long(
    api: APIClient, integration: Integration, batch: str
) -> None:
    few = queries(lambda: api.get(LIST))

    for _ in range(5):
        LinkBatch.objects.create(tenant=integration.tenant)

    assert len(api.get(LIST).json()["results"]) == 6
    assert queries(lambda: api.get(LIST)) == few
