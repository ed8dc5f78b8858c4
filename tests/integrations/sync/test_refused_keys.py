"""Keys that are refused: tried again by a person alone, and no record is taken for gone."""

from __future__ import annotations

from agreements.models import Agreement, CompanyMrr
from audit_site.tenants.models import Tenant
from integrations.connecting import connection_test
from integrations.connecting.lifecycle import update_integration
from integrations.connecting.selectors import latest_of
from integrations.models import CompanyLink, Integration, PsaCompanyRecord
from integrations.runs.starting import start_company_sync
from integrations.sandbox.server import SandboxServer
from tests.conftest import connect
from tests.syncing import cool_down, import_all, resync_all, synced
from tests.worker import wait_out_tests, work_off


def signed_in(sandbox: SandboxServer) -> int:
    """How often somebody tried to sign in to BMS since the last time."""
    count = sum(request["path"].endswith("/authenticate") for request in sandbox.requests())
    sandbox.forget_requests()
    return count


def test_refused_keys_are_tried_again_by_a_person_alone(
    tenant: Tenant, sandbox: SandboxServer
) -> None:
    """BMS locks a user at the fifth refusal."""
    bms = connect(tenant, sandbox, "kaseya_bms")
    import_all(bms)
    sandbox.faults.switch_on("bad_keys")
    sandbox.forget_requests()

    assert resync_all() == [("failed", "invalid_credentials")] * 6
    assert signed_in(sandbox) == 1
    assert synced(bms).error_code == "invalid_credentials"
    connection_test.start_connection_test(integration=bms, actor=None)
    work_off()
    assert signed_in(sandbox) == 1  # these keys are not tried a third time for a while
    assert latest_of(bms).test.code == "cooling_down"
    assert resync_all() == [("failed", "invalid_credentials")] * 6
    assert signed_in(sandbox) == 0
    sandbox.faults.clear()
    cool_down()
    assert synced(bms).state == "succeeded"
    assert resync_all(1) == [("succeeded", "")]


def test_other_keys_are_not_taken_for_the_refused_ones(
    tenant: Tenant, sandbox: SandboxServer
) -> None:
    bms = connect(tenant, sandbox, "kaseya_bms")
    import_all(bms)
    sandbox.faults.switch_on("bad_keys")
    assert resync_all(1) == [("failed", "invalid_credentials")]
    sandbox.faults.clear()
    sandbox.faults.switch_on("server_error", path="/userinfo")

    update_integration(integration=bms, actor=None, credentials={"password": "demo-password"})
    work_off()
    wait_out_tests()

    bms.refresh_from_db()
    assert bms.status == "failing"
    sandbox.faults.clear()
    assert resync_all(1) == [("succeeded", "")]


def test_keys_that_end_after_the_list_of_agreements_cost_no_mrr(
    connected: Integration, sandbox: SandboxServer
) -> None:
    """The cloud may answer refused keys with 404, as what is not there."""
    import_all(connected)
    before = sorted(CompanyMrr.objects.values_list("company_id", "exact"))
    sandbox.faults.switch_on("bad_keys", form="404", path="/additions")
    sandbox.faults.switch_on("bad_keys", form="404", path="/company/companies", after=3)

    run = synced(connected)

    assert (run.state, run.error_code) == ("failed", "invalid_credentials")
    assert not Agreement.objects.filter(incomplete=True).exists()
    assert sorted(CompanyMrr.objects.values_list("company_id", "exact")) == before


def test_keys_refused_with_404_make_no_company_gone(
    connected: Integration, sandbox: SandboxServer
) -> None:
    import_all(connected)
    link = CompanyLink.objects.select_related("company").order_by("external_id")[0]
    sandbox.faults.switch_on("bad_keys", form="404")

    run, _ = start_company_sync(company=link.company, actor=None)
    work_off()

    run.refresh_from_db()
    assert (run.state, run.error_code) == ("failed", "invalid_credentials")
    assert PsaCompanyRecord.objects.get(external_id=link.external_id).gone_at is None
