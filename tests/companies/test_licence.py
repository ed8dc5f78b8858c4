"""audITees made by hand: the licence, and one contact method."""

from __future__ import annotations

import pytest

from audit_site.errors import DomainError
from audit_site.tenants.models import Tenant
from companies.models import Company
from companies.services import archive_company, create_company, licence, restore_company
from tests.factories import make_company

CONTACT = {"first_name": "Ada", "email": "ada@example.com"}


def test_archiving_frees_a_licence_and_restoring_needs_one(tenant: Tenant) -> None:
    Tenant.objects.filter(pk=tenant.pk).update(company_limit=1)
    company = make_company(tenant)
    archive_company(company=company, actor=None)
    make_company(tenant)

    with pytest.raises(DomainError) as caught:
        restore_company(company=company, actor=None)

    assert caught.value.code == "licence_exceeded"
    tenant.refresh_from_db()
    assert (licence(tenant).used, licence(tenant).free) == (1, 0)


def test_a_contact_needs_one_contact_method(tenant: Tenant) -> None:
    with pytest.raises(DomainError) as caught:
        create_company(
            tenant=tenant, actor=None, name="A", primary_contact={"first_name": "Ada", "email": " "}
        )

    assert (caught.value.code, caught.value.status) == ("contact_without_method", 400)
    assert not Company.objects.exists()
