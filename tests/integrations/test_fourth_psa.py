"""A PSA that is one adapter file and one sandbox file: everything else is there by itself."""

from __future__ import annotations

from collections.abc import Iterator
from io import StringIO

import pytest
from django.core.management import call_command
from django.test import Client

from agreements.figures import company_figure
from audit_site.tenants.models import Tenant
from companies.models import Company
from integrations.models import Integration, SyncRun
from integrations.psa import registry
from integrations.sandbox.server import SandboxServer
from tests.conftest import TODAY
from tests.factories import make_member
from tests.imaginary.tidewater import ADAPTER
from tests.imaginary.tidewater_sandbox import TidewaterSandbox
from tests.worker import work_off


@pytest.fixture
def harbour() -> Iterator[SandboxServer]:
    more = {"tidewater": TidewaterSandbox}
    with registry.registered(ADAPTER), SandboxServer(companies=3, today=TODAY, more=more) as server:
        yield server


def test_its_card_form_guide_test_import_and_sync_appear(
    tenant: Tenant, harbour: SandboxServer
) -> None:
    client = Client()
    client.force_login(make_member(tenant, "admin"))

    cards = client.get("/integrations/").content.decode()
    form = client.get("/integrations/connect/tidewater/").content.decode()
    assert "Tidewater PSA" in cards
    assert 'href="/integrations/connect/tidewater/"' in cards
    for words in ("Harbour address", "Harbour key", "Ask the harbour master", "7b"):
        assert words in form
    described = {psa["psa"]: psa for psa in client.get("/api/v1/psas/").json()}
    assert described["tidewater"]["name"] == "Tidewater PSA"

    wrong = {**harbour.credentials("tidewater"), "key": "wrong"}
    client.post("/integrations/connect/tidewater/", wrong)
    work_off()
    integration = Integration.objects.get()
    assert integration.status == "failing"
    client.post(f"/integrations/{integration.pk}/", harbour.credentials("tidewater"))
    work_off()
    integration.refresh_from_db()
    assert integration.status == "connected"

    listed = client.get(f"/integrations/{integration.pk}/companies/").content.decode()
    assert listed.count("Boatyard") >= 3
    client.post(f"/integrations/{integration.pk}/companies/import/", {"external_ids": ["2", "3"]})
    work_off()
    client.post(f"/integrations/{integration.pk}/sync/")
    work_off()

    assert {run.state for run in SyncRun.objects.all()} == {"succeeded"}
    assert {
        company.name: company_figure(company, TODAY).totals[0]["amount"]
        for company in Company.objects.all()
    } == {"Boatyard 2": "20.50", "Boatyard 3": "30.75"}


@pytest.mark.django_db
def test_it_needs_no_migration(harbour: SandboxServer) -> None:
    out = StringIO()

    call_command("makemigrations", "--check", "--dry-run", stdout=out)

    assert "No changes detected" in out.getvalue()
