"""A tenant in Berlin with its people."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from audit_site.tenants.models import Membership, Tenant, User
from integrations.models import Integration
from tests.factories import make_integration, make_tenant
from tests.integrations.issues.outages import START


@pytest.fixture
def berlin(time_machine: Any, db: None) -> Tenant:
    time_machine.move_to(START, tick=False)
    tenant = make_tenant(name="Nordlicht IT", timezone="Europe/Berlin")
    for email, role, is_active in [
        ("grace@example.com", "admin", True),
        ("ada@example.com", "admin", True),
        ("left@example.com", "admin", False),
        ("linus@example.com", "member", True),
    ]:
        user = User.objects.create(email=email, is_active=is_active)
        Membership.objects.create(tenant=tenant, user=user, role=role)
    return tenant


@pytest.fixture
def integration(berlin: Tenant) -> Integration:
    return make_integration(
        berlin, name="ConnectWise Manage", next_sync_at=START + timedelta(minutes=30)
    )
