"""Links over REST: ended, undone, tried out, listed."""

from __future__ import annotations

from typing import Any

import pytest
from rest_framework.test import APIClient

from audit_site.tenants.models import Tenant, User
from companies.models import Company
from integrations.models import CompanyLink, PsaCompanyRecord
from tests.clients import V1, api_of, problem
from tests.factories import make_company, make_integration, make_link, make_psa_company


@pytest.fixture
def company(tenant: Tenant) -> Company:
    return make_company(tenant, name="Acme", type="prospect")


@pytest.fixture
def record(tenant: Tenant) -> PsaCompanyRecord:
    return make_psa_company(make_integration(tenant), external_id="7", name="Zebra")


def link(api: APIClient, company: Company, record: PsaCompanyRecord, **query: Any) -> Any:
    body = {"integration": str(record.integration_id), "external_id": record.external_id}
    wanted = "?dry_run=true" if query.get("dry_run") else ""
    return api.post(f"{V1}/companies/{company.pk}/link/{wanted}", body)


def test_an_undo_says_what_the_auditee_is_then(
    api: APIClient, company: Company, record: PsaCompanyRecord
) -> None:
    linked = link(api, company, record).json()
    assert linked["link"]["linked_by"] == {"id": str(api.user.pk), "name": str(api.user)}
    assert {"unlink", "undo_link"} <= set(linked["can"])
    Company.objects.update(name="Zebra", type="client")
    CompanyLink.objects.update(given_name="Zebra")

    undone = api.post(f"{V1}/companies/{company.pk}/unlink/", {"undo": True})

    assert undone.status_code == 200
    body = undone.json()
    assert (body["name"], body["type"], body["link"]) == ("Acme", "prospect", None)
    assert "undo_link" not in body["can"]
    again = api.post(f"{V1}/companies/{company.pk}/unlink/", {"undo": True})
    assert problem(again) == (409, "already_undone")


def test_without_undo_a_link_ends_as_ever(
    api: APIClient, company: Company, record: PsaCompanyRecord
) -> None:
    link(api, company, record)
    Company.objects.update(name="Zebra")
    address = f"{V1}/companies/{company.pk}/unlink/"

    ended = api.post(address, {"undo": False})

    assert (ended.json()["name"], ended.json()["link"]) == ("Zebra", None)
    assert "undo_link" in ended.json()["can"]
    assert problem(api.post(address)) == (409, "not_linked")
    assert api.post(address, {"undo": True}).status_code == 200


def test_a_dry_run_answers_the_same_and_does_nothing(
    api: APIClient, company: Company, record: PsaCompanyRecord
) -> None:
    tried = link(api, company, record, dry_run=True)
    assert (tried.status_code, tried.json()["link"]["external_id"]) == (200, "7")
    assert not CompanyLink.objects.exists()
    link(api, company, record)

    tried = api.post(f"{V1}/companies/{company.pk}/unlink/?dry_run=true", {"undo": True})

    assert (tried.status_code, tried.json()["link"]) == (200, None)
    assert CompanyLink.objects.get().is_in_force


def test_links_are_listed_and_undone_by_id(
    api: APIClient, company: Company, record: PsaCompanyRecord
) -> None:
    address = f"{V1}/companies/{company.pk}"
    link(api, company, record)
    api.post(f"{address}/unlink/")
    link(api, company, make_psa_company(record.integration, external_id="8"))

    rows = api.get(f"{address}/links/").json()["results"]

    assert [(row["external_id"], row["active"], row["can"]) for row in rows] == [
        ("8", True, ["undo"]),
        ("7", False, ["undo"]),
    ]
    body = {"undo": True, "link": rows[1]["id"]}
    assert api.post(f"{address}/unlink/", body).json()["link"]["external_id"] == "8"
    rows = api.get(f"{address}/links/").json()["results"]
    assert [(row["undone_at"] is not None, row["can"]) for row in rows] == [
        (False, ["undo"]),
        (True, []),
    ]


def test_what_can_not_be_read_is_refused(
    api: APIClient, company: Company, record: PsaCompanyRecord, other_tenant: Tenant
) -> None:
    address = f"{V1}/companies/{company.pk}/unlink/"
    link(api, company, record)
    theirs = make_link(make_company(other_tenant), make_integration(other_tenant), before={})
    wrong = [
        ({"undo": "maybe"}, "invalid"),
        ({"undoo": True}, "unknown_field"),
        ({"link": str(CompanyLink.objects.first().pk)}, "invalid_parameter"),
        ({"undo": True, "link": str(theirs.pk)}, "does_not_exist"),
        ({"undo": True, "link": "nonsense"}, "does_not_exist"),
    ]

    answers = [problem(api.post(address, body)) for body, _ in wrong]

    assert answers == [(400, code) for _, code in wrong]
    assert CompanyLink.objects.filter(company=company).get().is_in_force


def test_an_import_has_nothing_to_undo(
    api: APIClient, company: Company, record: PsaCompanyRecord
) -> None:
    make_link(company, record.integration, external_id="7")

    answer = api.post(f"{V1}/companies/{company.pk}/unlink/", {"undo": True})

    assert problem(answer) == (409, "nothing_to_undo")
    assert "undo_link" not in api.get(f"{V1}/companies/{company.pk}/").json()["can"]


def test_a_viewer_may_look_and_not_undo(
    vic: User, api: APIClient, company: Company, record: PsaCompanyRecord
) -> None:
    link(api, company, record)
    viewer, address = api_of(vic), f"{V1}/companies/{company.pk}"

    assert viewer.post(f"{address}/unlink/", {"undo": True}).status_code == 403
    (row,) = viewer.get(f"{address}/links/").json()["results"]
    assert (row["can"], viewer.get(f"{address}/").json()["can"]) == ([], [])
