"""Issues that a run opens and closes."""

from __future__ import annotations

from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from agreements.models import Agreement
from companies.models import Company
from companies.services import archive_company, restore_company
from integrations.connecting import connection_test
from integrations.issues.inbox import KIND_INTEGRATION, IssueReport, raise_issues
from integrations.links.linking import unlink_company
from integrations.models import CompanyLink, Integration, Issue
from integrations.sandbox.server import SandboxServer
from tests.conftest import connect
from tests.syncing import change, import_all, open_causes, resync_all, synced
from tests.worker import work_off


def test_rules_of_what_is_not_linked_any_more_are_no_issue(
    connected: Integration, sandbox: SandboxServer
) -> None:
    import_all(connected)
    first, second = CompanyLink.objects.select_related("company").order_by("external_id")[:2]
    for link in (first, second):
        change(sandbox, "companies", link.external_id, do="delete")
    synced(connected)
    assert len(open_causes()) == 2

    unlink_company(company=first.company, actor=None)
    assert [external_id for _, _, external_id in open_causes()] == [second.external_id]
    archive_company(company=second.company, actor=None)
    synced(connected)
    assert open_causes() == []


@pytest.mark.parametrize("trigger", ["manual", "schedule"])
def test_what_a_failed_run_had_stored_is_checked_by_the_next(
    connected: Integration, sandbox: SandboxServer, trigger: str
) -> None:
    """Its company came as it is now, and the run ended before the rules: no next run sees it differ."""
    import_all(connected)
    synced(connected)
    link = CompanyLink.objects.order_by("external_id")[0]
    status = {"status": {"id": 2, "name": "Inactive"}}
    change(sandbox, "companies", link.external_id, values=status)
    sandbox.faults.switch_on("bad_keys", path="/company/contacts", form="401")
    assert synced(connected, trigger).state == "failed"
    assert open_causes() == [("integration", "invalid_credentials", "")]
    sandbox.faults.clear()
    connection_test.start_connection_test(integration=connected, actor=None)
    work_off()

    assert synced(connected, trigger).state == "succeeded"

    assert open_causes() == [("company", "inactive", link.external_id)]


def test_sync_now_mends_what_is_wrong_with_us(
    connected: Integration, sandbox: SandboxServer
) -> None:
    """Also what came to differ while the company was archived: a re-reading sees no difference."""
    import_all(connected)
    synced(connected)
    link = CompanyLink.objects.select_related("company").order_by("external_id")[0]
    archive_company(company=link.company, actor=None)
    values = {"status": {"id": 2, "name": "Inactive"}, "name": "Renamed"}
    change(sandbox, "companies", link.external_id, values=values)
    synced(connected)
    assert open_causes() == []

    restore_company(company=link.company, actor=None)
    synced(connected)

    assert Company.objects.get(pk=link.company_id).name == "Renamed"
    assert open_causes() == [("company", "inactive", link.external_id)]


def test_many_cured_companies_cost_few_statements(connected: Integration) -> None:
    import_all(connected)
    links = CompanyLink.objects.all()
    raise_issues(
        connected,
        [IssueReport("company", "deleted", "m", external_id=r.external_id) for r in links],
    )

    with CaptureQueriesContext(connection) as queries:
        synced(connected)

    written = [q for q in queries if q["sql"].startswith('UPDATE "integrations_issue"')]
    assert len(written) <= 2
    assert open_causes() == []


def test_an_outage_that_another_run_found_ends_with_the_next_good_one(
    connected: Integration,
) -> None:
    def between(moment: str, subject: str) -> None:
        if (moment, subject) == ("phase", "rules"):
            raise_issues(connected, [IssueReport(KIND_INTEGRATION, "psa_unavailable", "down")])

    assert synced(connected, on_moment=between).state == "succeeded"
    assert open_causes() == []


def test_a_resync_ends_no_outage_that_lies_in_a_list(
    connected: Integration, sandbox: SandboxServer
) -> None:
    import_all(connected)
    sandbox.faults.switch_on("truncated_json", path="/company/companies$")
    assert synced(connected).error_code == "bad_response"
    raise_issues(connected, [IssueReport(KIND_INTEGRATION, "psa_unavailable", "down")])
    Integration.objects.update(paused_until=timezone.now())

    assert resync_all(1) == [("succeeded", "")]
    connected.refresh_from_db()
    assert (open_causes(), connected.failures) == ([("integration", "bad_response", "")], 1)

    sandbox.faults.clear()
    assert synced(connected).state == "succeeded"
    raise_issues(
        connected, [IssueReport(KIND_INTEGRATION, "bad_response", "of a run over one company")]
    )
    assert resync_all(1) == [("succeeded", "")]
    connected.refresh_from_db()
    assert (open_causes(), connected.failures) == ([], 0)


def test_a_bad_contract_is_reported_once(tenant: Any, sandbox: SandboxServer) -> None:
    """Kaseya BMS lists all contracts at once; each batch of companies looks into the same list."""
    integration = connect(tenant, sandbox, "kaseya_bms")
    import_all(integration)
    agreement = Agreement.objects.order_by("external_id")[0]
    sandbox.psas["kaseya_bms"].change(
        {"do": "change", "kind": "contracts", "id": agreement.external_id,
         "values": {"contractName": "x" * 400}}
    )  # fmt: skip

    run = synced(integration)

    assert run.counts["agreements"]["rejected"] == 1
    assert Issue.objects.get(closed_at=None).times == 1
