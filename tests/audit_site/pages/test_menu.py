"""Each page lights its own entry of the menu."""

from __future__ import annotations

import re

import pytest
from django.test import Client

from audit_site.tenants.models import Tenant
from integrations.models import SyncRun
from tests.factories import (
    make_agreement,
    make_company,
    make_integration,
    make_issue,
    make_link,
    make_member,
)

LIT = re.compile(r'<a class="nav-link"\s+href="([^"]*)"\s+aria-current="page"')
HOME, COMPANIES, MRR, INTEGRATIONS = "/", "/companies/", "/mrr/", "/integrations/"
ACTIVITY, ISSUES = "/activity/", "/issues/"
IMPORT, PEOPLE, SETTINGS = "/import/", "/account/people/", "/account/settings/"


@pytest.fixture
def addresses(tenant: Tenant) -> dict[str, str]:
    """Where there is something to look at, by what it is."""
    integration, company = make_integration(tenant), make_company(tenant)
    make_link(company, integration)
    run = SyncRun.objects.create(tenant=tenant, integration=integration)
    issue = make_issue(integration, kind="integration", external_id="", code="too_many_gone")
    return {
        "person": f"/account/people/{make_member(tenant).pk}/",
        "company": f"/companies/{company.pk}/",
        "unlinked": f"/companies/{make_company(tenant).pk}/",
        "agreement": f"/agreements/{make_agreement(company, integration).pk}/",
        "integration": f"/integrations/{integration.pk}/",
        "issue": f"/issues/{issue.pk}/",
        "run": f"/sync-runs/{run.pk}/",
    }


@pytest.mark.parametrize(
    ("page", "entry"),
    [
        ("/", HOME),
        ("/companies/", COMPANIES),
        ("/companies/add/", COMPANIES),
        ("{company}", COMPANIES),
        ("{company}edit/", COMPANIES),
        ("{company}archive/", COMPANIES),
        ("{company}unlink/", COMPANIES),
        ("{unlinked}link/", COMPANIES),
        ("{company}mrr/", COMPANIES),
        ("{company}contacts/", COMPANIES),
        ("{company}psa/", COMPANIES),
        ("{agreement}decide/", COMPANIES),
        ("/mrr/", MRR),
        ("/account/people/", PEOPLE),
        ("{person}", PEOPLE),
        ("{person}remove/", PEOPLE),
        ("/account/settings/", SETTINGS),
        ("/integrations/", INTEGRATIONS),
        ("/integrations/connect/connectwise/", INTEGRATIONS),
        ("{integration}", "{integration}"),
        ("/import/", IMPORT),
        ("/import/batches/", IMPORT),
        ("{integration}companies/missing/", IMPORT),
        ("{integration}disconnect/", "{integration}"),
        ("{integration}issues/", ISSUES),
        ("{issue}gone/", ISSUES),
        ("/activity/", ACTIVITY),
        ("/sync-runs/", ACTIVITY),
        ("{run}", ACTIVITY),
    ],
)
def test_a_page_lights_its_own_entry(
    tenant: Tenant, addresses: dict[str, str], page: str, entry: str
) -> None:
    client = Client()
    client.force_login(make_member(tenant))

    answer = client.get(page.format(**addresses))

    assert answer.status_code == 200
    assert LIT.findall(answer.content.decode()) == [entry.format(**addresses)]
