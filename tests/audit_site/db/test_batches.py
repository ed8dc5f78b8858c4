from __future__ import annotations

import pytest

from audit_site.db.batches import values_in_order
from audit_site.tenants.models import Tenant
from companies.models import Company
from tests.factories import make_company
from tests.queries import queries


@pytest.mark.parametrize(("number", "asked"), [(0, 1), (1, 1), (3, 2), (6, 3), (7, 3)])
def test_values_come_once_and_in_order_few_at_a_time(
    tenant: Tenant, number: int, asked: int
) -> None:
    names = [f"Client {at}" for at in range(number)]
    for name in reversed(names):
        make_company(tenant, name=name)
    found: list[str] = []

    cost = queries(lambda: found.extend(values_in_order(Company.objects.all(), "name", 3)))

    assert (found, cost) == (names, asked)
