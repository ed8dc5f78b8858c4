"""Choosing the primary contact on pages, at import and later."""

from __future__ import annotations

import pytest
from django.utils import timezone
from django.utils.dateformat import format as date_text

from audit_site.tenants.models import Tenant, User
from companies.models import Company, Contact, PrimaryChoice
from integrations.importing.batches import propose, start
from integrations.models import Integration, PsaCompanyRecord
from tests.clients import browser, page_text, text
from tests.factories import make_company, make_integration, make_psa_company, make_psa_contact
from tests.worker import work_off_imports


def test_make_primary_says_by_whom(mia: User, vic: User, tenant: Tenant) -> None:
    company = make_company(tenant)
    bea = Contact.objects.create(
        tenant=tenant, company=company, first_name="Bea", email="bea@example.com"
    )
    idle = Contact.objects.create(tenant=tenant, company=company, first_name="Cleo")
    client, address = browser(mia), f"/companies/{company.pk}/contacts/{bea.pk}/primary/"
    before = page_text(client.get(f"/companies/{company.pk}/"))
    assert "Typed in here." in before
    assert address in before
    assert str(idle.pk) not in before
    assert address not in page_text(browser(vic).get(f"/companies/{company.pk}/"))
    assert browser(vic).post(address).status_code == 403

    after = text(client.post(address, follow=True))

    today = date_text(timezone.localtime(timezone.now(), tenant.zone), "j M Y")
    assert "Bea is the primary contact now, until you choose again." in after
    assert f"Chosen by Mia Member on {today}." in after
    assert "It was so already." in text(client.post(address, follow=True))
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


def test_another_one_is_chosen_at_import(mia: User, listed: Integration) -> None:
    client, address = browser(mia), f"/integrations/{listed.pk}/companies/add/"
    assert f"{address}?external_id=1" in page_text(client.get("/import/"))

    page = page_text(client.get(f"{address}?external_id=1"))
    refused = client.post(address, {"external_id": "1", "primary_contact": "12", "type": "client"})
    added = client.post(
        address, {"external_id": "1", "primary_contact": "11", "type": "client"}, follow=True
    )

    assert 'value="10" id="contact-1" checked' in page
    assert 'value="12" id="contact-3" disabled' in page
    assert '<option value="prospect" selected>' in page
    assert refused.status_code == 422
    assert "“Acme” is here now; its agreements are being read." in text(added)
    assert "Chosen by Mia Member on " in text(added)
    company = Company.objects.get()
    assert (company.type, company.primary.first_name) == ("client", "Bea")
    again = client.get(f"{address}?external_id=1")
    assert again["Location"] == f"/companies/{company.pk}/"


def test_the_preselected_one_is_nobodys_choice(mia: User, listed: Integration) -> None:
    browser(mia).post(
        f"/integrations/{listed.pk}/companies/add/",
        {"external_id": "1", "primary_contact": "10", "type": "prospect"},
    )

    assert Company.objects.get().primary.external_id == "10"
    assert PrimaryChoice.objects.count() == 0


def test_what_is_not_there_or_not_ours_is_not_found(
    mia: User, vic: User, listed: Integration, other_tenant: Tenant
) -> None:
    foreign = make_integration(other_tenant)
    make_psa_company(foreign, external_id="1")
    client = browser(mia)

    assert client.get(f"/integrations/{foreign.pk}/companies/add/?external_id=1").status_code == 404
    assert client.get(f"/integrations/{listed.pk}/companies/add/?external_id=9").status_code == 404
    assert client.post(f"/integrations/{listed.pk}/companies/add/").status_code == 404
    vics = browser(vic).get(f"/integrations/{listed.pk}/companies/add/?external_id=1")
    assert vics.status_code == 403


def test_another_one_is_chosen_in_the_review(mia: User, listed: Integration) -> None:
    records = PsaCompanyRecord.objects.of(listed)
    batch = propose(tenant=listed.tenant, rows=records, actor=mia)
    row = batch.rows.get()
    client, review = browser(mia), f"/import/batches/{batch.pk}/"
    assert "Contact and type" in page_text(client.get(review))

    asked = client.post(f"{review}review/", {"shown": row.pk, "ticked": row.pk, "choose": row.pk})
    address = asked["Location"]
    page = page_text(client.get(address))
    refused = client.post(address, {"primary_contact": "12", "type": "client"})
    back = client.post(address, {"primary_contact": "11", "type": "client"}, follow=True)

    assert address == f"/import/rows/{row.pk}/choose/"
    assert 'value="10" id="contact-1" checked' in page
    assert refused.status_code == 422
    assert '<span class="mark">Client</span>' in text(back)
    assert '<span class="mark">Contact chosen</span>' in text(back)
    assert 'value="11" id="contact-2" checked' in page_text(client.get(address))
    start(batch=batch, actor=mia)
    work_off_imports()
    company = Company.objects.get()
    assert (company.type, company.primary.first_name) == ("client", "Bea")
    assert PrimaryChoice.objects.get().chosen_by == mia
    late = client.post(address, {"primary_contact": "10", "type": "client"}, follow=True)
    assert "not to be reviewed any more" in text(late)
    row.refresh_from_db()
    assert row.primary_contact == "11"


def test_a_row_of_another_tenant_is_not_found(mia: User, other_tenant: Tenant) -> None:
    make_psa_company(make_integration(other_tenant), external_id="1")
    rows = PsaCompanyRecord.objects.for_tenant(other_tenant)
    row = propose(tenant=other_tenant, rows=rows, actor=None).rows.get()

    assert browser(mia).get(f"/import/rows/{row.pk}/choose/").status_code == 404
