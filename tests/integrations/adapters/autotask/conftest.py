from __future__ import annotations

from collections.abc import Iterator

import pytest
import responses

from tests.integrations.adapters.autotask.answers import (
    DISCOVERY,
    ZONE,
    answer,
    zone_answer,
)


@pytest.fixture
def wire() -> Iterator[responses.RequestsMock]:
    with responses.RequestsMock(assert_all_requests_are_fired=False) as mock:
        mock.get(DISCOVERY, json=zone_answer())
        mock.get(f"{ZONE}/ThresholdInformation", json={})
        for entity in ("Companies", "Contracts"):
            mock.get(f"{ZONE}/{entity}/entityInformation/fields", json={"fields": []})
        for entity in ("Services", "ServiceBundles"):
            answer(mock, entity)
        yield mock
