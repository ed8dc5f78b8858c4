"""Keys are rotated while workers sync, and the rotation is killed in the middle."""

from __future__ import annotations

import base64
import subprocess
import sys
import time
from contextlib import suppress
from typing import Any

import pytest

from tests.databases import ROOT
from tests.processes.installation import Installation, wait_for

pytestmark = [pytest.mark.processes, pytest.mark.once, pytest.mark.timeout(300)]

NEW = "new:" + base64.b64encode(b"n" * 32).decode()
#: So many connections without a PSA are there beside the one that is read.
OTHERS = 2000
#: Makes them in the installation's own database, under the key that is the newest at that moment.
MAKE = f"""
import django; django.setup()
from audit_site.db import walls
from audit_site.tenants.models import Tenant
from integrations.connecting.credentials import seal_credentials
from integrations.models import Integration
with walls.as_system("command"):
    tenant = Tenant.objects.get()
walls.enter(walls.Asker(tenant=tenant.pk))
rows = []
for number in range({OTHERS}):
    keys = {{"server_url": "https://psa.example", "company_id": str(number), "public_key": "a"}}
    row = Integration(tenant=tenant, psa="connectwise", name=str(number),
        account_key=str(number), status="untested", credentials=keys)
    keys["private_key"] = f"secret of {{number}}"
    row.credentials = seal_credentials(row, keys, row.psa_info)
    rows.append(row)
Integration.objects.bulk_create(rows, batch_size=500)
"""
#: Opens them all with the newest key alone.
OPEN = """
import django; django.setup()
from audit_site.db import walls
from audit_site.tenants.models import Tenant
from integrations.connecting.credentials import open_credentials
from integrations.models import Integration
with walls.as_system("command"):
    tenant = Tenant.objects.get()
walls.enter(walls.Asker(tenant=tenant.pk))
for row in Integration.objects.filter(status="untested"):
    assert open_credentials(row, row.credentials)["private_key"] == f"secret of {row.name}"
print("all open")
"""


def python(installation: Installation, script: str, **env: str) -> str:
    made = {**installation.env, "DJANGO_SETTINGS_MODULE": "audit_site.settings", **env}
    done = subprocess.run(
        [sys.executable, "-c", script],
        cwd=ROOT,
        env=made,
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout


def killed_in_the_middle(installation: Installation) -> int:
    """Begin a rotation, and kill it after its second batch; how many it says that it has done."""
    rotation = subprocess.Popen(
        [sys.executable, "manage.py", "rotate_credentials"],
        cwd=ROOT,
        env=installation.env,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert rotation.stdout is not None
    with suppress(StopIteration):
        next(rotation.stdout)
        line = next(rotation.stdout)
    rotation.kill()
    rotation.wait()
    return int(line.split(": ")[1].split()[0])


def test_no_sync_fails_while_keys_are_rotated_and_a_killed_rotation_goes_on(
    installation: Installation,
) -> None:
    installation.start_ready_worker()
    integration = installation.connect()
    python(installation, MAKE)
    installation.end()
    installation.env["CREDENTIAL_KEYS"] = f"{NEW},{installation.env['CREDENTIAL_KEYS']}"
    installation.start_web()
    installation.start_ready_worker()
    installation.sandbox.faults.switch_on("latency", ms=30)

    runs = [start(installation, integration)]
    done = killed_in_the_middle(installation)
    runs.append(start(installation, integration))
    said = installation.manage("rotate_credentials")
    runs.append(start(installation, integration))

    assert 0 < done < OTHERS
    assert f"Key “new”, the newest, protects {OTHERS + 1} secrets." in said
    assert "Key “test” protects nothing any more." in said
    states = {run: finished(installation, run)["state"] for run in runs}
    assert set(states.values()) == {"succeeded"}
    assert python(installation, OPEN, CREDENTIAL_KEYS=NEW) == "all open\n"


def start(installation: Installation, integration: str) -> str:
    run: str = installation.api("POST", f"/integrations/{integration}/sync/")["id"]
    time.sleep(0.3)
    return run


def finished(installation: Installation, run: str) -> Any:
    return wait_for(
        lambda: (found := installation.api("GET", f"/sync-runs/{run}/"))["finished_at"] and found
    )
