"""`manage.py doctor` beside the processes that it looks at."""

from __future__ import annotations

import pytest

from tests.processes.installation import Installation, wait_for

pytestmark = [pytest.mark.processes, pytest.mark.once, pytest.mark.timeout(240)]


def test_an_installation_that_is_well(installation: Installation) -> None:
    if installation.env["CELERY_BROKER_URL"]:  # folders can't ask a worker for a sign of life
        forget = "from django.core.cache import cache; cache.delete('worker_heartbeat')"
        installation.manage("shell", "-c", forget)  # that of another test
        bare = installation.start_worker("bare", "-c", "1")
        wait_for(lambda: "A worker answers" in installation.doctor()["worker"]["says"], 90)
        without_a_clock = installation.doctor()["worker"]
        assert without_a_clock["level"] == "failing"
        assert "its clock was not heard of " in without_a_clock["says"]
        installation.kill(bare)

    installation.start_ready_worker()
    installation.connect()
    found = installation.doctor()

    failing = {name for name, entry in found.items() if entry["level"] == "failing"}
    assert failing == set()
    assert {name: found[name]["says"] for name in ("worker", "keys.stored", "public_address")} == {
        "worker": "A worker and its clock are at work, and run this code.",
        "keys.stored": "1 stored secret can be opened with the newest key.",
        "public_address": f"{installation.url} leads to this product, by 0 proxies.",
    }
    assert found["broker"]["level"] == found["database.migrations"]["level"] == "ok"
