"""Everything of a tenant as files: whole, without secrets, and of nobody else."""

from __future__ import annotations

import csv
import hashlib
import io
import json
import stat
import tracemalloc
import zipfile
from pathlib import Path
from typing import Any

import pytest
from django.apps import apps
from django.core.management import CommandError, call_command

from audit_site.privacy.owned import owned_models
from audit_site.privacy.tenant_export import export_stream
from audit_site.tenants.models import AuditEvent, ChangeMark, Tenant, User
from companies.models import Company
from integrations.models import Integration, SyncEvent
from integrations.sandbox.server import SandboxServer
from tests.clients import browser, page_text
from tests.conftest import connect
from tests.factories import make_company, make_run
from tests.integrations.test_dump import make_every_secret
from tests.syncing import import_all


def export(tenant: Tenant, path: Path) -> str:
    out = io.StringIO()
    call_command("export_tenant", str(tenant.pk), "--to", str(path), stdout=out)
    return out.getvalue()


def files_of(path: Path) -> dict[str, bytes]:
    if path.is_file():
        with zipfile.ZipFile(path) as archive:
            return {name: archive.read(name) for name in archive.namelist()}
    return {str(f.relative_to(path)): f.read_bytes() for f in path.rglob("*") if f.is_file()}


def rows_in(files: dict[str, bytes], table: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in files[f"tables/{table}.jsonl"].splitlines()]


@pytest.mark.parametrize("name", ["all", "all.zip"])
def test_every_row_of_every_table_is_in_it_and_the_manifest_proves_it(
    connected: Integration, tenant: Tenant, alex: User, tmp_path: Path, name: str
) -> None:
    import_all(connected)

    said = export(tenant, tmp_path / name)

    files = files_of(tmp_path / name)
    manifest = json.loads(files["manifest.json"])
    rows = {
        model._meta.db_table: sorted(
            str(pk) for pk in model._base_manager.filter(tenant=tenant).values_list("pk", flat=True)
        )
        for model in owned_models()
        if model is not ChangeMark
    }
    assert {table: sorted(row["id"] for row in rows_in(files, table)) for table in rows} == rows
    assert [row["email"] for row in rows_in(files, "tenants_user")] == ["alex@example.com"]
    assert set(files) == {entry["name"] for entry in manifest["files"]} | {"manifest.json"}
    for entry in manifest["files"]:
        data = files[entry["name"]]
        assert (entry["bytes"], entry["sha256"]) == (len(data), hashlib.sha256(data).hexdigest())
    total = sum(e["rows"] for e in manifest["files"] if e["name"].startswith("tables/"))
    assert said == f"{total} rows of {tenant.name} are in {tmp_path / name}.\n"
    assert stat.S_IMODE((tmp_path / name).stat().st_mode) & 0o077 == 0


def test_people_find_their_clients_as_csv_and_no_formula_runs(
    tenant: Tenant, tmp_path: Path
) -> None:
    make_company(tenant, name="=HYPERLINK(1)")

    export(tenant, tmp_path / "all")

    files = files_of(tmp_path / "all")
    assert {name for name in files if name.endswith(".csv")} == {
        "companies.csv",
        "contacts.csv",
        "agreements.csv",
        "agreement-lines.csv",
        "company-mrrs.csv",
    }
    header, row = csv.reader(io.StringIO(files["companies.csv"].decode("utf-8-sig")))
    assert dict(zip(header, row, strict=True))["name"] == "'=HYPERLINK(1)"


def test_nothing_of_another_tenant_is_in_it(
    tenant: Tenant, other_tenant: Tenant, otto: User, sandbox: SandboxServer, tmp_path: Path
) -> None:
    import_all(connect(other_tenant, sandbox, "connectwise"))
    company = make_company(tenant)

    export(tenant, tmp_path / "all")

    data = b"".join(files_of(tmp_path / "all").values()).decode()
    assert str(company.pk) in data
    assert str(other_tenant.pk) not in data
    assert "otto@example.com" not in data


def test_no_secret_is_in_it_nor_what_proves_one(
    tenant: Tenant, sandbox: SandboxServer, tmp_path: Path
) -> None:
    secrets = make_every_secret(tenant, sandbox)

    export(tenant, tmp_path / "all")

    files = files_of(tmp_path / "all")
    data = b"".join(files.values()).decode()
    assert [what for what, secret in secrets.items() if secret in data] == []
    assert "v1.test." not in data
    user = User.objects.get(email="alex@example.com")
    assert user.password not in data
    token = rows_in(files, "tenants_apitoken")[0]
    assert "token_hash" not in token
    manifest = json.loads(files["manifest.json"])
    assert manifest["left_out"]["tenants_apitoken"] == ["token_hash"]
    assert manifest["left_out"]["api_idempotentrequest"] == ["request_hash"]
    assert "password" in manifest["left_out"]["tenants_user"]
    assert rows_in(files, "integrations_integration")[0]["credentials"] == {
        "company_id": "audit-demo",
        "public_key": "demo",
        "server_url": Integration.objects.get().credentials["server_url"],
    }


def test_it_takes_little_memory_whatever_the_size(integration: Integration) -> None:
    run = make_run(integration, state="succeeded")
    value = {"text": "x" * 1000}
    events = [
        SyncEvent(tenant=run.tenant, run=run, kind="company", change="created", after=value)
        for _ in range(10_000)
    ]
    SyncEvent.objects.bulk_create(events, batch_size=1000)
    del events

    tracemalloc.start()
    sent = sum(map(len, export_stream(integration.tenant)))
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()

    assert sent > 50_000
    assert most < 8_000_000  # ten million bytes of text go through


def test_what_is_there_already_is_not_overwritten(tenant: Tenant, tmp_path: Path) -> None:
    (tmp_path / "all.zip").write_text("mine")

    with pytest.raises(CommandError, match="is there already"):
        export(tenant, tmp_path / "all.zip")

    assert (tmp_path / "all.zip").read_text() == "mine"
    assert not AuditEvent.objects.exists()


def test_an_admin_downloads_it_and_that_is_noted(
    tenant: Tenant, alex: User, mia: User, settings: Any
) -> None:
    settings.LIMIT_EXPORTS = 1
    company, address = make_company(tenant, name="Ärzte GmbH"), "/account/settings/export/"
    page = browser(alex)

    asked = page_text(page.get(address))
    answer = page.post(address)
    data = b"".join(answer.streaming_content)
    refused = page_text(page.post(address, follow=True))

    assert f"all that {tenant.name} has here" in asked
    assert (answer["Content-Type"], answer["Cache-Control"]) == ("application/zip", "no-store")
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        assert archive.testzip() is None
        files = {name: archive.read(name) for name in archive.namelist()}
    assert [row["name"] for row in rows_in(files, "companies_company")] == ["Ärzte GmbH"]
    assert company.pk == Company.objects.get().pk
    event = AuditEvent.objects.get(action="tenant.exported")
    assert (event.actor_id, event.object_id, event.after) == (
        str(alex.pk),
        str(event.tenant_id),
        None,
    )
    assert "Your account may have 1 downloads of data an hour" in refused
    assert browser(mia).post(address).status_code == 403


def test_a_new_table_with_a_tenant_is_in_it_by_itself() -> None:
    assert {m for m in apps.get_models() if hasattr(m, "tenant_id")} == set(owned_models())
