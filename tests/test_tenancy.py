"""Every route of the URLconf, asked with another tenant's ids: 404, and nothing changed."""

from __future__ import annotations

from typing import Any

import pytest
from django.apps import apps
from django.test import Client

from audit_site.tenants.models import Tenant, TenantOwned, User
from tests.clients import api_of
from tests.every_kind import Ids, address, ids_of_every_kind, routes
from tests.factories import make_member, make_tenant

pytestmark = pytest.mark.once

METHODS = ("get", "post", "patch", "put", "delete")
#: Pages for strangers, which a link of an e-mail opens.
FOR_STRANGERS = ("account/invitation",)
#: Routes of libraries, and what is no address: they know no rows of ours.
NOT_OURS = ("accounts/", "api/v1/schema", "api/v1/docs", "api(/|$)")


OURS = [r for r in routes() if "<" in r and not r.startswith(NOT_OURS)]


def snapshot() -> dict[str, list[str]]:
    return {
        model.__name__: sorted(str(sorted(map(_comparable, row.items()), key=str)) for row in rows)
        for model in apps.get_models()
        if issubclass(model, TenantOwned) and model.__name__ not in {"ApiToken", "Membership"}
        for rows in [model.objects.values()]
    }


def _comparable(item: tuple[str, Any]) -> tuple[str, Any]:
    """A column with its value; what PostgreSQL gives as a view of bytes as those bytes."""
    name, value = item
    return name, bytes(value) if isinstance(value, memoryview) else value


@pytest.fixture(scope="module")
def foreign(rows_for_all: None) -> Ids:
    """Ids of another tenant's rows, for each kind of route."""
    return ids_of_every_kind(make_tenant(company_limit=100))


def test_the_walk_finds_the_routes() -> None:
    assert "api/v1/companies/<pk>/mrr/" in OURS
    assert "integrations/<pk>/companies/" in OURS
    assert len(OURS) == 128


@pytest.mark.parametrize("route", OURS)
def test_another_tenants_ids_are_404_and_nothing_changes(
    alex: User, route: str, tenant: Tenant, foreign: Ids
) -> None:
    if route.startswith("api/"):
        client: Any = api_of(alex)
    else:
        client = Client()
        client.force_login(make_member(tenant))
    before = snapshot()

    answers = {method: getattr(client, method)(address(route, foreign)) for method in METHODS}

    assert {a.status_code for a in answers.values()} <= {404, 405}
    assert 404 in {a.status_code for a in answers.values()}
    assert snapshot() == before


@pytest.mark.parametrize(
    "route",
    [r for r in routes() if not r.startswith((*NOT_OURS, *FOR_STRANGERS, "healthz", "readyz"))],
)
def test_nobody_sees_anything_without_signing_in(
    db: None, route: str, client: Client, foreign: Ids
) -> None:
    target = address(route, foreign) if "<" in route else f"/{route}"

    answer = client.get(target)

    if route.startswith("api/"):
        assert answer.status_code in {401, 405}
    else:
        assert answer.status_code in {302, 405}
        assert answer.status_code == 405 or answer["Location"].startswith("/accounts/login/")
