"""A request that is sent twice with one key is carried out once."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from copy import copy
from typing import Any

import pytest
from django.db import connections
from rest_framework.test import APIClient

from audit_site.tenants.models import User
from companies.models import Company
from tests.clients import V1, api_of, problem
from tests.factories import make_api, make_tenant


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


def test_one_key_of_two_people_are_two(alex: User, otto: User) -> None:
    body = {"name": "Acme", "primary_contact": {"phone": "1"}}

    for whose in (alex, otto):
        answer = api_of(whose).post(f"{V1}/companies/", body, HTTP_IDEMPOTENCY_KEY="same")
        assert answer.status_code == 201
    assert Company.objects.count() == 2
