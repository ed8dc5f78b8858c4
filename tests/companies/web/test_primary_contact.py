"""Choosing the primary contact on pages, at import and later."""

from __future__ import annotations

import pytest
from django.utils import timezone
from django.utils.dateformat import format as date_text

from audit_site.tenants.models import Tenant, User
from companies.models import Contact, PrimaryChoice
from integrations.models import ImportBatch, Integration
from tests.clients import browser, page_text, text
from tests.factories import make_company, make_integration, make_psa_company, make_psa_contact


def test_make_primary_says_by_whom(mia: User, vic: User, tenant: Tenant) -> None:
    company = make_company(tenant)
    bea = Contact.objects.create(
        tenant=tenant, company=company, first_name="Bea", email="bea@example.com"
    )
    idle = Contact.objects.create(tenant=tenant, company=company, first_name="Cleo")
    client, address = browser(mia), f"/companies/{company.pk}/contacts/{bea.pk}/primary/"
    page = f"/companies/{company.pk}/contacts/"
    before = page_text(client.get(page))
    assert "Typed in here." in before
    assert address in before
    assert str(idle.pk) not in before
    assert address not in page_text(browser(vic).get(page))
    assert browser(vic).post(address).status_code == 403

    after = text(client.post(address, follow=True))

    today = date_text(timezone.localtime(timezone.now(), tenant.zone), "j M Y")
    assert "Bea is the primary contact now, until you choose again." in after
    assert f"Chosen by Mia Member on {today}." in after
    assert "Nothing changed: it was decided already." in text(client.post(address, follow=True))
    assert PrimaryChoice.objects.get().contact == bea


@pytest.fixture
def listed(tenant: Tenant) -> Integration:
    integration = make_integration(tenant)
    make_psa_company(
        integration,
        external_id="1",
        name="Acme",
        primary_contact_id="10",
        type="Lead",
        contact_count=3,
    )
    make_psa_contact(integration, "10", "1")
    make_psa_contact(integration, "11", "1", first_name="Bea")
    make_psa_contact(integration, "12", "1", first_name="Cleo", email="")
    return integration


def test_what_is_not_there_or_not_ours_is_not_found(
    mia: User, vic: User, listed: Integration, other_tenant: Tenant
) -> None:
    foreign = make_integration(other_tenant)
    make_psa_company(foreign, external_id="1")
    client = browser(mia)

    assert (
        client.get(f"/integrations/{foreign.pk}/companies/link/?external_id=1").status_code == 404
    )
    assert client.get(f"/integrations/{listed.pk}/companies/link/?external_id=9").status_code == 404
    review = f"/integrations/{listed.pk}/companies/review/"
    assert client.post(review, {"external_id": "9", "as": "new"}).status_code == 404
    assert not ImportBatch.objects.exists()
    vics = browser(vic).get(f"/integrations/{listed.pk}/companies/link/?external_id=1")
    assert vics.status_code == 403
