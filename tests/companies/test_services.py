"""Writes on companies beside others that write them at the same moment."""

from __future__ import annotations

from audit_site.tenants.models import Tenant
from companies.models import Company
from companies.services import update_company
from tests.factories import make_company


def test_a_change_writes_what_was_changed_and_nothing_else(tenant: Tenant) -> None:
    company = make_company(tenant, name="Acme")
    Company.objects.update(name="Acme Ltd")  # a sync, after this one was read

    update_company(company=company, actor=None, type=Company.Type.PROSPECT)

    company.refresh_from_db()
    assert (company.name, company.type) == ("Acme Ltd", "prospect")
