"""A company with two lines whose book is known from noon on, and what changes it."""

from __future__ import annotations

from typing import Any

import pytest

from agreements import stored_mrr
from agreements.causes import caused_by
from agreements.models import AgreementLine
from audit_site.tenants.models import Tenant
from tests.agreements.known.moments import NOON
from tests.factories import make_agreement, make_company, make_integration, make_line, make_link


@pytest.fixture
def line(tenant: Tenant, time_machine: Any) -> AgreementLine:
    """Managed Firewall at 100.00, beside Backup at 50.00; the clock stands at noon."""
    time_machine.move_to(NOON, tick=False)
    company, integration = make_company(tenant), make_integration(tenant)
    make_link(company, integration)
    agreement = make_agreement(company, integration, amount="0", name="Managed services")
    line = make_line(agreement, quantity="1", unit_price="100", description="Managed Firewall")
    make_line(agreement, quantity="2", unit_price="25", description="Backup")
    with caused_by("sync", name="ConnectWise"):
        stored_mrr.refresh(tenant, [company.pk])
    return line
