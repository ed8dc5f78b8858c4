"""How often a tenant may do what costs much: the same for pages and REST."""

from __future__ import annotations

import re
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import time_machine
from django.db import connections, transaction
from rest_framework.test import APIClient

from audit_site import limits
from audit_site.api.models import ActCount
from audit_site.db import walls
from audit_site.tenants.models import Tenant, User
from integrations.models import ConnectionTest, Integration, SyncRun
from integrations.runs.starting import start_sync_run
from tests.clients import V1, api_of, browser, page_text, problem
from tests.factories import make_company, make_integration, make_link, make_tenant

NOON = datetime(2026, 11, 29, 12, tzinfo=UTC)


def test_the_defaults(settings: Any) -> None:
    assert {act.name: act.limit for act in limits.ACTS} == {
        "tests": 60,
        "syncs": 60,
        "resyncs": 240,
        "lookups": 240,
        "imports": 240,
        "reports": 20,
        "invitations": 100,
        "exports": 60,
    }
    assert limits.TESTS.limit_of_a_person == 60


def left(tenant: Tenant, act: limits.Act) -> list[int]:
    """How many are left to the tenant, and to the person who asks."""
    return [one.left for one in limits.standing(tenant, act)]


def test_after_an_hour_all_are_free_again(tenant: Tenant, settings: Any) -> None:
    settings.LIMIT_TESTS = 2
    with time_machine.travel(NOON, tick=False) as clock:
        limits.spend(tenant, limits.TESTS)
        clock.shift(timedelta(minutes=59))
        limits.spend(tenant, limits.TESTS)

        with pytest.raises(limits.TooManyRequestsError) as refused:
            limits.spend(tenant, limits.TESTS)
        clock.shift(timedelta(minutes=1))
        limits.spend(tenant, limits.TESTS)

    assert refused.value.sentence == (
        "Your account may have 2 connection tests an hour, and all of them are used. "
        "Try again in 2 minutes."
    )
    assert refused.value.headers["Retry-After"] == "61"


def test_each_act_and_each_tenant_counts_for_itself(
    tenant: Tenant, other_tenant: Tenant, settings: Any
) -> None:
    settings.LIMIT_TESTS = 1
    limits.spend(tenant, limits.TESTS)

    limits.spend(tenant, limits.SYNCS)
    limits.spend(other_tenant, limits.TESTS)
    with pytest.raises(limits.TooManyRequestsError):
        limits.spend(tenant, limits.TESTS)


def test_a_person_alone_leaves_some_to_the_others(
    alex: User, mia: User, integration: Integration, settings: Any
) -> None:
    """By page and with all their tokens together."""
    settings.LIMIT_TESTS, settings.LIMIT_PERSON_PERCENT = 3, 60
    address = f"{V1}/integrations/{integration.pk}/test/"

    def test_again(client: Any, path: str) -> Any:
        ConnectionTest.objects.update(state="done")
        return client.post(path, follow=True)

    page = test_again(browser(alex), f"/integrations/{integration.pk}/test/")
    second, refused = (test_again(api_of(alex), address) for _ in range(2))
    refused_page = test_again(browser(alex), f"/integrations/{integration.pk}/test/")
    other, too_many = (test_again(api_of(mia), address) for _ in range(2))

    assert page.status_code == 200
    assert second["RateLimit"].split(";t=")[0] == '"tests";r=1'
    assert '"tests-person";r=0;t=' in second["RateLimit"]
    assert problem(refused) == (429, "too_many_requests")
    assert refused.json()["detail"].startswith("You alone may have 2 connection tests an hour")
    assert "You alone may have 2 connection tests an hour" in page_text(refused_page)
    assert other.status_code == 202
    assert too_many.json()["detail"].startswith("Your account may have 3 connection tests an hour")
    assert ConnectionTest.objects.count() == 3


def test_downloads_are_limited(alex: User, integration: Integration, settings: Any) -> None:
    settings.LIMIT_EXPORTS = 3
    company = make_company(integration.tenant)
    ledger = f"/companies/{company.pk}/mrr/ledger.csv"
    addresses = ("/mrr/series.csv", "/mrr/movement.csv", ledger)
    page = browser(alex)

    given = [page.get(address)["Content-Type"] for address in addresses]
    refused = page.get(addresses[0], follow=True)

    assert given == ["text/csv; charset=utf-8"] * 3
    assert "Your account may have 3 downloads of data an hour" in page_text(refused)


def test_old_counts_are_forgotten(tenant: Tenant) -> None:
    with time_machine.travel(NOON, tick=False) as clock:
        limits.spend(tenant, limits.TESTS)
        clock.shift(timedelta(hours=23))
        limits.spend(tenant, limits.SYNCS)
        clock.shift(timedelta(hours=2))

        limits.forget_old_counts()

    assert list(ActCount.objects.values_list("act", flat=True)) == ["syncs"]


