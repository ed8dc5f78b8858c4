"""The state of a connection: the keys in use, and beside them new ones that were refused."""

from __future__ import annotations

import re
from typing import Any

import pytest
from django.test import Client

from audit_site.tenants.models import AuditEvent, Tenant, User
from integrations.models import Integration
from integrations.sandbox.server import SandboxServer
from tests.clients import browser, text
from tests.factories import make_member
from tests.worker import work_off

FORGET = "Forget the refused keys"


def plain(html: str) -> str:
    return " ".join(re.sub(r"<[^>]+>", " ", html).split())


@pytest.fixture
def refused(alex: User, connected: Integration, sandbox: SandboxServer) -> Integration:
    """A connection whose new keys were refused, synced well since."""
    client, keys = browser(alex), sandbox.credentials("connectwise")
    client.post(f"/integrations/{connected.pk}/", {**keys, "private_key": "wrong"})
    work_off()
    client.post(f"/integrations/{connected.pk}/sync/")
    work_off()
    connected.refresh_from_db()
    assert connected.candidate["state"] == "refused"
    return connected


def shown(client: Client, integration: Integration) -> tuple[str, str]:
    """What is said of the keys in use, and of the new ones."""
    page = text(client.get(f"/integrations/{integration.pk}/status/"))
    in_use, _, new = page.partition(">The new keys</h3>")
    return in_use, new


@pytest.mark.parametrize("role", ["admin", "member", "viewer"])
def test_the_keys_in_use_are_shown_beside_refused_ones(
    tenant: Tenant, refused: Integration, role: str
) -> None:
    in_use, new = shown(browser(make_member(tenant, role)), refused)

    assert "The keys in use Everything checks out with ConnectWise Manage." in plain(in_use)
    assert (in_use.count('"passed"'), in_use.count('"failed"')) == (6, 0)
    assert "The new keys were refused." in new
    assert (new.count('"passed"'), new.count('"failed"')) == (1, 1)
    assert re.search(r"Last sync today [\d:]+ : succeeded\.", plain(in_use))
    assert (FORGET in new) is (role == "admin")


def test_a_good_test_of_long_ago_says_nothing_of_keys_that_fail_now(
    alex: User, connected: Integration, sandbox: SandboxServer
) -> None:
    sandbox.faults.switch_on("bad_keys")
    browser(alex).post(f"/integrations/{connected.pk}/sync/")
    work_off()

    in_use, _ = shown(browser(alex), connected)

    assert "Refused" in in_use
    assert "Everything checks out" not in in_use
    assert "everything checked out. Press Test again to see how it is now." in plain(in_use)


def test_a_good_test_is_not_green_above_a_sync_that_saw_less(
    alex: User, connected: Integration, sandbox: SandboxServer
) -> None:
    sandbox.faults.switch_on("refused_right", path="/company/contacts")
    browser(alex).post(f"/integrations/{connected.pk}/sync/")
    work_off()

    in_use, _ = shown(browser(alex), connected)

    assert "Limited" in in_use
    assert "Everything checks out" not in in_use
    assert "What was checked then" in in_use


def test_testing_again_shows_that_test(
    alex: User, refused: Integration, sandbox: SandboxServer
) -> None:
    sandbox.faults.switch_on("refused_right", path="/company/contacts")
    client = browser(alex)

    client.post(f"/integrations/{refused.pk}/test/")
    going, _ = shown(client, refused)
    work_off()
    done, _ = shown(client, refused)

    assert "Testing the connection…" in going
    assert (done.count('"passed"'), done.count('"failed"')) == (5, 1)


def test_an_admin_forgets_refused_keys(mia: User, alex: User, refused: Integration) -> None:
    kept = refused.credentials
    address = f"/integrations/{refused.pk}/candidate/forget/"
    before = AuditEvent.objects.filter(action="integration.keys_forgotten")

    assert browser(mia).post(address).status_code == 403
    answers = [browser(alex).post(address, follow=True) for _ in range(2)]

    refused.refresh_from_db()
    assert (refused.candidate, refused.credentials, refused.status) == (None, kept, "connected")
    assert "The refused keys are forgotten." in text(answers[0])
    assert FORGET not in text(answers[0])
    assert "The refused keys are forgotten." not in text(answers[1])
    assert before.count() == 1


def test_keys_that_are_being_tested_are_not_forgotten(
    alex: User, connected: Integration, sandbox: SandboxServer
) -> None:
    client, keys = browser(alex), sandbox.credentials("connectwise")
    client.post(f"/integrations/{connected.pk}/", {**keys, "private_key": "wrong"})

    page: Any = client.post(f"/integrations/{connected.pk}/candidate/forget/", follow=True)

    connected.refresh_from_db()
    assert connected.candidate["state"] == "testing"
    assert "The new keys, which the fields below show, are being tested." in text(page)
