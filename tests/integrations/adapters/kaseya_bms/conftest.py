from __future__ import annotations

from collections.abc import Iterator

import pytest
import responses

from tests.integrations.adapters.kaseya_bms.answers import (
    API,
    LOGIN,
    good,
    tokens,
)


@pytest.fixture
def wire() -> Iterator[responses.RequestsMock]:
    with responses.RequestsMock(assert_all_requests_are_fired=False) as mock:
        mock.post(LOGIN, json=tokens())
        user = {"currencyCode": "USD", "olsonTimeZoneName": "America/New_York"}
        mock.get(f"{API}/v2/security/userinfo", json=good(user))
        yield mock
