"""An installation with its web server running."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from integrations.sandbox.server import SandboxServer
from tests.processes.installation import Installation, signed_in


@pytest.fixture
def installation(tmp_path: Path) -> Iterator[Installation]:
    """Embedded (SQLite, folders) in the SQLite run; PostgreSQL and Redis in the PostgreSQL run."""
    postgres = os.environ.get("DATABASE_URL", "")
    redis = os.environ.get("TEST_REDIS_URL", "")
    if postgres and not redis:
        pytest.skip("needs Redis")
    broker_url = f"{redis.rsplit('/', 1)[0]}/{_redis_number()}" if postgres else ""
    with (
        SandboxServer(seed=3, companies=120) as sandbox,
        signed_in(tmp_path, sandbox, postgres=postgres, broker_url=broker_url) as made,
    ):
        made.start_web()
        yield made


def _redis_number() -> int:
    """A Redis database for each process that tests run in: workers that share one would take each
    other's messages. 0 is the one of `make run`, 15 that of tests without processes.
    """
    process = os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw")
    return 14 - int(process) % 14
