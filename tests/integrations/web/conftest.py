"""Two import lists of one tenant, with companies of every kind."""

from __future__ import annotations

from typing import Any

import pytest

from audit_site.tenants.models import Tenant
from integrations.models import Integration
from tests.factories import make_company, make_integration, make_link, make_psa_company
from tests.integrations.importing.import_lists import EARLY, add

NOBODY: dict[str, Any] = {"importable": False, "rule_codes": ["no_contact"]}


@pytest.fixture
def lists(tenant: Tenant) -> list[Integration]:
    """Two connections: four companies that can be added, two hidden, one linked, one ignored."""
    first, second = make_integration(tenant, name="East"), make_integration(tenant, name="West")
    add(first, "Amber", "Cedar", type="Customer")
    add(second, "Birch", "Dune", type="Prospect")
    add(first, "Elm", **NOBODY)
    add(second, "Fir", importable=False, rule_codes=["inactive", "no_contact"], status="Old")
    linked = make_psa_company(first, name="Gorse")
    make_link(make_company(tenant, name="Ours"), first, external_id=linked.external_id)
    add(second, "Holly", ignored_at=EARLY, ignored_by_name="Mia Member")
    return [first, second]
