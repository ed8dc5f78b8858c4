"""`rotate_credentials`: every secret under the newest key, while everything goes on."""

from __future__ import annotations

import base64
import io
from typing import Any
from uuid import UUID

import pytest
from allauth.mfa.models import Authenticator
from allauth.mfa.recovery_codes.internal.auth import RecoveryCodes
from allauth.mfa.totp.internal.auth import TOTP
from django.core.management import call_command

from audit_site import key_rotation
from audit_site.key_rotation import SealedRow
from audit_site.tenants.models import Tenant, User
from audit_site.tenants.two_factor_secrets import TwoFactorSecrets
from integrations.connecting.connection_test import start_connection_test
from integrations.connecting.credentials import open_credentials, seal_credentials
from integrations.connecting.key_rotation import ConnectionKeys
from integrations.connecting.lifecycle import update_integration
from integrations.connecting.open_adapter import budget_of
from integrations.models import Integration, SyncRun
from integrations.sandbox.server import SandboxServer
from tests.factories import make_integration
from tests.syncing import synced
from tests.worker import work_off

NEW = "new:" + base64.b64encode(b"n" * 32).decode()
TOTP_KEY = "JBSWY3DPEHPK3PXP"


def said(*arguments: str) -> tuple[list[str], int]:
    """The lines of the command, and the code that it ended with."""
    out = io.StringIO()
    try:
        call_command("rotate_credentials", *arguments, stdout=out)
    except SystemExit as end:
        return out.getvalue().splitlines(), int(str(end.code))
    return out.getvalue().splitlines(), 0


@pytest.fixture
def old(settings: Any) -> str:
    """The key that was there before; the newest one is another from now on, when asked for."""
    return str(settings.CREDENTIAL_KEYS)


def with_secret(tenant: Tenant, secret: str) -> Integration:
    integration = make_integration(tenant)
    keys = {**integration.credentials, "public_key": "demo", "private_key": secret}
    integration.credentials = seal_credentials(integration, keys, integration.psa_info)
    integration.save()
    return integration


def opened(integration: Integration) -> str:
    integration.refresh_from_db()
    return open_credentials(integration, integration.credentials)["private_key"]


def test_all_secrets_are_sealed_again_and_the_old_key_can_be_dropped(
    connected: Integration, alex: User, old: str, settings: Any
) -> None:
    TOTP.activate(alex, TOTP_KEY)
    codes = RecoveryCodes.activate(alex).generate_codes()
    update_integration(
        integration=connected,
        actor=None,
        credentials={"public_key": "no-tables", "private_key": "demo-private"},
    )
    settings.CREDENTIAL_KEYS = f"{NEW}, {old}"

    lines, code = said()

    assert (lines, code) == (
        [
            "keys of connections: 1 encrypted again …",
            "keys of connections: 1 encrypted again.",
            "secrets of two-factor sign-in: 2 encrypted again …",
            "secrets of two-factor sign-in: 2 encrypted again.",
            "Key “new”, the newest, protects 4 secrets.",
            "Key “test” protects nothing any more. You may remove it from CREDENTIAL_KEYS once every "
            "process was restarted with “new” in front, and once no backup from before is of use.",
        ],
        0,
    )
    settings.CREDENTIAL_KEYS = NEW
    work_off()
    assert opened(connected) == "demo-private"
    assert (connected.candidate, connected.credentials["public_key"]) == (None, "no-tables")
    totp, kept = Authenticator.objects.order_by("pk")
    assert totp.data["secret"].startswith("v1.new.")
    assert RecoveryCodes(kept).generate_codes() == codes


def test_check_tells_and_changes_nothing(connected: Integration, old: str, settings: Any) -> None:
    before = connected.credentials
    settings.CREDENTIAL_KEYS = f"{NEW}, {old}"

    lines, code = said("--check")

    connected.refresh_from_db()
    assert connected.credentials == before
    assert (lines, code) == (
        ["Key “new”, the newest, protects 0 secrets.", "Key “test” still protects 1 secret."],
        1,
    )


def test_what_a_missing_key_protects_stays_and_is_named(
    tenant: Tenant, connected: Integration, old: str, settings: Any
) -> None:
    settings.CREDENTIAL_KEYS = "lost:" + base64.b64encode(b"l" * 32).decode()
    lost = with_secret(tenant, "typed under a lost key")
    settings.CREDENTIAL_KEYS = f"{NEW}, {old}"

    lines, code = said()

    assert code == 1
    assert "keys of connections: 1 can't be opened, and stay so." in lines
    assert (
        "Key “lost” is missing, and protects 1 secret: bring it back, or have them typed in again."
        in lines
    )
    lost.refresh_from_db()
    assert lost.credentials["private_key"].startswith("v1.lost.")
    assert opened(connected) == "demo-private"


