"""What only real processes can prove: where secrets do not go, and how workers share places."""

from __future__ import annotations

import base64
from typing import Any

import pytest

from tests.databases import postgres_url
from tests.processes.installation import Installation, mrr_of_all, truth, wait_for

pytestmark = [pytest.mark.processes, pytest.mark.timeout(300)]


def test_secrets_go_nowhere(installation: Installation) -> None:
    """Types canaries in and greps everything that this installation has written."""
    installation.start_worker()
    integration = installation.connect()
    canary = "canary-5f3c1a77"
    for fields in ({"private_key": canary}, {"public_key": "nobody", "private_key": f"{canary}-2"}):
        installation.api("PATCH", f"/integrations/{integration}/", {"credentials": fields})
        wait_for(
            lambda: (
                installation.api("GET", f"/integrations/{integration}/")["candidate"]["state"]
                == "refused"
            )
        )
    installation.sandbox.faults.switch_on("truncated_json", path="/contacts")
    failed = installation.api("POST", f"/integrations/{integration}/sync/")["id"]
    wait_for(lambda: installation.api("GET", f"/sync-runs/{failed}/")["finished_at"])

    said = [
        installation.session.get(f"{installation.url}/api/v1{path}", timeout=30).text
        for path in (
            f"/integrations/{integration}/",
            "/integrations/",
            f"/sync-runs/{failed}/",
            f"/sync-runs/{failed}/events/",
        )
    ]
    installation.end()  # nothing comes or goes any more while it is read

    secrets = [canary, "demo-private"]
    secrets += [
        base64.b64encode(f"audit-demo+{key}".encode()).decode()[:40]
        for key in ("demo:demo-private", f"demo:{canary}")
    ]
    written = [path for path in installation.var.rglob("*") if path.is_file()]
    assert {"web.log", "worker.log"} <= {path.name for path in written}
    for path in written:
        content = path.read_bytes()
        for secret in secrets:
            assert secret.encode() not in content, f"{secret} is in {path.name}"
    for secret in secrets:
        assert secret not in "".join(said)


@pytest.mark.skipif(
    not postgres_url(), reason="needs PostgreSQL and Redis: the embedded broker has one worker"
)
def test_two_workers_together_never_ask_a_fourth_question(installation: Installation) -> None:
    """Autotask answers a fourth request to one entity with 429: the workers share three places."""
    alone = installation.start_worker()
    wait_for(installation.is_ready)
    integration = installation.connect("autotask")
    installation.kill(alone)
    ids = list(truth(installation, "autotask"))
    psa: Any = installation.sandbox.psas["autotask"]
    psa.most_at_once.clear()
    installation.env["SYNCS_A_TENANT"] = "8"
    installation.sandbox.faults.switch_on("latency", ms=150)

    imports = [
        installation.api(
            "POST", "/companies/import/", {"integration": integration, "external_ids": part}
        )["sync_run"]["id"]
        for part in (ids[start::8] for start in range(8))
    ]
    installation.start_worker("first", "-B", "-c", "4", "-l", "INFO")
    installation.start_worker("second", "-n", "second@%h", "-c", "4", "-l", "INFO")

    for run in imports:
        ended = wait_for(
            lambda run=run: (
                (found := installation.api("GET", f"/sync-runs/{run}/"))["finished_at"] and found
            )
        )
        assert ended["state"] == "succeeded"
    assert max(psa.most_at_once.values()) == 3
    assert mrr_of_all(installation) == truth(installation, "autotask")
    for name in ("first", "second"):
        log = (installation.var / f"{name}.log").read_text()
        assert '"run_begins"' in log, f"the {name} worker had nothing to do"
