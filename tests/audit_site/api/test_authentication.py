"""Tokens, roles, scopes and sessions: who may ask for what over REST."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest
from django.core.cache import cache
from django.test import Client, RequestFactory
from django.utils import timezone
from rest_framework.exceptions import AuthenticationFailed
from rest_framework.request import Request
from rest_framework.test import APIClient

from audit_site.api.authentication import BearerAuthentication
from audit_site.errors import DomainError
from audit_site.tenants import wrong_tokens
from audit_site.tenants.models import ApiToken, Membership, Tenant, User
from tests.clients import V1, api_of, problem
from tests.factories import make_api

MEMORY = {"default": {"BACKEND": "django.core.cache.backends.locmem.LocMemCache"}}


def test_without_credentials_it_is_401_with_a_challenge(db: None) -> None:
    answer = APIClient().get(f"{V1}/me/")

    assert problem(answer) == (401, "not_authenticated")
    assert answer["WWW-Authenticate"].startswith("Bearer")


@pytest.mark.parametrize(
    ("end", "code"),
    [
        ("revoked", "token_revoked"),
        ("expired", "token_expired"),
        ("inactive", "authentication_failed"),
        ("left", "authentication_failed"),
        ("wrong", "authentication_failed"),
    ],
)
def test_a_token_that_ended_is_401_at_the_next_request(api: APIClient, end: str, code: str) -> None:
    assert api.get(f"{V1}/me/").status_code == 200

    if end == "revoked":
        ApiToken.objects.update(revoked_at=timezone.now())
    elif end == "expired":
        ApiToken.objects.update(expires_at=timezone.now())
    elif end == "inactive":
        api.user.is_active = False
        api.user.save()
    elif end == "left":
        Membership.objects.all().delete()
    else:
        api.credentials(HTTP_AUTHORIZATION=f"Bearer audit_{'n' * 43}")

    assert problem(api.get(f"{V1}/me/")) == (401, code)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "audit_",
        "audit_nothing",
        "x" * 49,
        "x" * 100_000,
        f"audit_{'n' * 44}",
        f"audit_{'n' * 42}é",
        f"AUDIT_{'n' * 43}",
    ],
)
def test_what_does_not_look_like_a_token_is_asked_of_nobody(
    settings: Any, django_assert_num_queries: Any, db: None, text: str
) -> None:
    settings.CACHES = MEMORY

    with django_assert_num_queries(0):
        answer = APIClient().get(f"{V1}/me/", HTTP_AUTHORIZATION=f"Bearer {text}")

    assert problem(answer) == (401, "authentication_failed")


def test_ten_thousand_wrong_tokens_lock_nobody_out(
    settings: Any, django_assert_num_queries: Any, alex: User, mia: User, time_machine: Any
) -> None:
    settings.CACHES = MEMORY
    time_machine.move_to("2026-11-25 12:00:10Z", tick=False)
    used, unused = api_of(alex), api_of(mia)
    assert used.get(f"{V1}/me/").status_code == 200
    wrong_tokens.remember_right(ApiToken.objects.get(user=mia).token_hash)  # after the commit

    answers = Counter(ask_with(f"audit_{number:043}") for number in range(10_000))
    with django_assert_num_queries(0):
        refused = APIClient().get(f"{V1}/me/", HTTP_AUTHORIZATION=f"Bearer audit_{'n' * 43}")
    garbage = APIClient().get(f"{V1}/me/", HTTP_AUTHORIZATION="Bearer hello")
    elsewhere = APIClient().get(
        f"{V1}/me/", HTTP_AUTHORIZATION=f"Bearer audit_{'n' * 43}", REMOTE_ADDR="198.51.100.7"
    )

    assert answers == {"authentication_failed": 30, "too_many_requests": 9970}
    assert problem(refused) == problem(garbage) == (429, "too_many_requests")
    assert refused["Retry-After"] == "50"
    assert problem(elsewhere) == (401, "authentication_failed")
    for api in (used, unused):
        assert api.get(f"{V1}/me/").status_code == 200
    time_machine.move_to("2026-11-25 12:01:00Z", tick=False)
    assert ask_with(f"audit_{'n' * 43}") == "authentication_failed"


def test_a_token_in_use_is_always_remembered(
    settings: Any, mia: User, time_machine: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also by a process that was not asked before, once the cache had to begin again."""
    settings.CACHES = MEMORY
    time_machine.move_to("2026-11-25 12:00:10Z", tick=False)
    api = api_of(mia)
    ApiToken.objects.update(last_used_at=timezone.now())  # a moment ago, as it always is
    for moment in ("2026-11-25 12:00:20Z", "2026-12-24 12:00:20Z", "2027-01-22 12:00:10Z"):
        time_machine.move_to(moment, tick=False)
        assert api.get(f"{V1}/me/").status_code == 200

    for is_new_process in (False, True):
        if is_new_process:
            monkeypatch.setattr(wrong_tokens, "_seen_right", {})
        else:
            cache.clear()
        for number in range(40):
            ask_with(f"audit_{number:043}")
        assert api.get(f"{V1}/me/").status_code == 200
        time_machine.move_to("2027-01-22 12:01:10Z", tick=False)
        assert api.get(f"{V1}/me/").status_code == 200


