"""ETags: unchanged answers cost a 304, and a change of what changed meanwhile is refused."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from copy import copy
from threading import Thread
from typing import Any

import pytest
from django.db import connections, transaction
from rest_framework.test import APIClient

from agreements.decisions import choose
from audit_site.tenants.models import Tenant, User
from companies.models import Company
from integrations.models import Integration, SyncRun
from tests.clients import V1, api_of, problem
from tests.concurrency import in_a_thread
from tests.factories import make_agreement, make_api, make_company, make_integration, make_tenant


@pytest.fixture
def company(tenant: Tenant) -> Company:
    return make_company(tenant, name="Acme")


def places(tenant: Tenant, integration: Integration) -> list[str]:
    company = make_company(tenant)
    run = SyncRun.objects.create(tenant=tenant, integration=integration)
    agreement = make_agreement(company, integration)
    return [
        f"{V1}{path}"
        for path in (
            "/me/",
            "/psas/",
            "/errors/",
            "/mrr/",
            "/companies/",
            f"/companies/{company.pk}/",
            f"/companies/{company.pk}/contacts/",
            f"/companies/{company.pk}/mrr/",
            "/integrations/",
            f"/integrations/{integration.pk}/",
            "/sync-runs/",
            f"/sync-runs/{run.pk}/",
            f"/agreements/{agreement.pk}/choices/",
        )
    ]


def test_what_has_not_changed_is_304(
    api: APIClient, tenant: Tenant, integration: Integration
) -> None:
    for path in places(tenant, integration):
        first = api.get(path)
        again = api.get(path, HTTP_IF_NONE_MATCH=first["ETag"])

        assert (first.status_code, again.status_code, path) == (200, 304, path)
        assert again.content == b""
        assert again["ETag"] == first["ETag"]
        assert first["Cache-Control"] == "no-store"


def test_what_has_changed_is_sent(api: APIClient, company: Company) -> None:
    address = f"{V1}/companies/{company.pk}/"
    before = api.get(address)

    after = api.patch(address, {"name": "Better"})
    read = api.get(address, HTTP_IF_NONE_MATCH=before["ETag"])

    assert (read.status_code, read.json()["name"]) == (200, "Better")
    assert before["ETag"] != after["ETag"] == read["ETag"]


def test_two_people_see_two_states(alex: User, vic: User, company: Company) -> None:
    address = f"{V1}/companies/{company.pk}/"
    admins = api_of(alex).get(address)

    assert api_of(vic).get(address, HTTP_IF_NONE_MATCH=admins["ETag"]).status_code == 200


@pytest.mark.parametrize("form", ["{}", "W/{}", '"other", {}', "*"])
def test_a_change_of_what_was_seen_goes_through(
    api: APIClient, company: Company, form: str
) -> None:
    address = f"{V1}/companies/{company.pk}/"
    seen = form.format(api.get(address)["ETag"])

    answer = api.patch(address, {"name": "Better"}, HTTP_IF_MATCH=seen)

    assert (answer.status_code, answer.json()["name"]) == (200, "Better")


def test_a_change_of_what_was_not_seen_is_412_with_what_there_is(
    api: APIClient, company: Company
) -> None:
    address = f"{V1}/companies/{company.pk}/"
    seen = api.get(address)["ETag"]
    api.patch(address, {"name": "Better"})

    for change in (
        api.patch(address, {"name": "Mine"}, HTTP_IF_MATCH=seen),
        api.delete(address, HTTP_IF_MATCH=seen),
    ):
        assert problem(change) == (412, "precondition_failed")
        assert change.json()["current"] == api.get(address).json()
    company.refresh_from_db()
    assert (company.name, company.status) == ("Better", "active")


def test_integrations_and_choices_have_the_same_guard(
    api: APIClient, integration: Integration, company: Company
) -> None:
    agreement = make_agreement(company, integration)
    for path, body in (
        (f"/integrations/{integration.pk}/", {"name": "Renamed"}),
        (f"/agreements/{agreement.pk}/choices/", {"exclude": True, "note": "No."}),
    ):
        seen = api.get(V1 + path)["ETag"]
        assert problem(api.patch(V1 + path, body, HTTP_IF_MATCH='"x"')) == (
            412,
            "precondition_failed",
        )
        assert api.patch(V1 + path, body, HTTP_IF_MATCH=seen).status_code == 200
        assert api.patch(V1 + path, body, HTTP_IF_MATCH=seen).status_code == 412


def test_what_is_not_there_is_404_and_not_412(otto: User, company: Company) -> None:
    answer = api_of(otto).patch(
        f"{V1}/companies/{company.pk}/", {"name": "Mine"}, HTTP_IF_MATCH="*"
    )

    assert problem(answer) == (404, "not_found")


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("kind", ["companies", "integrations"])
def test_of_two_changes_at_once_one_is_refused(kind: str) -> None:
    tenant = make_tenant()
    api = make_api(tenant)
    row: Any = make_company(tenant) if kind == "companies" else make_integration(tenant)
    address = f"{V1}/{kind}/{row.pk}/"
    seen = api.get(address)["ETag"]

    def change(client: APIClient, name: str) -> int:
        try:
            return client.patch(address, {"name": name}, HTTP_IF_MATCH=seen).status_code
        finally:
            connections.close_all()

    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(change, [copy(api) for _ in range(4)], "abcd"))

    assert sorted(found) == [200, 412, 412, 412]


@pytest.mark.django_db(transaction=True)
def test_a_change_that_is_being_made_without_it_is_waited_for() -> None:
    tenant = make_tenant()
    api, company = make_api(tenant), make_company(tenant)
    address = f"{V1}/companies/{company.pk}/"
    seen = api.get(address)["ETag"]
    answers: list[int] = []

    def change() -> None:
        answers.append(api.patch(address, {"name": "Mine"}, HTTP_IF_MATCH=seen).status_code)

    other = Thread(target=in_a_thread(change))
    with transaction.atomic():
        Company.objects.update(name="A sync's")
        other.start()
        other.join(timeout=0.5)
    other.join()

    assert answers == [412]
    company.refresh_from_db()
    assert company.name == "A sync's"


@pytest.mark.django_db(transaction=True)
def test_a_choice_that_is_being_made_without_it_is_waited_for() -> None:
    tenant = make_tenant()
    api, company = make_api(tenant), make_company(tenant)
    agreement = make_agreement(company, make_integration(tenant))
    address = f"{V1}/agreements/{agreement.pk}/choices/"
    seen = api.get(address)["ETag"]
    answers: list[int] = []

    def change() -> None:
        body = {"exclude": True, "note": "Mine"}
        answers.append(api.patch(address, body, HTTP_IF_MATCH=seen).status_code)

    other = Thread(target=in_a_thread(change))
    with transaction.atomic():
        choose(agreement=agreement, actor=None, changes={"assume_renewal": True}, note="Theirs")
        other.start()
        other.join(timeout=0.5)
    other.join()

    assert answers == [412]
