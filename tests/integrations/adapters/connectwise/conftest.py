from __future__ import annotations

from collections.abc import Iterator

import pytest
import responses

from tests.integrations.adapters.connectwise.answers import (
    INFO,
)


@pytest.fixture
def wire() -> Iterator[responses.RequestsMock]:
    with responses.RequestsMock(assert_all_requests_are_fired=False) as mock:
        mock.get(INFO, json={"CompanyName": "Acme", "Codebase": "v2025_1/", "IsCloud": "True"})
        yield mock