def test_a_process_looks_once_a_minute_whether_the_cache_knows_a_token(
    settings: Any, mia: User, time_machine: Any, django_assert_num_queries: Any
) -> None:
    settings.CACHES = {
        "default": {
            "BACKEND": "django.core.cache.backends.db.DatabaseCache",
            "LOCATION": "shared_cache",
        }
    }
    time_machine.move_to("2026-11-25 12:00:10Z", tick=False)
    wrong_tokens.remember_right("a" * 64)

    with django_assert_num_queries(0):
        wrong_tokens.remember_right("a" * 64)
    time_machine.move_to("2026-11-25 12:01:10Z", tick=False)
    with django_assert_num_queries(1):
        wrong_tokens.remember_right("a" * 64)


def ask_with(plain: str) -> str:
    """The code of the refusal of a token, by the part of a request that decides it."""
    request = Request(RequestFactory().get("/", HTTP_AUTHORIZATION=f"Bearer {plain}"))
    try:
        BearerAuthentication().authenticate(request)
    except AuthenticationFailed as refusal:
        return str(refusal.get_codes())
    except DomainError as refusal:
        return refusal.code
    return ""


def test_addresses_of_one_ipv6_network_count_together(settings: Any, db: None) -> None:
    settings.CACHES, settings.LIMIT_WRONG_TOKENS = MEMORY, 3

    codes = [
        problem(
            APIClient().get(
                f"{V1}/me/", HTTP_AUTHORIZATION="Bearer x", REMOTE_ADDR=f"2001:db8::{number}"
            )
        )[0]
        for number in range(1, 5)
    ]

    assert codes == [401, 401, 401, 429]


def test_without_the_cache_tokens_are_looked_up_all_the_same(settings: Any, alex: User) -> None:
    api = api_of(alex)
    redis = "django.core.cache.backends.redis.RedisCache"
    settings.CACHES = {"default": {"BACKEND": redis, "LOCATION": "redis://127.0.0.1:1"}}

    wrong = APIClient().get(f"{V1}/me/", HTTP_AUTHORIZATION=f"Bearer audit_{'n' * 43}")

    assert problem(wrong) == (401, "authentication_failed")
    assert api.get(f"{V1}/me/").status_code == 200


def test_a_tokens_use_is_noted_at_most_once_a_minute(
    api: APIClient, django_assert_num_queries: Any
) -> None:
    api.get(f"{V1}/psas/")
    first = ApiToken.objects.get().last_used_at

    api.get(f"{V1}/psas/")

    assert first is not None
    assert ApiToken.objects.get().last_used_ip == "127.0.0.1"
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
