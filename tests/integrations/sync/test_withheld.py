"""What a PSA refuses to show is not gone: it stays, counts, and is named with the money on it."""

from __future__ import annotations

import pytest

from agreements.figures import tenant_figure
from agreements.models import Agreement
from audit_site.tenants.models import Tenant
from integrations.models import Integration, Issue
from integrations.sandbox.server import SandboxServer
from tests.conftest import connect
from tests.syncing import import_all, synced

PSAS = ("connectwise", "autotask", "kaseya_bms")


@pytest.fixture(params=PSAS)
def imported(request: pytest.FixtureRequest, tenant: Tenant, sandbox: SandboxServer) -> Integration:
    integration = connect(tenant, sandbox, request.param)
    import_all(integration)
    return integration


def counting(integration: Integration, number: int) -> list[Agreement]:
    """Agreements that bring something today, of companies that have others beside them."""
    rows = Agreement.objects.of(integration).present().filter(stored_mrr__included=True)
    return list(rows.select_related("stored_mrr").order_by("external_id")[:number])


def test_agreements_that_are_refused_by_their_ids_stay_and_count(
    imported: Integration, sandbox: SandboxServer
) -> None:
    before = tenant_figure(imported.tenant).totals
    withheld = counting(imported, 2)
    sandbox.faults.switch_on("refused_records", ids=[row.external_id for row in withheld])

    run = synced(imported, "manual")

    assert run.state == "partial"
    assert run.counts["agreements"]["gone"] == 0
    assert tenant_figure(imported.tenant).totals == before
    assert all(Agreement.objects.get(pk=row.pk).gone_at is None for row in withheld)
    issue = Issue.objects.get(code="records_withheld")
    assert (issue.kind, issue.external_id, issue.count) == ("integration", "agreements", 2)
    assert f"{imported.psa_info.name} no longer shows 2 agreements that it showed before" in (
        issue.message
    )
    assert withheld[0].stored_mrr.currency in issue.message
    assert ">" in issue.fix
    assert (run.error_code, run.error_message) == ("records_withheld", issue.message)


def test_the_issue_closes_when_they_are_shown_again(
    imported: Integration, sandbox: SandboxServer
) -> None:
    withheld = counting(imported, 1)
    sandbox.faults.switch_on("refused_records", ids=[withheld[0].external_id])
    synced(imported, "manual")
    sandbox.faults.clear()

    run = synced(imported, "manual")

    assert run.state == "succeeded"
    assert Issue.objects.get(code="records_withheld").closed_at is not None


def test_what_is_deleted_beside_them_is_gone(imported: Integration, sandbox: SandboxServer) -> None:
    refused, deleted = counting(imported, 2)
    kind = {"connectwise": "agreements", "autotask": "contracts", "kaseya_bms": "contracts"}
    sandbox.psas[imported.psa].change(
        {"do": "delete", "kind": kind[imported.psa], "id": deleted.external_id}
    )
    sandbox.faults.switch_on("refused_records", ids=[refused.external_id])

    run = synced(imported, "manual")

    assert (run.state, run.counts["agreements"]["gone"]) == ("partial", 1)
    assert Agreement.objects.get(pk=refused.pk).gone_at is None
    assert Agreement.objects.get(pk=deleted.pk).gone_at is not None
