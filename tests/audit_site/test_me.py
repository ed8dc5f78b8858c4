"""Who asks, over REST."""

from __future__ import annotations

from audit_site.tenants.models import Tenant, User
from tests.clients import V1, api_of
from tests.factories import make_company


def test_me_shows_user_role_scopes_and_licence(mia: User, tenant: Tenant) -> None:
    api = api_of(mia)
    make_company(tenant)

    body = api.get(f"{V1}/me/").json()

    assert body == {
        "user": {"id": str(api.user.pk), "email": api.user.email, "name": "Mia Member"},
        "role": "member",
        "scopes": ["read", "write"],
        "tenant": {
            "id": str(tenant.pk),
            "name": tenant.name,
            "timezone": "UTC",
            "currency": "USD",
            "company_limit": 100,
            "companies_used": 1,
        },
    }