def test_a_secret_that_an_older_release_kept_readable_is_sealed(alex: User, settings: Any) -> None:
    Authenticator.objects.create(user=alex, type="totp", data={"secret": TOTP_KEY})
    Authenticator.objects.create(
        user=alex, type="recovery_codes", data={"migrated_codes": ["11111111"], "used_mask": 2}
    )

    before, _ = said("--check")
    _, code = said()

    totp, codes = Authenticator.objects.order_by("pk")
    assert before[-1] == "No key protects 2 secrets."
    assert code == 0
    assert TOTP_KEY not in str(totp.data)
    assert RecoveryCodes(codes).generate_codes() == ["11111111"]
    assert codes.data["used_mask"] == 2


def test_a_rotation_that_was_killed_goes_on_where_it_stopped(
    tenant: Tenant, old: str, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(key_rotation, "BATCH", 2)
    many = [with_secret(tenant, f"secret {number}") for number in range(5)]
    settings.CREDENTIAL_KEYS = f"{NEW}, {old}"

    class Killed(Exception):
        pass

    def dying(done: key_rotation.Rotation) -> None:
        if done.resealed == 4:
            raise Killed

    with pytest.raises(Killed):
        key_rotation.rotate(ConnectionKeys(), dying)
    batches: list[int] = []
    done = key_rotation.rotate(ConnectionKeys(), lambda so_far: batches.append(so_far.resealed))

    assert (done.resealed, batches) == (1, [0, 0, 1])
    assert [opened(one) for one in many] == [f"secret {number}" for number in range(5)]


def test_keys_typed_meanwhile_are_never_overwritten(
    connected: Integration, sandbox: SandboxServer, old: str, settings: Any
) -> None:
    """The batch was read before they were saved; the row is read again under its lock."""
    settings.CREDENTIAL_KEYS = f"{NEW}, {old}"
    rows = ConnectionKeys()
    (row,) = rows.after(None, 10)
    update_integration(
        integration=connected,
        actor=None,
        credentials={"public_key": "no-tables", "private_key": "demo-private"},
    )
    work_off()

    rows.reseal(row)

    connected.refresh_from_db()
    assert connected.credentials["public_key"] == "no-tables"
    assert opened(connected) == "demo-private"


def test_a_row_that_is_gone_meanwhile_is_nobodys_trouble(
    connected: Integration, alex: User
) -> None:
    ConnectionKeys().reseal(SealedRow(UUID(int=7), []))
    TwoFactorSecrets().reseal(SealedRow(0, []))


def test_a_run_under_way_ends_as_if_nothing_had_been_rotated(
    connected: Integration, old: str, settings: Any
) -> None:
    Integration.objects.update(memory={}, full_pass_at=None, watermarks={})
    settings.CREDENTIAL_KEYS = f"{NEW}, {old}"

    def rotate_meanwhile(moment: str, subject: str) -> None:
        if (moment, subject) == ("phase", "rules"):
            key_rotation.rotate(ConnectionKeys(), lambda _: None)

    run = synced(connected, on_moment=rotate_meanwhile)

    connected.refresh_from_db()
    assert run.state == "succeeded"
    assert connected.credentials["private_key"].startswith("v1.new.")
    assert connected.full_pass_at == run.started_at
    assert set(connected.watermarks) == {"companies", "contacts"}
    assert connected.memory != {}


def test_a_test_and_a_run_that_began_before_go_on_after_it(
    connected: Integration, sandbox: SandboxServer, old: str, settings: Any
) -> None:
    sandbox.faults.switch_on("rate_limited", path="/company/contacts", retry_after=300)
    run = synced(connected)
    Integration.objects.update(status="failing", full_pass_at=None)
    start_connection_test(integration=connected, actor=None)
    settings.CREDENTIAL_KEYS = f"{NEW}, {old}"
    key_rotation.rotate(ConnectionKeys(), lambda _: None)
    settings.CREDENTIAL_KEYS = NEW
    sandbox.faults.clear()
    budget_of(connected).forget()
    SyncRun.objects.filter(pk=run.pk).update(resume_at=None)

    work_off()

    run.refresh_from_db()
    connected.refresh_from_db()
    assert run.state == "succeeded"
    assert connected.status == "connected"
    assert connected.full_pass_at == run.started_at
