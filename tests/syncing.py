"""Whole syncs of a sandbox PSA in this process, and what they leave."""

from __future__ import annotations

from typing import Any

from agreements.models import CompanyMrr
from companies.models import Company
from integrations.importing.import_companies import import_companies
from integrations.models import CompanyLink, Integration, Issue, PsaCompanyRecord, PsaUser, SyncRun
from integrations.runs import leases
from integrations.runs.starting import start_company_sync, start_sync_run
from integrations.sandbox.server import SandboxServer
from integrations.sync.moments import OnMoment, unwatched
from tests.worker import work_off


def import_all(integration: Integration) -> list[Company]:
    """Import what is importable, and read its agreements."""
    ids = PsaCompanyRecord.objects.filter(importable=True).values_list("external_id", flat=True)
    result = import_companies(integration=integration, external_ids=list(ids), actor=None)
    work_off()
    return result.imported


def synced(
    integration: Integration, trigger: str = "manual", on_moment: OnMoment = unwatched
) -> SyncRun:
    """The run of a sync, after the worker has done what it could of it."""
    integration.refresh_from_db()
    run, _ = start_sync_run(integration=integration, trigger=trigger)
    work_off(on_moment)
    run.refresh_from_db()
    return run


def resync_all(limit: int = 6) -> list[tuple[str, str]]:
    """Re-sync some companies one after the other; state and code of their runs."""
    SyncRun.objects.exclude(company=None).delete()
    for link in CompanyLink.objects.select_related("company").order_by("external_id")[:limit]:
        start_company_sync(company=link.company, actor=None)
    work_off()
    return list(SyncRun.objects.exclude(company=None).values_list("state", "error_code"))


def claimed(integration: Integration, trigger: str = "manual") -> SyncRun:
    """A run that a worker has taken and not begun."""
    run, _ = start_sync_run(integration=integration, trigger=trigger)
    found = leases.claim(SyncRun, tenant_id=str(run.tenant_id), work_id=str(run.pk))
    assert found is not None
    return found


def cool_down() -> None:
    """The time has passed in which wrong keys count."""
    PsaUser.objects.update(tries=[])


def change(sandbox: SandboxServer, kind: str, id_: str, do: str = "change", **more: Any) -> Any:
    """Change a record in the sandbox ConnectWise."""
    return sandbox.psas["connectwise"].change({"do": do, "kind": kind, "id": id_, **more})


def open_causes() -> list[tuple[str, str, str]]:
    """(kind, code, external id) of every open issue."""
    rows = Issue.objects.filter(closed_at=None)
    return sorted(rows.values_list("kind", "code", "external_id"))


def mrr_of(company: Company) -> list[tuple[str, str]]:
    """(currency, exact amount) of what is stored."""
    return sorted(CompanyMrr.objects.filter(company=company).values_list("currency", "exact"))
