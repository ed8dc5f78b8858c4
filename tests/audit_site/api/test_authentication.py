"""Tokens, roles, scopes and sessions: who may ask for what over REST."""

from __future__ import annotations

from typing import Any

import pytest
from django.test import Client
from django.utils import timezone
from rest_framework.test import APIClient

from audit_site.tenants.models import ApiToken, Membership, Tenant, User
from tests.clients import V1, problem
from tests.factories import make_api


def test_without_credentials_it_is_401_with_a_challenge(db: None) -> None:
    answer = APIClient().get(f"{V1}/me/")

    assert problem(answer) == (401, "not_authenticated")
    assert answer["WWW-Authenticate"].startswith("Bearer")


@pytest.mark.parametrize("end", ["revoked", "inactive", "left", "wrong"])
def test_a_token_that_ended_is_401(api: APIClient, end: str) -> None:
    if end == "revoked":
        ApiToken.objects.update(revoked_at=timezone.now())
    elif end == "inactive":
        api.user.is_active = False
        api.user.save()
    elif end == "left":
        Membership.objects.all().delete()
    else:
        api.credentials(HTTP_AUTHORIZATION="Bearer audit_nothing")

    assert problem(api.get(f"{V1}/me/")) == (401, "authentication_failed")


def test_a_tokens_use_is_noted_at_most_once_a_minute(
    api: APIClient, django_assert_num_queries: Any
) -> None:
    api.get(f"{V1}/psas/")
    first = ApiToken.objects.get().last_used_at

    api.get(f"{V1}/psas/")

    assert first is not None
    assert ApiToken.objects.get().last_used_at == first


@pytest.mark.parametrize(
    ("role", "scopes", "method", "path", "code"),
    [
        ("viewer", None, "post", "/companies/", "member_required"),
        ("viewer", None, "post", "/integrations/", "admin_required"),
        ("member", None, "post", "/integrations/", "admin_required"),
        ("admin", ["read"], "post", "/integrations/", "insufficient_scope"),
        ("admin", ["read", "write"], "post", "/integrations/", "insufficient_scope"),
        ("admin", ["read"], "post", "/companies/", "insufficient_scope"),
        ("admin", ["write"], "get", "/companies/", "insufficient_scope"),
    ],
)
def test_a_role_or_scope_that_does_not_suffice_is_403(
    tenant: Tenant, role: str, scopes: Any, method: str, path: str, code: str
) -> None:
    api = make_api(tenant, role, scopes)

    assert problem(getattr(api, method)(V1 + path, {})) == (403, code)


def test_the_browsers_session_works_and_its_writes_need_the_csrf_token(alex: User) -> None:
    browser = Client(enforce_csrf_checks=True)
    browser.force_login(alex)

    assert browser.get(f"{V1}/me/").json()["role"] == "admin"
    refused = browser.post(f"{V1}/companies/", "{}", content_type="application/json")
    assert problem(refused) == (403, "permission_denied")
