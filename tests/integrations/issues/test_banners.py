"""What a banner says, and when there is none."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from audit_site.tenants.models import Tenant
from integrations.issues import banners
from integrations.issues.inbox import KIND_INTEGRATION, close_issues, dismiss
from integrations.models import Integration, Issue
from tests.factories import make_integration
from tests.integrations.issues.outages import START, begin


def test_a_banner_says_since_when_and_what_comes_next(
    integration: Integration, berlin: Tenant
) -> None:
    begin(integration)

    [banner] = banners.banners(berlin)

    assert banner.text == (
        "ConnectWise Manage has not been reachable since 14:05. "
        "Your data stays as it was; the next try is at 14:35."
    )
    assert (banner.integration_id, banner.needs_keys) == (integration.pk, False)


@pytest.mark.parametrize(
    ("code", "over", "text"),
    [
        (
            "rate_limited",
            {"next_sync_at": START - timedelta(minutes=1)},
            "PSA has been asking us to wait since 14:05. "
            "Your data stays as it was; it is being tried again now.",
        ),
        (
            "bad_response",
            {"schedule": "off"},
            "PSA has not given answers that we can read since 14:05. "
            "Your data stays as it was; it is not tried again by itself.",
        ),
        (
            "dns_failure",
            {"paused_until": START + timedelta(hours=11)},
            "PSA has not been reachable since 14:05. "
            "Your data stays as it was; the next try is on 26 Nov, 01:05.",
        ),
        (
            "invalid_credentials",
            {"status": "failing"},
            "PSA no longer accepts the keys. An admin needs to replace them.",
        ),
    ],
)
def test_each_banner_says_what_is_so(
    berlin: Tenant, code: str, over: dict[str, Any], text: str
) -> None:
    values = {"name": "PSA", "next_sync_at": START + timedelta(minutes=30), **over}
    begin(make_integration(berlin, **values), code)

    assert [banner.text for banner in banners.banners(berlin)] == [text]


def test_an_outage_of_another_day_has_its_date(
    integration: Integration, berlin: Tenant, time_machine: Any
) -> None:
    begin(integration)
    time_machine.move_to(START + timedelta(days=1), tick=False)

    assert "since 25 Nov, 14:05." in banners.banners(berlin)[0].text


def test_banners_are_few_keys_first_and_cost_one_query(
    berlin: Tenant, django_assert_num_queries: Any
) -> None:
    for number in range(5):
        integration = make_integration(berlin, name=f"PSA {number}")
        begin(integration, "timeout")
        begin(integration, "dns_failure")
    begin(integration, "account_locked")

    with django_assert_num_queries(1):
        found = banners.banners(berlin)

    assert [banner.text.split(" ")[1] for banner in found] == ["4", "0", "1"]
    assert [banner.needs_keys for banner in found] == [True, False, False]


@pytest.mark.parametrize("quiet", ["dismissed", "closed", "disconnected", "another tenant's"])
def test_there_is_no_banner_for_what_is_quiet(
    integration: Integration, berlin: Tenant, other_tenant: Tenant, quiet: str
) -> None:
    begin(integration)
    if quiet == "dismissed":
        dismiss(Issue.objects.get(), actor=None)
    elif quiet == "closed":
        close_issues(integration, kind=KIND_INTEGRATION)
    elif quiet == "disconnected":
        Integration.objects.update(status="disconnected")

    assert banners.banners(other_tenant if quiet == "another tenant's" else berlin) == []