def test_what_was_rolled_back_is_not_counted(tenant: Tenant) -> None:
    with transaction.atomic():
        limits.spend(tenant, limits.TESTS)
        transaction.set_rollback(True)

    assert left(tenant, limits.TESTS) == [60]


@pytest.mark.django_db(transaction=True)
def test_at_once_it_is_never_more(settings: Any) -> None:
    settings.LIMIT_TESTS = 3
    tenant = make_tenant()

    def spend(_: int) -> bool:
        try:
            limits.spend(tenant, limits.TESTS)
        except limits.TooManyRequestsError:
            return False
        finally:
            connections.close_all()
        return True

    with ThreadPoolExecutor(4, initializer=walls.enter, initargs=(walls.asker(),)) as pool:
        assert sum(pool.map(spend, range(8))) == 3


def test_rest_tells_how_many_are_left_and_refuses_the_next(
    alex: User, integration: Integration, settings: Any
) -> None:
    settings.LIMIT_SYNCS = 1
    api, address = api_of(alex), f"{V1}/integrations/{integration.pk}/sync/"

    first, joined = api.post(address), api.post(address)
    SyncRun.objects.update(state=SyncRun.State.SUCCEEDED)
    refused = api.post(address)

    assert (first.status_code, joined.status_code) == (202, 200)
    assert first["RateLimit-Policy"] == '"syncs";q=1;w=3600'
    assert first["RateLimit"].startswith('"syncs";r=0;t=')
    assert problem(refused) == (429, "too_many_requests")
    assert 3500 < int(refused["Retry-After"]) <= 3601
    assert re.fullmatch(r'"syncs";r=0;t=3[56]\d\d', refused["RateLimit"])
    assert SyncRun.objects.count() == 1


def test_a_page_is_refused_too(alex: User, integration: Integration, settings: Any) -> None:
    settings.LIMIT_SYNCS = 1
    page, address = browser(alex), f"/integrations/{integration.pk}/sync/"
    page.post(address)
    SyncRun.objects.update(state=SyncRun.State.SUCCEEDED)

    answer = page.post(address, follow=True)

    assert "Your account may have 1 syncs of everything an hour" in page_text(answer)
    assert SyncRun.objects.count() == 1


def test_what_the_product_starts_by_itself_is_not_counted(
    tenant: Tenant, integration: Integration, settings: Any
) -> None:
    settings.LIMIT_SYNCS = 0

    _, is_new = start_sync_run(integration=integration, trigger=SyncRun.Trigger.SCHEDULE)

    assert is_new
    assert left(tenant, limits.SYNCS) == [0]


def test_tests_resyncs_and_imports_are_limited(
    alex: User, tenant: Tenant, integration: Integration, settings: Any
) -> None:
    settings.LIMIT_TESTS = settings.LIMIT_RESYNCS = settings.LIMIT_IMPORTS = 0
    company = make_company(tenant)
    make_link(company, integration)
    api = api_of(alex)

    answers = [
        api.post(f"{V1}/integrations/{integration.pk}/test/"),
        api.post(f"{V1}/companies/{company.pk}/sync/"),
        api.post(
            f"{V1}/companies/import/", {"integration": str(integration.pk), "external_ids": ["1"]}
        ),
    ]

    assert {problem(answer) for answer in answers} == {(429, "too_many_requests")}
    assert not ConnectionTest.objects.exists()
    assert not SyncRun.objects.exists()


def test_a_diagnosis_is_limited_by_page_and_rest(
    alex: User, connected: Integration, settings: Any
) -> None:
    settings.LIMIT_LOOKUPS = 1
    address = f"{V1}/integrations/{connected.pk}/psa-companies/20002/diagnosis/"
    api = api_of(alex)

    first, refused = api.get(address), api.get(address)
    page = browser(alex).get(f"/integrations/{connected.pk}/companies/missing/?q=20002")

    assert first["RateLimit"].startswith('"lookups";r=0;t=')
    assert problem(refused) == (429, "too_many_requests")
    assert "Your account may have 1 questions to a PSA an hour" in page_text(page)


def test_the_limit_of_a_client_is_that_of_its_account(
    api: APIClient, alex: User, tenant: Tenant, settings: Any
) -> None:
    settings.LIMIT_SYNCS = 1
    for _ in range(2):
        make_integration(tenant)
    one, two = Integration.objects.all()

    assert api.post(f"{V1}/integrations/{one.pk}/sync/").status_code == 202
    assert api_of(alex).post(f"{V1}/integrations/{two.pk}/sync/").status_code == 429
