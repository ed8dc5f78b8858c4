"""How many statements Sync Now takes: the same for one page of a list and for several."""

from __future__ import annotations

import re
from collections import Counter
from typing import Any

import pytest
from django.db import connection

from agreements.models import Agreement
from integrations.adapters.connectwise import ConnectWiseAdapter
from integrations.models import CompanyLink, Integration, SyncRun
from integrations.runs.starting import start_sync_run
from integrations.sandbox.server import SandboxServer
from integrations.sync import gathering
from integrations.sync.agreements_phase import AgreementsPhase
from integrations.sync.engine import run_sync
from tests.syncing import change, import_all

#: Tables whose rows mirror the PSA, or are worked out from them.
MIRRORS = re.compile(
    r'"(integrations_psa\w+|companies_(?:company|contact|formername)'
    r"|agreements_(?:agreement|agreementline|\w*mrr|\w*book\w*))\""
)


SAME = {"SELECT": 38, "INSERT": 2, "UPDATE": 11, "DELETE": 1}
CHANGED = {"SELECT": 50, "INSERT": 13, "UPDATE": 15, "DELETE": 1}
WRITTEN = {
    "integrations_psacompanyrecord",
    "companies_company",
    "companies_formername",
    "agreements_agreement",
    "agreements_companybook",
    "agreements_bookpiece",
    "agreements_bookversion",
}


def statements_of_sync_now(integration: Integration) -> tuple[dict[str, int], set[str]]:
    """How many statements a run takes from its claim to its end, and which mirrors it writes."""
    run, _ = start_sync_run(integration=integration)
    found, written = Counter[str](), set[str]()

    def count(execute: Any, sql: str, params: Any, many: bool, context: Any) -> Any:
        verb = sql.split(maxsplit=1)[0]
        if verb in {"SELECT", "INSERT", "UPDATE", "DELETE"}:
            found[verb] += 1
            if verb != "SELECT" and (table := MIRRORS.search(sql.split("(", maxsplit=1)[0])):
                written.add(table[1])
        return execute(sql, params, many, context)

    with connection.execute_wrapper(count):
        run_sync(tenant_id=str(run.tenant_id), run_id=str(run.pk))
    run.refresh_from_db()
    assert run.state == SyncRun.State.SUCCEEDED
    return dict(found), written


def change_some(sandbox: SandboxServer, number: int) -> None:
    """One company, one agreement and one line are otherwise than before."""
    link = CompanyLink.objects.order_by("external_id")[0]
    agreement = Agreement.objects.filter(cycle="monthly").order_by("external_id")[0]
    change(sandbox, "companies", link.external_id, values={"name": f"Renamed {number}"})
    change(sandbox, "agreements", agreement.external_id, values={"billAmount": 4321.5 + number})


@pytest.fixture(autouse=True)
def patience(monkeypatch: pytest.MonkeyPatch) -> None:
    """However long a page lets wait for itself, it counts as quick."""
    monkeypatch.setattr(gathering, "GATHER_SECONDS", 3600.0)


@pytest.fixture
def small_pages(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ConnectWiseAdapter, "page_size", 25)
    monkeypatch.setattr(AgreementsPhase, "_batch_size", 5)


def test_sync_now_without_changes_writes_no_record(
    connected: Integration, sandbox: SandboxServer
) -> None:
    import_all(connected)
    statements_of_sync_now(connected)

    assert statements_of_sync_now(connected) == (SAME, set())


def test_sync_now_with_changes_takes_as_many_statements_for_many_pages(
    connected: Integration, sandbox: SandboxServer, request: pytest.FixtureRequest
) -> None:
    import_all(connected)
    statements_of_sync_now(connected)
    change_some(sandbox, 1)
    whole = statements_of_sync_now(connected)

    request.getfixturevalue("small_pages")
    change_some(sandbox, 2)
    in_pages = statements_of_sync_now(connected)

    assert whole == in_pages
    assert whole == (CHANGED, WRITTEN)
