"""Headers that hold for all answers."""

from __future__ import annotations

import pytest
from django.test import Client

from audit_site.tenants.models import User
from tests.clients import V1, api_of, browser


@pytest.mark.parametrize(
    "address", ["/integrations/", "/account/you/", "/nowhere/", "/", f"{V1}/me/", f"{V1}/nowhere/"]
)
def test_what_is_somebodys_is_stored_nowhere(alex: User, address: str) -> None:
    assert browser(alex).get(address)["Cache-Control"] == "no-store"


@pytest.mark.parametrize(
    "address", ["/accounts/login/", "/accounts/password/reset/", "/companies/"]
)
def test_nor_is_what_strangers_see(db: None, address: str) -> None:
    assert "no-store" in Client().get(address)["Cache-Control"]


@pytest.mark.parametrize(
    "address", [f"{V1}/me/", f"{V1}/companies/", f"{V1}/psas/", f"{V1}/sessions/"]
)
def test_bodies_of_the_api_are_stored_nowhere_and_their_etags_work(
    alex: User, address: str
) -> None:
    api = api_of(alex)
    answer = api.get(address)

    again = api.get(address, headers={"if-none-match": answer["ETag"]})

    assert answer["Cache-Control"] == "no-store"
    assert (again.status_code, again["Cache-Control"], again.content) == (304, "no-store", b"")


@pytest.mark.parametrize("address", ["/accounts/login/", "/static/theme.js", f"{V1}/errors/"])
def test_pages_may_use_little_of_a_device_and_are_shown_nowhere_else(
    db: None, address: str
) -> None:
    answer = Client().get(address)

    policy = answer["Permissions-Policy"].split(", ")
    assert "camera=()" in policy
    assert "publickey-credentials-get=(self)" in policy
    assert answer["Cross-Origin-Resource-Policy"] == "same-origin"
    assert answer["Cross-Origin-Opener-Policy"] == "same-origin"
    assert answer["X-Content-Type-Options"] == "nosniff"
    assert "Server" not in answer
