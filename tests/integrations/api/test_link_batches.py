"""REST: links that were made together, undoing all of them, and bringing them back."""

from __future__ import annotations

from typing import Any

import pytest
from rest_framework.test import APIClient

from audit_site.tenants.models import AuditEvent, Tenant
from companies.models import Company
from companies.services import archive_company
from integrations.links.linking import link_company
from integrations.links.undoing import undo_link
from integrations.matching.batches import carry_undo_out
from integrations.models import CompanyLink, Integration, LinkBatch, SyncRun
from tests.clients import V1, problem
from tests.factories import make_api, make_company, make_psa_company
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


def counts(**numbers: int) -> dict[str, int]:
    """Those of `batch`: none is standing or undone but as `numbers` say."""
    return {"linked": 2, "standing": 0, "back": 0, "unlinked": 0, "rejected": 1, **numbers}


def undone(api: APIClient, tenant: Tenant, batch: str) -> Any:
    """The same batch once all of it is undone."""
    assert api.post(f"{LIST}{batch}/undo/").status_code == 202
    carry_out(tenant, batch)
    return api.get(f"{LIST}{batch}/").json()


def carry_out(tenant: Tenant, batch: str) -> None:
    carry_undo_out(tenant_id=str(tenant.pk), batch_id=batch)


def test_what_came_of_it_and_its_undo(api: APIClient, integration: Integration, batch: str) -> None:
    path = f"{LIST}{batch}/"
    whole = api.get(path).json()
    (listed,) = api.get(LIST).json()["results"]
    links = api.get(f"{path}links/").json()["results"]
    asked = api.post(f"{path}undo/")

    assert whole["counts"] == counts(standing=2)
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
    assert done["counts"] == counts(unlinked=2)
    assert (done["undo"]["state"], done["undo"]["left"]) == ("done", [])
    assert (done["can"], done["back"]) == (["bring_back"], None)
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
    assert (body["counts"]["standing"], body["can"]) == (1, ["undo", "bring_back"])
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
    for act in ("undo", "bring-back"):
        refused = make_api(other_tenant).post(f"{LIST}{batch}/{act}/")
        assert problem(refused) == (404, "not_found")
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


def test_another_tenant_and_a_viewer_bring_nothing_back(
    api: APIClient, integration: Integration, batch: str, other_tenant: Tenant
) -> None:
    undone(api, integration.tenant, batch)
    stranger, viewer = make_api(other_tenant), make_api(integration.tenant, "viewer")

    answers = [one.post(f"{LIST}{batch}/bring-back/") for one in (stranger, viewer)]

    assert list(map(problem, answers)) == [(404, "not_found"), (403, "member_required")]
    assert not CompanyLink.objects.in_force().exists()
    assert LinkBatch.objects.get().back_at is None
    assert viewer.get(f"{LIST}{batch}/").json()["can"] == []


def test_what_was_undone_together_is_linked_again_once(
    api: APIClient, integration: Integration, batch: str
) -> None:
    path, tenant = f"{LIST}{batch}/bring-back/", integration.tenant
    early = api.post(path)
    before = {link.company_id: link.external_id for link in CompanyLink.objects.all()}
    api.post(f"{LIST}{batch}/undo/")
    during = api.post(path)
    carry_out(tenant, batch)
    SyncRun.objects.all().delete()

    first, again = (api.post(path, headers={"Idempotency-Key": "k"}) for _ in range(2))
    nothing = api.post(path)

    assert problem(early) == (409, "nothing_to_bring_back")
    assert problem(during) == (409, "under_way")
    body = first.json()
    assert (first.status_code, body) == (200, again.json())
    assert body["counts"] == counts(standing=2, back=2)
    assert body["can"] == ["undo"]
    back = body["back"]
    assert (back["by"]["id"], back["left"]) == (str(_user(api).pk), [])
    assert body["undo"]["state"] == "done", "when and by whom it was undone stays told"
    assert back["at"] > body["undo"]["finished_at"]
    links = CompanyLink.objects.in_force().filter(batch=batch)
    assert {link.company_id: link.external_id for link in links} == before
    (run,) = SyncRun.objects.all()
    assert sorted(run.companies) == sorted(before.values())
    assert problem(nothing) == (409, "nothing_to_bring_back")
    (event,) = AuditEvent.objects.filter(action="links.brought_back")
    assert (event.object_id, event.after) == (batch, {"links": 2})
    once_more = undone(api, tenant, batch)
    assert (once_more["counts"], once_more["back"]) == (counts(unlinked=2), None)


def test_a_link_that_was_undone_by_itself_stays_undone(
    api: APIClient, integration: Integration, batch: str
) -> None:
    wrong = CompanyLink.objects.get(company__name="Amber Vet")
    undo_link(company=wrong.company, actor=None, link_id=wrong.pk)
    assert undone(api, integration.tenant, batch)["counts"]["unlinked"] == 1

    body = api.post(f"{LIST}{batch}/bring-back/").json()

    assert body["counts"] == counts(standing=1, back=1)
    assert CompanyLink.objects.in_force().get().company.name == "Zephyr Legal"


def test_what_is_linked_elsewhere_or_archived_meanwhile_does_not_count(
    api: APIClient, integration: Integration, batch: str
) -> None:
    undone(api, integration.tenant, batch)
    amber, zephyr = (Company.objects.get(name=name) for name in ("Amber Vet", "Zephyr Legal"))
    other = make_psa_company(integration, name="Amber Lodge")
    archive_company(company=zephyr, actor=None)
    link_company(company=amber, integration=integration, external_id=other.external_id, actor=None)

    body = api.get(f"{LIST}{batch}/").json()
    refused = api.post(f"{LIST}{batch}/bring-back/")

    assert (body["counts"], body["can"]) == (counts(), [])
    assert problem(refused) == (409, "nothing_to_bring_back")
    assert CompanyLink.objects.in_force().get().external_id == other.external_id


def test_what_the_psa_has_given_to_another_stays_undone_and_holds_none_up(
    api: APIClient, integration: Integration, batch: str
) -> None:
    gone = CompanyLink.objects.get(company__name="Amber Vet").external_id
    undone(api, integration.tenant, batch)
    integration.psa_companies.filter(external_id=gone).delete()

    body = api.post(f"{LIST}{batch}/bring-back/").json()

    (left,) = body["back"]["left"]
    assert (left["name"], left["code"]) == ("Amber Vet", "unknown_company")
    assert body["counts"] == counts(standing=1, back=1, unlinked=1)
    assert CompanyLink.objects.in_force().get().company.name == "Zephyr Legal"


def test_bringing_back_costs_no_more_for_more_than_the_audit_trail(
    api: APIClient, integration: Integration, batch: str
) -> None:
    tenant = integration.tenant
    undone(api, tenant, batch)
    few = queries(lambda: api.post(f"{LIST}{batch}/bring-back/"))
    undone(api, tenant, batch)
    for number in range(10):
        record = make_psa_company(integration, name=f"More {number}")
        link_company(
            company=make_company(tenant, name=f"More {number}"), integration=integration,
            external_id=record.external_id, actor=None,
        )  # fmt: skip
    CompanyLink.objects.filter(company__name__startswith="More").update(batch=batch)
    undone(api, tenant, batch)

    many = queries(lambda: api.post(f"{LIST}{batch}/bring-back/"))

    assert CompanyLink.objects.in_force().count() == 12
    assert many - few == 10, "one more link costs its entry in the audit trail"
