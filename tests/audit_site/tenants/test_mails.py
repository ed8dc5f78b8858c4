"""Mails lead to PUBLIC_URL, whatever a request says it was sent to."""

from __future__ import annotations

import re
from typing import Any

import pytest
from django.core import mail
from django.test import Client

from audit_site.tenants.models import Tenant
from tests.factories import make_member


@pytest.fixture
def public(settings: Any) -> str:
    settings.PUBLIC_URL = "https://audit.example.com"
    settings.EMAIL_BACKEND = "django.core.mail.backends.locmem.EmailBackend"
    settings.ALLOWED_HOSTS = ["audit.example.com", "evil.example.net"]
    return "https://audit.example.com"


def ask_to_reset(email: str) -> str:
    client = Client(SERVER_NAME="evil.example.net")
    assert client.post("/accounts/password/reset/", {"email": email}).status_code == 302
    (sent,) = mail.outbox
    assert sent.subject.startswith("[audIT] ")
    return str(sent.body)


def test_a_link_that_sets_a_password_leads_to_the_public_address(
    tenant: Tenant, public: str
) -> None:
    body = ask_to_reset(make_member(tenant, "viewer").email)

    assert re.search(rf"{public}/accounts/password/reset/key/\w+-[\w-]+/", body)
    assert "evil" not in body


def test_who_is_not_known_gets_no_other_address(tenant: Tenant, public: str) -> None:
    body = ask_to_reset("nobody@example.com")

    assert public in body or "audit.example.com" in body
    assert "evil" not in body
