from __future__ import annotations

from integrations.psa.errors import CODES, IN_LISTS, KEYS, LEFT_ALONE, OUTAGES


def test_every_code_asks_for_keys_is_an_outage_or_a_missing_right() -> None:
    assert not KEYS & OUTAGES
    assert set(CODES) - KEYS - OUTAGES == {"permission_denied", "cooling_down"}


def test_a_psa_is_left_alone_after_what_passes_by_itself() -> None:
    assert {
        "dns_failure", "connection_refused", "timeout", "psa_unavailable", "rate_limited",
        "bad_response", "key_missing",
    } == LEFT_ALONE  # fmt: skip
    assert IN_LISTS - set(CODES) == {"internal_error"}
