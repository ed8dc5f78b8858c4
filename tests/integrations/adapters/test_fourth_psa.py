"""A PSA is one adapter and one sandbox: everything else, also its setting, is there by itself."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from io import StringIO
from typing import Any

import pytest
from django.core.management import call_command
from django.test import Client

from agreements.figures import company_figure
from audit_site.local.run import environment
from audit_site.tenants.models import Tenant
from companies.models import Company
from integrations.connecting.selectors import latest_of
from integrations.models import ImportBatch, Integration, SyncRun
from integrations.psa import registry
from integrations.sandbox.server import SandboxServer
from tests.conftest import TODAY, connect
from tests.factories import make_member
from tests.imaginary import FOLDER, add_imaginary_psas
from tests.worker import work_off


@pytest.fixture
def harbour(monkeypatch: pytest.MonkeyPatch, settings: Any) -> Iterator[SandboxServer]:
    add_imaginary_psas(monkeypatch)
    with SandboxServer(companies=3, today=TODAY, only="tidewater") as server:
        for name, value in server.settings().items():
            setattr(settings, name, value)
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

    listed = client.get("/import/").content.decode()
    assert listed.count("Boatyard") >= 3
    rows = integration.psa_companies.filter(external_id__in=["2", "3"])
    ids = [str(pk) for pk in rows.values_list("pk", flat=True)]
    client.post("/import/choose/", {"shown": ids, "ticked": ids, "do": "review"})
    client.post(f"/import/batches/{ImportBatch.objects.get().pk}/review/", {"do": "start"})
    work_off()
    client.post(f"/integrations/{integration.pk}/sync/")
    work_off()

    assert {run.state for run in SyncRun.objects.all()} == {"succeeded"}
    assert {
        company.name: company_figure(company, TODAY).totals[0]["amount"]
        for company in Company.objects.all()
    } == {"Boatyard 2": "20.50", "Boatyard 3": "30.75"}


def test_without_its_setting_the_connection_is_refused_by_the_psa(
    tenant: Tenant, harbour: SandboxServer, settings: Any
) -> None:
    settings.TIDEWATER_FLEET = "none yet"

    integration = connect(tenant, harbour, "tidewater")

    assert (integration.status, latest_of(integration).test.code) == (
        "failing",
        "client_id_refused",
    )


@pytest.mark.parametrize(
    ("given", "read"), [({}, "none yet"), ({"TIDEWATER_FLEET": " F-9 "}, "F-9")]
)
def test_the_settings_read_what_its_adapter_declares(given: dict[str, str], read: str) -> None:
    code = (
        "from integrations import adapters; "
        f"adapters.__path__.append({str(FOLDER / 'adapters')!r}); "
        "from audit_site import settings; print(settings.TIDEWATER_FLEET)"
    )

    done = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, **given},
        capture_output=True,
        text=True,
        check=True,
    )

    assert done.stdout.strip() == read


def test_make_run_takes_the_setting_from_the_sandbox(monkeypatch: pytest.MonkeyPatch) -> None:
    before = environment(8000, 8765)
    add_imaginary_psas(monkeypatch)

    assert environment(8000, 8765) == {**before, "TIDEWATER_FLEET": "F-7"}
    assert [setting.name for setting in registry.get_adapter("tidewater").info.settings] == [
        "TIDEWATER_FLEET"
    ]


@pytest.mark.django_db
def test_it_needs_no_migration(harbour: SandboxServer) -> None:
    out = StringIO()

    call_command("makemigrations", "--check", "--dry-run", stdout=out)

    assert "No changes detected" in out.getvalue()
