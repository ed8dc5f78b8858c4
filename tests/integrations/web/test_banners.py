"""An outage is a banner on every page."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from audit_site.tenants.models import Tenant, User
from integrations.issues.inbox import KIND_INTEGRATION, IssueReport, raise_issues
from integrations.models import Integration
from tests.clients import browser, text
from tests.factories import make_integration, make_member, make_tenant

BERLIN = ZoneInfo("Europe/Berlin")
NOW = datetime(2026, 11, 25, 13, 5, tzinfo=UTC)  # 14:05 in Berlin


@pytest.fixture
def tenant(time_machine: Any, db: None) -> Tenant:
    time_machine.move_to(NOW, tick=False)
    return make_tenant(timezone="Europe/Berlin")


@pytest.fixture
def integration(tenant: Tenant) -> Integration:
    return make_integration(
        tenant,
        name="ConnectWise Manage",
        next_sync_at=datetime(2026, 11, 26, 2, 17, tzinfo=BERLIN),
    )


def outage(integration: Integration, code: str = "timeout") -> None:
    raise_issues(integration, [IssueReport(KIND_INTEGRATION, code, "It did not answer.")])


@pytest.mark.parametrize("role", ["admin", "member", "viewer"])
def test_every_page_says_that_a_psa_can_not_be_read(integration: Integration, role: str) -> None:
    outage(integration)
    client = browser(make_member(integration.tenant, role))
    pages = (
        "/integrations/",
        "/companies/",
        "/sync-runs/",
        "/mrr/",
        f"/integrations/{integration.pk}/",
    )

    for address in pages:
        page = text(client.get(address))

        assert (
            "ConnectWise Manage has not been reachable since 14:05. Your data stays as it was; "
            "the next try is on 26 Nov, 02:17."
        ) in page, address
        assert page.count('class="alert alert-warning"') == 1


def test_refused_keys_lead_to_where_they_are_replaced(alex: User, integration: Integration) -> None:
    outage(integration, "invalid_credentials")

    page = text(browser(alex).get("/companies/"))

    assert "ConnectWise Manage no longer accepts the keys. An admin needs to replace them." in page
    assert f'href="/integrations/{integration.pk}/setup/#keys">Replace the keys</a>' in page


def test_another_tenant_and_nobody_see_no_banner(integration: Integration, otto: User) -> None:
    outage(integration)

    theirs = text(browser(otto).get("/integrations/"))
    nobody = text(Client().get("/accounts/login/"))

    assert "reachable" not in theirs
    assert "reachable" not in nobody


def test_a_banner_costs_a_page_one_query_however_many(alex: User, integration: Integration) -> None:
    client = browser(alex)
    asked = []
    for _ in range(3):
        with CaptureQueriesContext(connection) as queries:
            client.get("/sync-runs/")
        issues = [entry for entry in queries if '"integrations_issue"."code" IN' in entry["sql"]]
        asked.append((len(issues), len(queries)))
        outage(make_integration(integration.tenant))

    assert asked[0][0] == 1
    assert asked[1] == asked[2] == asked[0]


def test_a_part_of_a_page_asks_for_no_banner(alex: User, integration: Integration) -> None:
    client = browser(alex)

    with CaptureQueriesContext(connection) as queries:
        client.get(f"/integrations/{integration.pk}/status/", HTTP_HX_REQUEST="true")

    assert not [entry for entry in queries if '"dismissed_at" IS NULL' in entry["sql"]]
