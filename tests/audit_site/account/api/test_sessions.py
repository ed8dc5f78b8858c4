"""REST: where the caller is signed in."""

from __future__ import annotations

from rest_framework.test import APIClient

from audit_site.tenants.models import BrowserSession, Tenant, User
from audit_site.tenants.tokens import create_api_token
from tests.clients import V1, api_of, problem
from tests.signing_in import sign_in

SESSIONS = f"{V1}/sessions/"


def with_scopes(tenant: Tenant, user: User, *scopes: str) -> APIClient:
    _, plain = create_api_token(tenant=tenant, user=user, scopes=scopes)
    client = APIClient()
    client.credentials(HTTP_AUTHORIZATION=f"Bearer {plain}")
    return client


def test_they_are_ones_own_last_seen_first(alex: User, mia: User) -> None:
    first, here = sign_in(alex), sign_in(alex)
    sign_in(mia)

    found = here.get(SESSIONS).json()["results"]

    rows = BrowserSession.objects.filter(user=alex).order_by("-last_seen_at")
    assert [one["id"] for one in found] == [row.pk for row in rows]
    assert [one["current"] for one in found] == [True, False]
    assert set(found[0]) == {"id", "device", "ip", "signed_in_at", "last_seen_at", "current", "can"}
    assert (found[0]["ip"], found[0]["can"]) == ("127.0.0.1", ["end"])
    keys = {client.cookies["sessionid"].value for client in (first, here)}
    assert not keys & {one["id"] for one in found}


def test_one_is_ended(alex: User) -> None:
    other, here = sign_in(alex), sign_in(alex)
    listed = here.get(SESSIONS).json()["results"]
    (there,) = (one["id"] for one in listed if not one["current"])

    assert here.delete(f"{SESSIONS}{there}/").status_code == 204

    assert problem(other.get(SESSIONS)) == (401, "not_authenticated")
    assert problem(here.delete(f"{SESSIONS}{there}/")) == (404, "not_found")


def test_all_but_this_are_ended(alex: User) -> None:
    other, here = sign_in(alex), sign_in(alex)

    assert here.delete(SESSIONS).status_code == 204

    assert other.get(SESSIONS).status_code == 401
    assert len(here.get(SESSIONS).json()["results"]) == 1


def test_with_a_token_none_is_this_one(alex: User) -> None:
    browser, api = sign_in(alex), api_of(alex)

    assert [one["current"] for one in api.get(SESSIONS).json()["results"]] == [False]
    assert api.delete(SESSIONS).status_code == 204
    assert browser.get(SESSIONS).status_code == 401


def test_a_viewer_ends_their_own_by_browser(vic: User) -> None:
    sign_in(vic)
    here = sign_in(vic)

    assert here.delete(SESSIONS).status_code == 204


def test_a_token_that_only_reads_ends_none(tenant: Tenant, alex: User) -> None:
    browser, api = sign_in(alex), with_scopes(tenant, alex, "read")

    assert problem(api.delete(SESSIONS)) == (403, "insufficient_scope")
    assert api.get(SESSIONS).json()["results"][0]["can"] == []
    assert browser.get(SESSIONS).status_code == 200


def test_somebody_elses_is_not_found(alex: User, otto: User) -> None:
    theirs = sign_in(otto)
    pk = BrowserSession.objects.get(user=otto).pk

    for method in ("get", "delete"):
        assert problem(getattr(api_of(alex), method)(f"{SESSIONS}{pk}/")) == (404, "not_found")
    assert theirs.get(SESSIONS).status_code == 200


def test_the_list_costs_the_same_whatever_its_length(
    alex: User, django_assert_num_queries: object
) -> None:
    here = sign_in(alex)
    with django_assert_num_queries(5):
        here.get(SESSIONS)
    for _ in range(3):
        sign_in(alex)
    with django_assert_num_queries(5):
        here.get(SESSIONS)
