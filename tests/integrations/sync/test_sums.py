"""The counts of a real run add up."""

from __future__ import annotations

import pytest

from audit_site.tenants.models import Tenant
from integrations.importing.import_companies import import_companies
from integrations.models import KINDS, PsaCompanyRecord, SyncRun
from integrations.runs.starting import start_sync_run
from integrations.sandbox.server import SandboxServer
from integrations.web.run_progress import count_table
from tests.conftest import connect
from tests.worker import work_off


def add_up(run: SyncRun) -> None:
    table = count_table(run)
    assert table.columns == ["New", "Changed", "Unchanged", "Rejected", "Seen", "Gone"]
    assert [kind for kind, _ in table.rows] == list(KINDS)
    for kind, (new, changed, unchanged, rejected, seen, _gone) in table.rows:
        assert new + changed + unchanged + rejected == seen, kind
    assert table.totals == [
        sum(numbers[place] for _, numbers in table.rows) for place in range(len(table.columns))
    ]
    assert table.totals[4] == sum(table.totals[:4])


@pytest.mark.parametrize(
    ("psa", "totals", "agreements", "requests"),
    [
        ("autotask", [0, 1, 226, 1, 228, 2], 29, 21),
        ("connectwise", [0, 1, 375, 1, 377, 1], 31, 42),
        ("kaseya_bms", [0, 1, 191, 1, 193, 3], 38, 29),
    ],
)
def test_the_sums_of_a_real_run_agree(
    tenant: Tenant,
    sandbox: SandboxServer,
    psa: str,
    totals: list[int],
    agreements: int,
    requests: int,
) -> None:
    integration = connect(tenant, sandbox, psa)
    rows = PsaCompanyRecord.objects.filter(importable=True).order_by("external_id")
    ids = list(rows.values_list("external_id", flat=True))
    import_companies(integration=integration, external_ids=ids[:20], actor=None)
    work_off()
    gone, changed = ids[-2:]
    kind = "accounts" if psa == "kaseya_bms" else "companies"
    name = {"connectwise": "name", "autotask": "companyName", "kaseya_bms": "accountName"}[psa]
    sandbox.psas[psa].change({"do": "delete", "kind": kind, "id": gone})
    values = {name: "Another name"}
    sandbox.psas[psa].change({"do": "change", "kind": kind, "id": changed, "values": values})
    sandbox.faults.switch_on("bad_record", path="ontacts", times=1, how="wrong_type")
    start_sync_run(integration=integration)
    work_off()

    for run in SyncRun.objects.all():
        add_up(run)
    last = SyncRun.objects.latest("id")
    assert last.state == "partial"
    assert count_table(last).totals == totals
    assert last.counts["agreements"]["unchanged"] == agreements
    assert last.requests == requests
