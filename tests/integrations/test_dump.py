"""Who has a dump of the database, and not the key ring, has no secret."""

from __future__ import annotations

import hashlib
import json
import subprocess
from pathlib import Path

from allauth.mfa.adapter import get_adapter
from allauth.mfa.recovery_codes.internal.auth import RecoveryCodes
from allauth.mfa.totp.internal.auth import TOTP
from django.db import connection

from audit_site.api.models import IdempotentRequest
from audit_site.tenants.models import Tenant
from audit_site.tenants.tokens import create_api_token
from integrations.connecting.lifecycle import disconnect_integration, update_integration
from integrations.models import Integration
from integrations.sandbox.server import SandboxServer
from tests.clients import V1
from tests.conftest import connect
from tests.databases import named, postgres_url
from tests.factories import PASSWORD, make_api, make_member
from tests.worker import work_off

TOTP_KEY = "JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP"


def dump() -> bytes:
    """All that is stored, as a backup would have it."""
    name = str(connection.settings_dict["NAME"])
    if postgres := postgres_url():
        command = ["pg_dump", "--inserts", named(postgres, name)]
        return subprocess.run(command, check=True, capture_output=True).stdout
    written = [path for path in Path(name).parent.glob(f"{Path(name).name}*") if path.is_file()]
    return b"".join(path.read_bytes() for path in written)


def make_every_secret(tenant: Tenant, sandbox: SandboxServer) -> dict[str, str]:
    """One of each kind, by what it is."""
    alex = make_member(tenant, email="alex@example.com")
    connected = connect(tenant, sandbox, "connectwise")
    typed = {"private_key": "canary-5f3c1a77-candidate"}
    update_integration(integration=connected, actor=alex, credentials=typed)
    waiting = Integration.objects.get()
    assert waiting.candidate is not None  # its test is not carried out
    TOTP.activate(alex, TOTP_KEY)
    kept = RecoveryCodes.activate(alex).instance.data["seed"]
    _, token = create_api_token(tenant=tenant, user=alex, scopes=["read"])
    return {
        "keys in use": "demo-private",
        "keys that are being tested": typed["private_key"],
        "key of an app": TOTP_KEY,
        "seed of recovery codes": get_adapter().decrypt(kept),
        "token": token,
        "password": PASSWORD,
    }


def test_a_dump_holds_no_secret_in_any_form(
    transactional_db: None, tenant: Tenant, sandbox: SandboxServer
) -> None:
    secrets = make_every_secret(tenant, sandbox)

    stored = dump()

    assert b"alex@example.com" in stored  # it is the database, and what was just written is there
    assert [what for what, secret in secrets.items() if secret.encode() in stored] == []


def test_a_request_that_is_remembered_tells_nothing_of_its_keys(
    transactional_db: None, tenant: Tenant
) -> None:
    """Also to who guesses: without SECRET_KEY no guess can be tried."""
    body = {
        "psa": "connectwise",
        "credentials": {
            "server_url": "https://na.myconnectwise.net",
            "company_id": "acme",
            "public_key": "aaaaaaaaaaaaaaaa",
            "private_key": "canary-77aa0e51-key",
        },
    }
    url = f"{V1}/integrations/"

    answer = make_api(tenant).post(url, body, format="json", HTTP_IDEMPOTENCY_KEY="k")

    assert answer.status_code == 201
    kept = IdempotentRequest.objects.get()
    stored, guess = dump(), "\n".join(["POST", url, json.dumps(body, sort_keys=True)])
    assert kept.request_hash.encode() in stored
    assert hashlib.sha256(guess.encode()).hexdigest().encode() not in stored
    assert b"canary-77aa0e51-key" not in stored


def test_after_a_disconnect_not_even_the_ciphertext_is_there(
    tenant: Tenant, sandbox: SandboxServer
) -> None:
    make_every_secret(tenant, sandbox)

    disconnect_integration(integration=Integration.objects.get(), actor=None)
    work_off()

    integration = Integration.objects.get()
    assert set(integration.credentials) == {"server_url", "company_id", "public_key"}
    assert (integration.candidate, integration.secrets_saved, integration.memory) == (None, {}, {})
    assert "v1.test." not in str(Integration.objects.values().get())
