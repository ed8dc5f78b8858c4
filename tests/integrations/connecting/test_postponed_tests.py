"""A connection test that meets a limit, a moment of downtime or a new user waits and goes on."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.urls import reverse
from django.utils import timezone
from rest_framework.test import APIClient

from audit_site.tenants.models import Tenant, User
from integrations.connecting.connection_test import start_connection_test
from integrations.connecting.health import health_now
from integrations.connecting.lifecycle import disconnect_integration, update_integration
from integrations.connecting.postponed_tests import Patience
from integrations.connecting.selectors import latest_of
from integrations.models import ConnectionTest
from integrations.psa.errors import PsaRateLimited
from integrations.runs import leases
from integrations.sandbox.server import SandboxServer
from tests.clients import browser, text
from tests.conftest import connect
from tests.syncing import cool_down
from tests.worker import wait_out_tests, work_off

PSAS = ("connectwise", "autotask", "kaseya_bms")
CONTACTS = {
    "connectwise": "/company/contacts",
    "autotask": "/Contacts/query",
    "kaseya_bms": "/contacts/summary",
}


def only_test() -> ConnectionTest:
    return ConnectionTest.objects.get()


def refused_sign_ins(sandbox: SandboxServer) -> int:
    return [entry["status"] for entry in sandbox.requests()].count(401)


@pytest.mark.parametrize("psa", PSAS)
def test_a_long_wait_gives_the_test_back_and_it_goes_on_behind_its_checks(
    tenant: Tenant, sandbox: SandboxServer, psa: str
) -> None:
    sandbox.faults.switch_on("rate_limited", path=CONTACTS[psa], times=1, retry_after=300)

    integration = connect(tenant, sandbox, psa)

    test, now = only_test(), timezone.now()
    assert (test.state, test.ok, test.lease_until) == ("running", None, None)
    assert timedelta(seconds=250) < test.resume_at - now <= timedelta(seconds=300)
    name = integration.psa_info.name
    assert test.message.startswith(f"{name} asks us to wait. The test goes on at ")
    known = {check["name"]: check["ok"] for check in test.checks}
    assert (known["authenticate"], known["read_companies"], known["read_contacts"]) == (
        True,
        True,
        None,
    )
    assert not ConnectionTest.objects.filter(leases.due(now)).exists(), "no worker is held by it"
    health = health_now(integration, latest_of(integration))
    assert (health.state, health.until) == ("testing", test.resume_at)
    assert test.message in health.message
    before = test.checks[2]
    sandbox.forget_requests()

    wait_out_tests()

    test.refresh_from_db()
    integration.refresh_from_db()
    assert (test.state, test.ok, test.code, test.attempts) == ("done", True, "ok", 2)
    assert (test.checks[2], integration.status) == (before, "connected")


@pytest.mark.parametrize("psa", PSAS)
def test_a_short_wait_is_waited_out_in_place(
    tenant: Tenant, sandbox: SandboxServer, psa: str
) -> None:
    sandbox.faults.switch_on("rate_limited", path=CONTACTS[psa], times=1, retry_after=1)

    connect(tenant, sandbox, psa)

    assert (only_test().state, only_test().code, only_test().attempts) == ("done", "ok", 1)


def test_many_short_waits_are_a_long_one() -> None:
    patience = Patience()
    patience(12, "wait")

    with pytest.raises(PsaRateLimited) as caught:
        patience(12, "wait")

    assert caught.value.retry_after == 12


@pytest.mark.parametrize("psa", PSAS)
def test_a_moment_of_downtime_is_waited_out(
    tenant: Tenant, sandbox: SandboxServer, psa: str
) -> None:
    sandbox.faults.switch_on("maintenance_html", path=CONTACTS[psa])
    integration = connect(tenant, sandbox, psa)
    test = only_test()
    assert (test.state, test.code) == ("running", "psa_unavailable")
    assert "The test goes on at " in test.message
    sandbox.faults.clear()

    wait_out_tests()

    integration.refresh_from_db()
    assert (only_test().code, integration.status) == ("ok", "connected")


def test_a_psa_that_stays_down_ends_the_test(tenant: Tenant, sandbox: SandboxServer) -> None:
    sandbox.faults.switch_on("maintenance_html")
    integration = connect(tenant, sandbox, "connectwise")

    wait_out_tests()

    integration.refresh_from_db()
    test = only_test()
    assert (test.state, test.ok, test.code, test.attempts) == ("done", False, "psa_unavailable", 3)
    assert (test.resume_at, integration.status) == (None, "failing")


def test_a_limit_that_never_ends_ends_the_test(tenant: Tenant, sandbox: SandboxServer) -> None:
    sandbox.faults.switch_on("rate_limited", retry_after=60)
    connect(tenant, sandbox, "connectwise")

    wait_out_tests()

    test = only_test()
    assert (test.state, test.code, test.attempts) == ("done", "rate_limited", 11)
    assert "by itself" not in f"{test.message} {test.fix}"


def test_the_page_and_rest_say_until_when_a_test_waits(
    tenant: Tenant, sandbox: SandboxServer, api: APIClient, alex: User
) -> None:
    sandbox.faults.switch_on("rate_limited", path="/company/contacts", retry_after=300)
    integration = connect(tenant, sandbox, "connectwise")
    test = only_test()

    page = text(browser(alex).get(reverse("integrations:settings", args=[integration.pk])))
    body = api.get(f"/api/v1/integrations/{integration.pk}/tests/{test.pk}/").json()

    assert "ConnectWise Manage asks us to wait. The test goes on at " in page
    assert "Read companies: 40" in page
    assert (body["state"], body["ok"], body["message"]) == ("running", None, test.message)
    assert body["checks"][2] == {
        "name": "read_companies", "ok": True, "seen": 40, "code": "ok", "message": "", "fix": "",
    }  # fmt: skip


# A user who was made a moment ago


def test_keys_of_a_new_user_are_tried_again_by_themselves(
    tenant: Tenant, sandbox: SandboxServer
) -> None:
    sandbox.faults.switch_on("bad_keys", times=1)

    integration = connect(tenant, sandbox, "autotask")

    test = only_test()
    assert (test.state, test.code, integration.status) == (
        "running", "invalid_credentials", "testing",
    )  # fmt: skip
    assert "In case its user is new, this is tried again at " in test.message
    assert "may be refused for up to five minutes" in test.fix
    assert timedelta(seconds=290) < test.resume_at - timezone.now() <= timedelta(seconds=300)
    assert refused_sign_ins(sandbox) == 1

    wait_out_tests()

    integration.refresh_from_db()
    assert (only_test().code, integration.status) == ("ok", "connected")


def test_wrong_keys_are_tried_twice_and_then_only_when_asked_and_after_a_while(
    tenant: Tenant, sandbox: SandboxServer
) -> None:
    integration = connect(tenant, sandbox, "autotask", secret="wrong")

    wait_out_tests()

    integration.refresh_from_db()
    assert (only_test().state, only_test().code) == ("done", "invalid_credentials")
    assert (refused_sign_ins(sandbox), integration.status) == (2, "failing")
    start_connection_test(integration=integration, actor=None)
    work_off()
    assert (refused_sign_ins(sandbox), latest_of(integration).test.code) == (2, "cooling_down")
    cool_down()
    start_connection_test(integration=integration, actor=None)
    work_off()
    assert (refused_sign_ins(sandbox), latest_of(integration).test.code) == (
        3,
        "invalid_credentials",
    )
    assert not ConnectionTest.objects.exclude(state="done").exists()


@pytest.mark.parametrize(
    ("psa", "over"),
    [
        ("autotask", {"tracking_identifier": "wrong"}),
        ("autotask", {"username": "nobody@x.example"}),
        ("connectwise", {"private_key": "wrong"}),
        ("kaseya_bms", {"password": "wrong"}),
    ],
)
def test_no_other_refusal_is_tried_again(
    tenant: Tenant, sandbox: SandboxServer, psa: str, over: dict[str, Any]
) -> None:
    connect(tenant, sandbox, psa, **over)

    assert (only_test().state, only_test().code) == ("done", "invalid_credentials")


def test_new_keys_end_the_test_that_waits_with_the_old_ones(
    tenant: Tenant, sandbox: SandboxServer
) -> None:
    integration = connect(tenant, sandbox, "autotask", secret="wrong")
    waiting = only_test()

    update_integration(integration=integration, actor=None, credentials={"secret": "demo-secret"})
    work_off()

    waiting.refresh_from_db()
    integration.refresh_from_db()
    assert (waiting.state, waiting.code) == ("done", "superseded")
    assert (refused_sign_ins(sandbox), integration.status) == (1, "connected")


def test_a_person_who_presses_test_does_not_wait_for_it(
    tenant: Tenant, sandbox: SandboxServer
) -> None:
    sandbox.faults.switch_on("bad_keys", times=1)
    integration = connect(tenant, sandbox, "autotask")

    test = start_connection_test(integration=integration, actor=None)
    work_off()

    assert test.pk == only_test().pk
    assert only_test().code == "ok"


def test_a_limit_is_kept_to_whoever_presses_test(tenant: Tenant, sandbox: SandboxServer) -> None:
    sandbox.faults.switch_on("rate_limited", path="/company/contacts", retry_after=300)
    integration = connect(tenant, sandbox, "connectwise")
    until = only_test().resume_at

    start_connection_test(integration=integration, actor=None)
    work_off()

    assert (only_test().state, only_test().resume_at) == ("running", until)


def test_a_test_that_waits_says_nothing_of_what_was_disconnected(
    tenant: Tenant, sandbox: SandboxServer
) -> None:
    sandbox.faults.switch_on("rate_limited", path="/company/contacts", retry_after=300)
    integration = connect(tenant, sandbox, "connectwise")
    disconnect_integration(integration=integration, actor=None)
    sandbox.forget_requests()

    wait_out_tests()

    integration.refresh_from_db()
    assert (only_test().state, only_test().code) == ("done", "superseded")
    assert (integration.status, sandbox.requests()) == ("disconnected", [])
