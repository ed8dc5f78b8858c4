"""An audITee of whose MRR every kind of row is there: flat, counted and left out."""

from __future__ import annotations

import pytest

from agreements import stored_mrr
from audit_site.tenants.models import Tenant
from companies.models import Company
from tests.factories import make_agreement, make_company, make_integration, make_line, make_link


@pytest.fixture
def company(tenant: Tenant) -> Company:
    """USD 1,300.00; its name must be harmless in a spreadsheet."""
    company = make_company(tenant, name="=HYPERLINK(evil)")
    integration = make_integration(tenant)
    make_link(company, integration)
    agreement = make_agreement(company, integration, amount="1250", name="Gold & Co")
    make_line(agreement, quantity="22", less_included="20", unit_price="25", description="Seats")
    make_line(agreement, quantity="1", unit_price="40", bill="no_charge", description="Gift")
    stored_mrr.verify([tenant.pk], mend=True)
    return company
