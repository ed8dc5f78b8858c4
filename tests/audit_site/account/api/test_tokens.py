"""REST: tokens are made by whom they act for, never do more, and end at once."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone
from django.utils.dateparse import parse_datetime
from rest_framework.test import APIClient

from audit_site.api.models import IdempotentRequest
from audit_site.tenants.models import ApiToken, AuditEvent, Membership, Tenant, User
from audit_site.tenants.tokens import create_api_token, hash_token
from tests.clients import V1, api_of, browser, problem
from tests.factories import make_api, make_member
from tests.queries import queries

TOKENS = f"{V1}/tokens/"
BODY = {"name": "Nightly import", "scopes": ["read", "write"]}


def with_token(plain: str) -> APIClient:
    api = APIClient()
    api.credentials(HTTP_AUTHORIZATION=f"Bearer {plain}")
    return api


def post(client: Client, body: Any, **more: Any) -> Any:
    return client.post(TOKENS, body, content_type="application/json", **more)


def test_a_token_is_made_shown_once_and_works(alex: User) -> None:
    ends = (timezone.now() + timedelta(days=30)).isoformat()

    answer = post(browser(alex), {**BODY, "scopes": ["write", "read"], "expires_at": ends})

    body, row = answer.json(), ApiToken.objects.get()
    plain = body.pop("token")
    assert answer.status_code == 201
    assert row.token_hash == hash_token(plain)
    assert body == {
        "id": str(row.pk),
        "name": "Nightly import",
        "user": {"id": str(alex.pk), "email": "alex@example.com", "name": "Alex Admin"},
        "role": "admin",
        "scopes": ["read", "write"],
        "prefix": plain[:12],
        "created_at": body["created_at"],
        "expires_at": body["expires_at"],
        "last_used_at": None,
        "last_used_ip": None,
        "can": ["delete"],
    }
    assert parse_datetime(body["expires_at"]) == parse_datetime(ends)
    assert with_token(plain).get(f"{V1}/me/").json()["scopes"] == ["read", "write"]
    (shown,) = browser(alex).get(TOKENS).json()["results"]
    assert shown["last_used_ip"] == "127.0.0.1"
    assert {**shown, "last_used_at": None, "last_used_ip": None} == body
    assert plain not in str(AuditEvent.objects.values_list())


@pytest.mark.parametrize(
    ("role", "scopes", "status"),
    [
        ("viewer", ["read"], 201),
        ("viewer", ["write"], 400),
        ("member", ["read", "write"], 201),
        ("member", ["read", "admin"], 400),
        ("admin", ["read", "write", "admin"], 201),
    ],
)
def test_it_never_does_more_than_its_maker(
    tenant: Tenant, role: str, scopes: list[str], status: int
) -> None:
    answer = post(browser(make_member(tenant, role)), {**BODY, "scopes": scopes})

    assert answer.status_code == status
    if status == 400:
        assert problem(answer) == (400, "scope_too_wide")
        assert answer.json()["errors"][0]["field"] == "scopes"
        assert not ApiToken.objects.exists()


@pytest.mark.parametrize(
    ("own", "wanted", "expected"),
    [
        (["read", "write"], ["read", "write"], (201, "")),
        (["read", "write"], ["admin"], (400, "scope_too_wide")),
        (["read"], ["read"], (403, "insufficient_scope")),
    ],
)
def test_with_a_token_it_never_does_more_than_that_one(
    tenant: Tenant, own: list[str], wanted: list[str], expected: tuple[int, str]
) -> None:
    answer = make_api(tenant, "admin", own).post(TOKENS, {**BODY, "scopes": wanted})

    assert (answer.status_code, answer.json().get("code", "")) == expected


def test_with_a_token_that_ends_it_lives_no_longer(alex: User, tenant: Tenant) -> None:
    ends = timezone.now() + timedelta(days=3)
    _, plain = create_api_token(tenant=tenant, user=alex, scopes=["read", "write"], expires_at=ends)
    api = with_token(plain)

    later = api.post(TOKENS, {**BODY, "expires_at": ends + timedelta(seconds=1)})
    made = [api.post(TOKENS, BODY), api.post(TOKENS, {**BODY, "expires_at": ends})]

    assert problem(later) == (400, "invalid")
    assert later.json()["errors"][0]["field"] == "expires_at"
    shown = ends.isoformat().replace("+00:00", "Z")
    assert [answer.json()["expires_at"] for answer in made] == [shown, shown]


def test_when_the_role_shrinks_the_token_does_less(alex: User) -> None:
    plain = post(browser(alex), {**BODY, "scopes": ["read", "write", "admin"]}).json()["token"]

    Membership.objects.update(role="viewer")

    (shown,) = browser(alex).get(TOKENS).json()["results"]
    assert (shown["role"], shown["scopes"]) == ("viewer", ["read"])
    answer = with_token(plain).post(f"{V1}/companies/", {})
    assert problem(answer) == (403, "member_required")


@pytest.mark.parametrize(
    ("body", "field", "code"),
    [
        ({"scopes": ["read"]}, "name", "required"),
        ({"name": " ", "scopes": ["read"]}, "name", "blank"),
        ({"name": "x" * 101, "scopes": ["read"]}, "name", "max_length"),
        ({"name": "x"}, "scopes", "required"),
        ({"name": "x", "scopes": []}, "scopes", "empty"),
        ({"name": "x", "scopes": ["root"]}, "scopes.0", "invalid_choice"),
        ({**BODY, "expires_at": "2020-01-01T00:00:00Z"}, "expires_at", "invalid"),
        ({**BODY, "expires_at": "soon"}, "expires_at", "invalid"),
        ({**BODY, "user": "me"}, "user", "unknown_field"),
    ],
)
def test_what_can_not_be_made_is_said_field_by_field(
    alex: User, body: Any, field: str, code: str
) -> None:
    answer = post(browser(alex), body)

    assert problem(answer) == (400, code)
    assert [error["field"] for error in answer.json()["errors"]] == [field]
    assert not ApiToken.objects.exists()


def test_sent_again_with_its_key_it_is_made_once_and_not_shown_again(alex: User) -> None:
    client = browser(alex)

    first = post(client, BODY, HTTP_IDEMPOTENCY_KEY="k")
    again = post(client, BODY, HTTP_IDEMPOTENCY_KEY="k")

    plain = first.json()["token"]
    assert (first.status_code, again.status_code, again["Idempotent-Replay"]) == (201, 201, "true")
    assert again.json() == {**first.json(), "token": None}
    assert ApiToken.objects.count() == 1
    assert plain.startswith("audit_")
    assert plain not in str(IdempotentRequest.objects.values_list())


def test_everybody_sees_their_own_and_admins_all(alex: User, mia: User, otto: User) -> None:
    for person in (alex, mia, otto):
        assert post(browser(person), {**BODY, "name": person.name}).status_code == 201

    def names(api: Any) -> list[str]:
        return [row["name"] for row in api.get(TOKENS).json()["results"]]

    assert names(browser(mia)) == ["Mia Member"]
    assert names(browser(alex)) == ["Mia Member", "Alex Admin"]
    reader = make_api(Membership.objects.get(user=alex).tenant, "admin", ["read"])
    assert names(reader) == [""]  # a token without the scope sees its owner's


def test_revoking_ends_it_at_the_next_request(alex: User, mia: User) -> None:
    plain = post(browser(mia), BODY).json()["token"]
    token = ApiToken.objects.get()

    assert with_token(plain).get(f"{V1}/me/").status_code == 200
    assert browser(alex).delete(f"{TOKENS}{token.pk}/").status_code == 204

    assert problem(with_token(plain).get(f"{V1}/me/")) == (401, "token_revoked")
    assert problem(browser(alex).delete(f"{TOKENS}{token.pk}/")) == (404, "not_found")
    event = AuditEvent.objects.get(action="token.revoked")
    assert (event.actor_id, event.object_name) == (str(alex.pk), "Nightly import")
    assert event.before == {
        "prefix": plain[:12],
        "owner": str(mia.pk),
        "scopes": ["read", "write"],
        "expires_at": None,
    }


def test_what_is_another_persons_is_not_there(alex: User, mia: User, otto: User) -> None:
    post(browser(alex), BODY)
    address = f"{TOKENS}{ApiToken.objects.get().pk}/"

    for person in (mia, otto):
        for method in ("get", "delete"):
            assert problem(getattr(browser(person), method)(address)) == (404, "not_found")
    assert ApiToken.objects.get().revoked_at is None


def test_a_token_revokes_itself(mia: User) -> None:
    api = api_of(mia)

    assert api.delete(f"{TOKENS}{ApiToken.objects.get().pk}/").status_code == 204
    assert problem(api.get(f"{V1}/me/")) == (401, "token_revoked")


def test_a_list_costs_the_same_however_long(alex: User, tenant: Tenant) -> None:
    client = browser(alex)
    post(client, BODY)
    few = queries(lambda: client.get(TOKENS))
    for _ in range(5):
        create_api_token(tenant=tenant, user=make_member(tenant), scopes=["read"])

    assert queries(lambda: client.get(TOKENS)) == few
    assert len(client.get(TOKENS).json()["results"]) == 6
