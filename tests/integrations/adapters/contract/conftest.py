from __future__ import annotations

import logging
from collections.abc import Iterator
from typing import Any

import pytest

from integrations.psa import registry
from integrations.sandbox.server import SandboxServer
from tests.conftest import TODAY
from tests.integrations.adapters.contract.adapters import (
    COMPANIES,
    Adapters,
)


@pytest.fixture(scope="session")
def server() -> Iterator[SandboxServer]:
    with SandboxServer(seed=3, companies=COMPANIES, today=TODAY) as running:
        yield running


@pytest.fixture(params=sorted(registry.adapters()))
def psa(request: Any, server: SandboxServer) -> Iterator[str]:
    yield request.param
    server.faults.clear()
    server.forget_requests()  # an hour has so many calls, and all tests share the server


@pytest.fixture
def make(server: SandboxServer, psa: str, caplog: Any) -> Iterator[Adapters]:
    adapters = Adapters(server, psa)
    with caplog.at_level(logging.DEBUG):
        yield adapters
    for http in adapters.http:
        http.close()
    for secret in adapters.secrets:
        assert secret not in caplog.text + "".join(adapters.said)
