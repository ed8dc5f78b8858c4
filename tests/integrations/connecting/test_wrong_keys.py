"""No user of a PSA is locked because of us, however often wrong keys are tried, and by whom."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import time_machine
from django.db import connection
from rest_framework.test import APIClient

from audit_site.tenants.models import Tenant, User
from integrations.connecting.connection_test import start_connection_test
from integrations.connecting.health import health_now
from integrations.connecting.lifecycle import update_integration
from integrations.connecting.selectors import latest_of
from integrations.connecting.wrong_keys import GuardedTries, forget_users, user_of
from integrations.models import ConnectionTest, Integration, PsaUser, SyncRun
from integrations.psa import registry
from integrations.psa.contract import CredentialField, PsaInfo
from integrations.psa.errors import PsaCoolingDown, PsaRefused
from integrations.runs.starting import start_sync_run
from integrations.sandbox.server import SandboxServer
from tests.clients import V1, browser, page_text, problem
from tests.concurrency import at_once
from tests.conftest import connect
from tests.factories import make_tenant
from tests.syncing import cool_down, synced
from tests.worker import work_off

#: PSA → the secret, the user, and what the user is called in the sandbox's book of wrong tries.
LOCKING = {
    "autotask": ("secret", "demo@audit-demo.example"),
    "kaseya_bms": ("password", "audit-api"),
}
PSAS = list(LOCKING)
#: A user is locked at the fifth wrong try.
MOST = 3


def wrong_tries(sandbox: SandboxServer, psa: str) -> int:
    book: Any = sandbox.psas[psa]
    return int(book.wrong_tries[LOCKING[psa][1]])


def wrong(sandbox: SandboxServer, psa: str, number: int) -> dict[str, str]:
    return {**sandbox.credentials(psa), LOCKING[psa][0]: f"wrong {number}"}


def codes(integration: Integration) -> list[str]:
    return list(integration.tests.order_by("id").values_list("code", flat=True))


@pytest.fixture(params=PSAS)
def psa(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def test_many_tests_by_page_and_rest_never_lock_the_user(
    psa: str, tenant: Tenant, alex: User, api: APIClient, sandbox: SandboxServer
) -> None:
    """Different wrong keys each time: three are tried, two fewer than lock."""
    integration = connect(tenant, sandbox, psa)
    page, rest = f"/integrations/{integration.pk}/", f"{V1}/integrations/{integration.pk}/"

    for number in range(6):
        keys = wrong(sandbox, psa, number)
        if number % 2:
            browser(alex).post(page, {**keys, "name": integration.name})
        else:
            assert api.patch(rest, {"credentials": keys}).status_code == 200
        work_off()

    assert wrong_tries(sandbox, psa) == MOST
    integration.refresh_from_db()
    assert integration.status == "connected"
    refused = "superseded" if psa == "autotask" else "invalid_credentials"  # its user may be new
    assert codes(integration) == ["ok", refused, refused, refused, *["cooling_down"] * 3]


def test_the_keys_in_use_go_on_working_meanwhile(
    psa: str, tenant: Tenant, sandbox: SandboxServer
) -> None:
    integration = connect(tenant, sandbox, psa)
    for number in range(4):
        update_integration(
            integration=integration, actor=None, credentials=wrong(sandbox, psa, number)
        )
        work_off()

    runs = [synced(integration, trigger) for trigger in ("schedule", "manual")]
    start_connection_test(integration=integration, actor=None)
    work_off()

    assert {run.state for run in runs} == {"succeeded"}
    assert latest_of(integration).test.code == "ok"


def test_it_is_counted_over_connections_candidates_runs_and_tenants(
    psa: str, tenant: Tenant, other_tenant: Tenant, sandbox: SandboxServer
) -> None:
    first = connect(tenant, sandbox, psa)
    update_integration(integration=first, actor=None, credentials=wrong(sandbox, psa, 1))
    work_off()
    second = connect(other_tenant, sandbox, psa, **{LOCKING[psa][0]: "wrong 2"})
    third = connect(make_tenant(), sandbox, psa, **{LOCKING[psa][0]: "wrong 3"})
    fourth = connect(make_tenant(), sandbox, psa, **{LOCKING[psa][0]: "wrong 4"})

    for integration in (second, third, fourth):
        for trigger in ("schedule", "manual"):
            start_sync_run(integration=integration, trigger=trigger)
        start_connection_test(integration=integration, actor=None)
    work_off()

    assert wrong_tries(sandbox, psa) == MOST
    assert latest_of(fourth).test.code == "cooling_down"
    fourth.refresh_from_db()
    assert fourth.status == "failing"


def test_the_same_keys_leave_a_try_to_others(
    psa: str, tenant: Tenant, sandbox: SandboxServer
) -> None:
    integration = connect(tenant, sandbox, psa, **{LOCKING[psa][0]: "wrong"})
    for _ in range(4):
        ConnectionTest.objects.exclude(state="done").update(resume_at=None)
        start_connection_test(integration=integration, actor=None)
        work_off()
    tries_of_the_same = wrong_tries(sandbox, psa)

    update_integration(integration=integration, actor=None, credentials=sandbox.credentials(psa))
    work_off()

    integration.refresh_from_db()
    assert tries_of_the_same == MOST - 1
    assert integration.status == "connected"


def test_what_is_said_names_the_time_and_health_says_the_same(
    tenant: Tenant, alex: User, sandbox: SandboxServer
) -> None:
    Tenant.objects.update(timezone="Europe/Berlin")
    tenant.refresh_from_db()
    with time_machine.travel(datetime(2026, 11, 25, 12, 35, tzinfo=UTC), tick=False):
        integration = connect(tenant, sandbox, "kaseya_bms", password="wrong")
        start_connection_test(integration=integration, actor=None)
        work_off()
        start_connection_test(integration=integration, actor=None)
        work_off()
        same = latest_of(integration).test
        for number in (1, 2):
            update_integration(
                integration=integration, actor=None, credentials={"password": f"wrong {number}"}
            )
            work_off()
        other = latest_of(integration).test
        integration.refresh_from_db()
        health = health_now(integration, latest_of(integration))
        page = page_text(browser(alex).get(f"/integrations/{integration.pk}/"))

    assert (same.message, same.fix) == (
        "Kaseya BMS locks a user after 5 wrong passwords, and refused these keys already: the "
        "product does not try them again before 14:05.",
        "Type other keys and save them, or press Test again then.",
    )
    assert (other.message, other.fix) == (
        "Kaseya BMS locks a user after 5 wrong passwords; the product waits until 14:05.",
        "Look the keys up in the meantime, and press Test again then.",
    )
    assert (health.state, health.message) == ("refused", other.message)
    assert "the product waits until 14:05" in page


def test_after_the_time_it_is_tried_again(tenant: Tenant, sandbox: SandboxServer) -> None:
    began = datetime(2026, 11, 25, 12, 0, tzinfo=UTC)
    with time_machine.travel(began, tick=False) as clock:
        integration = connect(tenant, sandbox, "kaseya_bms", password="wrong")
        tries = []
        for minutes in (10, 10, 9, 1, 0):
            clock.shift(timedelta(minutes=minutes))
            start_connection_test(integration=integration, actor=None)
            work_off()
            tries.append(wrong_tries(sandbox, "kaseya_bms"))

    assert tries == [2, 2, 2, 3, 3]  # the first one counts for half an hour


def test_a_run_with_keys_of_which_nothing_is_known_waits_for_the_end(
    tenant: Tenant, sandbox: SandboxServer
) -> None:
    integration = connect(tenant, sandbox, "kaseya_bms")
    for number in range(3):
        update_integration(
            integration=integration,
            actor=None,
            credentials=wrong(sandbox, "kaseya_bms", number),
        )
        work_off()
    PsaUser.objects.update(accepted=[])

    run = synced(integration, "schedule")
    integration.refresh_from_db()
    status, waits = integration.status, run.resume_at
    cool_down()
    SyncRun.objects.filter(pk=run.pk).update(resume_at=None)
    work_off()
    run.refresh_from_db()

    assert (status, waits is not None) == ("connected", True)
    assert run.state == "succeeded"
    assert wrong_tries(sandbox, "kaseya_bms") == 0  # a right sign-in has ended BMS's own count


def test_a_question_at_once_is_refused_with_the_time(
    tenant: Tenant, api: APIClient, sandbox: SandboxServer
) -> None:
    integration = connect(tenant, sandbox, "kaseya_bms", password="wrong")
    Integration.objects.update(status="connected")
    address = f"{V1}/integrations/{integration.pk}/find/?q=20002"

    answers = [api.get(address) for _ in range(4)]

    assert [problem(answer)[1] for answer in answers] == [
        "invalid_credentials",
        *["cooling_down"] * 3,
    ]
    assert 1700 < int(answers[-1]["Retry-After"]) <= 1800
    assert wrong_tries(sandbox, "kaseya_bms") == 2


def test_nothing_is_guarded_where_nobody_is_locked(tenant: Tenant, sandbox: SandboxServer) -> None:
    integration = connect(tenant, sandbox, "connectwise", private_key="wrong")
    for _ in range(5):
        start_connection_test(integration=integration, actor=None)
        work_off()

    assert set(codes(integration)) == {"invalid_credentials"}
    assert not PsaUser.objects.exists()


@pytest.mark.django_db(transaction=True)
def test_tries_side_by_side_are_never_one_too_many(sandbox: SandboxServer) -> None:
    """Twelve workers at once, each with other wrong keys of the same user."""
    integration = connect(make_tenant(), sandbox, "kaseya_bms", password="first")
    said: list[str] = []

    def one(number: int) -> None:
        keys = {**sandbox.credentials("kaseya_bms"), "password": f"wrong {number}"}
        guard = GuardedTries(integration, keys)
        try:
            with guard.trying(are_accepted=False):
                raise PsaRefused("invalid_credentials", "no")
        except (PsaRefused, PsaCoolingDown) as error:
            said.append(error.code)

    at_once(*(lambda number=number: one(number) for number in range(12)))

    assert sorted(said) == ["cooling_down"] * 10 + ["invalid_credentials"] * 2


def test_a_password_that_was_changed_costs_one_try_however_many_ask(
    tenant: Tenant, sandbox: SandboxServer
) -> None:
    integration = connect(tenant, sandbox, "kaseya_bms")
    sandbox.faults.switch_on("bad_keys")

    runs = [synced(integration, "schedule") for _ in range(4)]

    assert {run.error_code for run in runs} == {"invalid_credentials"}
    assert wrong_tries(sandbox, "kaseya_bms") == 1
    assert PsaUser.objects.get().accepted == []


def test_spellings_of_one_user_are_one(sandbox: SandboxServer) -> None:
    bms = registry.get_adapter("kaseya_bms").info
    typed = {"server_url": "https://bms.kaseya.com", "tenant": "Acme", "username": "Api"}

    same = {user_of(bms, typed | over) for over in (
        {"server_url": "bms.kaseya.com/"}, {"tenant": " ACME"}, {"username": "api "}, {"password": "x"},
    )}  # fmt: skip

    assert same == {user_of(bms, typed)}
    assert user_of(bms, {**typed, "username": "other"}) not in same
    assert user_of(bms, {**typed, "tenant": "other"}) not in same


def test_a_psa_that_says_no_more_is_guarded_by_all_that_is_no_secret() -> None:
    fields = (CredentialField("a", "A"), CredentialField("b", "B", "secret"))
    info = PsaInfo("other", "Other", fields, ())

    assert user_of(info, {"a": "x", "b": "y"}) == '["other", "x"]'


def test_what_is_kept_names_no_tenant_no_user_and_no_key(
    tenant: Tenant, sandbox: SandboxServer
) -> None:
    connect(tenant, sandbox, "kaseya_bms", password="wrong-canary")

    row = PsaUser.objects.get()

    kept = f"{row.key} {row.tries} {row.accepted}"
    assert re.fullmatch("[0-9a-f]{64}", row.key)
    for word in (str(tenant.pk), "audit-api", "wrong-canary", "127.0.0.1"):
        assert word not in kept
    assert "tenant_id" not in {
        column.name
        for column in connection.introspection.get_table_description(
            connection.cursor(), PsaUser._meta.db_table
        )
    }


def test_users_whose_keys_nobody_tries_are_forgotten(db: None) -> None:
    now = datetime.now(UTC)
    for days in (29, 31):
        PsaUser.objects.create(key=str(days), changed_at=now - timedelta(days=days))

    forget_users()

    assert list(PsaUser.objects.values_list("key", flat=True)) == ["29"]
