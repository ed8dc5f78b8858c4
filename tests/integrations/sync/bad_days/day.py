"""A PSA connected and imported, and ways to make its day a bad one."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.utils import timezone

from agreements.models import Agreement, AgreementLine, CompanyMrr
from integrations.connecting.open_adapter import budget_of
from integrations.importing.import_companies import import_companies
from integrations.models import (
    CompanyLink,
    Integration,
    Issue,
    PsaCompanyRecord,
    PsaContactRecord,
    SyncRun,
)
from integrations.psa import registry
from integrations.runs.starting import start_sync_run
from integrations.sandbox.server import SandboxServer, sandbox_psas
from tests.conftest import connect
from tests.factories import make_tenant
from tests.worker import work_off

PSAS = sorted(sandbox_psas())
#: Where each PSA lists its records, and what its sandbox calls them and their members.
PATHS = {
    "connectwise": {
        "companies": "/company/companies", "contacts": "/company/contacts",
        "agreements": "/finance/agreements", "lines": "/additions",
        "tables": "/finance/billingCycles",
    },
    "autotask": {
        "companies": "/Companies/query", "contacts": "/Contacts/query",
        "agreements": "/Contracts/query", "lines": "Units/query", "tables": "/Currencies/query",
    },
    "kaseya_bms": {
        "companies": "/crm/accounts/summary", "contacts": "/crm/contacts/summary",
        "agreements": "/finance/contracts", "lines": "/finance/contracts",  # a contract is its line
        "tables": "/no/tables",
    },
}  # fmt: skip
KINDS = {
    "connectwise": {"companies": "companies", "agreements": "agreements"},
    "autotask": {"companies": "companies", "agreements": "contracts"},
    "kaseya_bms": {"companies": "accounts", "agreements": "contracts"},
}
NAMES = {
    "connectwise": {"companies": "name", "agreements": "name"},
    "autotask": {"companies": "companyName", "agreements": "contractName"},
    "kaseya_bms": {"companies": "accountName", "agreements": "contractName"},
}
OWNERS = {"autotask": "companyID", "kaseya_bms": "accountId"}
LISTS = ("companies", "contacts", "agreements")
Outcome = Callable[[str], None]


class Day:
    """One PSA connected, its companies imported, and ways to make its day a bad one."""

    def __init__(self, sandbox: SandboxServer, psa: str) -> None:
        self.tenant, self.sandbox, self.psa = make_tenant(company_limit=100), sandbox, psa
        self.integration = connect(self.tenant, sandbox, psa)
        ids = PsaCompanyRecord.objects.filter(importable=True).values_list("external_id", flat=True)
        import_companies(integration=self.integration, external_ids=list(ids), actor=None)
        work_off()
        self.companies = PsaCompanyRecord.objects.count()
        self.small_pages: Callable[[], None] = lambda: None

    def begin(self, monkeypatch: pytest.MonkeyPatch) -> Day:
        """A new day, on which nothing has happened yet."""
        self.sandbox.reset()
        budget_of(self.integration).forget()
        self.tenant.refresh_from_db()
        self.integration.refresh_from_db()
        self.small_pages = lambda: monkeypatch.setattr(
            registry.get_adapter(self.psa), "page_size", 10
        )
        return self

    def path(self, kind: str) -> str:
        return PATHS[self.psa][kind]

    def fault(self, name: str, kind: str = "", **options: Any) -> None:
        self.sandbox.faults.switch_on(name, path=self.path(kind) if kind else "", **options)

    def change(self, kind: str, id_: str, do: str = "change", **command: Any) -> None:
        self.sandbox.psas[self.psa].change(
            {"do": do, "kind": KINDS[self.psa][kind], "id": id_, **command}
        )

    def rename(self, kind: str, id_: str, name: str, *, touch: bool = True) -> None:
        self.change(kind, id_, values={NAMES[self.psa][kind]: name}, touch=touch)

    def merge(self, id_: str, into: str) -> None:
        """As the PSAs do it: what hangs on a company moves, and its id is gone."""
        psa: Any = self.sandbox.psas[self.psa]
        if self.psa == "connectwise":
            psa.change({"do": "merge", "kind": "companies", "id": id_, "into": into})
            return
        for kind, index in (
            ("contacts", psa.data.contacts_of),
            ("contracts", psa.data.contracts_of),
        ):
            for moved in list(index[int(id_)]):
                values = {OWNERS[self.psa]: int(into)}
                psa.change({"do": "change", "kind": kind, "id": moved, "values": values})
        self.change("companies", id_, do="delete")

    def start(self, trigger: str = "manual", **over: Any) -> SyncRun:
        self.integration.refresh_from_db()
        run, _ = start_sync_run(integration=self.integration, trigger=trigger)
        if over:
            SyncRun.objects.filter(pk=run.pk).update(**over)
        return run

    def sync(self, trigger: str = "manual", **over: Any) -> SyncRun:
        run = self.start(trigger, **over)
        work_off()
        run.refresh_from_db()
        return run

    def go_on(self, run: SyncRun, *, clear: bool = True) -> SyncRun:
        """The moment has come until which a run must wait."""
        if clear:
            self.sandbox.faults.clear()
        Integration.objects.update(paused_until=None)
        budget_of(self.integration).forget()
        SyncRun.objects.filter(resume_at__isnull=False).update(resume_at=timezone.now())
        work_off()
        run.refresh_from_db()
        return run

    def in_the_middle(self) -> SyncRun:
        """A run that has read companies and contacts, and waits before the agreements."""
        self.fault("rate_limited", "agreements", retry_after=300)
        run = self.sync()
        assert (run.state, run.phase) == ("running", "rules")
        return run

    def issues(self) -> list[tuple[str, str]]:
        rows = Issue.objects.filter(integration=self.integration, closed_at=None)
        return list(rows.order_by("kind", "code", "external_id").values_list("kind", "code"))

    def linked(self) -> CompanyLink:
        """A linked company that has an agreement with money in it."""
        chosen = CompanyLink.objects.filter(company__stored_mrr__minor__gt=0, unlinked_at=None)
        return chosen.order_by("external_id")[0]


def stored() -> dict[str, list[tuple[Any, ...]]]:
    """Everything that a sync stores and a figure is made of."""
    columns = ("external_id", "fingerprint", "gone_at")
    found = {
        model.__name__: sorted(model.objects.values_list(*columns), key=str)
        for model in (PsaCompanyRecord, PsaContactRecord, Agreement, AgreementLine)
    }
    return {**found, "mrr": sorted(CompanyMrr.objects.values_list("company_id", "exact"), key=str)}


def gone() -> int:
    models: tuple[Any, ...] = (PsaCompanyRecord, PsaContactRecord, Agreement, AgreementLine)
    return sum(model.objects.exclude(gone_at=None).count() for model in models)


def said(run: SyncRun) -> str:
    return f"{run.state} ({run.error_code})" if run.error_code else str(run.state)
