"""Whose address a request comes from: TRUST_PROXY says how many proxies to believe."""

from __future__ import annotations

from typing import Any

import pytest
from django.http import HttpRequest, HttpResponse
from django.test import Client, RequestFactory

from audit_site.client_address import ClientAddressMiddleware, client_address


@pytest.mark.parametrize(
    ("forwarded", "proxies", "address"),
    [
        ("", 1, None),
        ("203.0.113.7", 0, None),
        ("203.0.113.7", 1, "203.0.113.7"),
        ("6.6.6.6, 203.0.113.7", 1, "203.0.113.7"),
        ("6.6.6.6, 203.0.113.7, 10.0.0.1", 2, "203.0.113.7"),
        ("203.0.113.7", 2, None),
        ("203.0.113.7:5123", 1, "203.0.113.7"),
        ("2001:db8::1", 1, "2001:db8::1"),
        ("[2001:db8::1]:443", 1, "2001:db8::1"),
        ("unknown", 1, None),
    ],
)
def test_the_address_is_as_many_from_the_right_as_there_are_proxies(
    forwarded: str, proxies: int, address: str | None
) -> None:
    assert client_address(forwarded, proxies) == address


def test_nobody_after_it_sees_what_the_client_typed(settings: Any) -> None:
    settings.TRUST_PROXY = 1
    seen: list[tuple[str, str | None]] = []

    def view(request: HttpRequest) -> HttpResponse:
        seen.append((request.META["REMOTE_ADDR"], request.headers.get("X-Forwarded-For")))
        return HttpResponse()

    request = RequestFactory().get("/", headers={"x-forwarded-for": "6.6.6.6, 203.0.113.7"})
    ClientAddressMiddleware(view)(request)

    assert seen == [("203.0.113.7", None)]


@pytest.mark.parametrize(("proxies", "refused"), [(1, [False, True]), (0, [True, True])])
def test_limits_of_sign_in_count_the_client(
    settings: Any, db: None, proxies: int, refused: list[bool]
) -> None:
    """Behind a proxy one client's guesses don't shut out another; without one nobody may claim so."""
    settings.TRUST_PROXY = proxies
    client = Client()

    def guess(address: str) -> bool:
        typed = {"login": "a@example.com", "password": "wrong-password"}
        answer = client.post("/accounts/login/", typed, headers={"x-forwarded-for": address})
        return answer.status_code == 429

    assert [guess("203.0.113.7") for _ in range(5)] == [False] * 5
    assert [guess("203.0.113.8"), guess("203.0.113.7")] == refused
