"""One agreement whose MRR is stored."""

from __future__ import annotations

import pytest

from agreements import stored_mrr
from agreements.models import Agreement
from audit_site.tenants.models import Tenant
from integrations.models import Integration
from tests.factories import make_agreement, make_company


@pytest.fixture
def agreement(tenant: Tenant, integration: Integration) -> Agreement:
    agreement = make_agreement(make_company(tenant), integration, external_id="A1")
    stored_mrr.verify([tenant.pk], mend=True)
    return agreement
