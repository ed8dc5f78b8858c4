"""A company that is linked to another PSA counts with the new one."""

from __future__ import annotations

from agreements.models import Agreement
from integrations.importing.import_companies import import_companies
from integrations.links.linking import link_company, unlink_company
from integrations.models import CompanyLink, Integration, PsaCompanyRecord, SyncRun
from integrations.sandbox.server import SandboxServer
from tests.conftest import connect
from tests.syncing import import_all, mrr_of, synced
from tests.worker import work_off


def test_an_auditee_that_changes_its_psa_counts_with_the_new_one(
    connected: Integration, sandbox: SandboxServer
) -> None:
    import_all(connected)
    tenant = connected.tenant
    link = CompanyLink.objects.filter(company__stored_mrr__minor__gt=0).order_by("external_id")[0]
    autotask = connect(tenant, sandbox, "autotask")
    ids = PsaCompanyRecord.objects.filter(integration=autotask, importable=True)
    import_companies(
        integration=autotask,
        external_ids=list(ids.values_list("external_id", flat=True)),
        actor=None,
    )
    work_off()
    other = CompanyLink.objects.filter(integration=autotask, company__stored_mrr__minor__gt=0)[0]
    wanted = mrr_of(other.company)
    unlink_company(company=other.company, actor=None)
    unlink_company(company=link.company, actor=None)
    assert mrr_of(link.company) != wanted, "what was read stays until the new PSA was read"

    link_company(
        company=link.company, integration=autotask, external_id=other.external_id, actor=None
    )
    work_off()

    assert mrr_of(link.company) == wanted != []
    left = Agreement.objects.filter(company=link.company, integration=connected)
    assert {row.gone_at is not None for row in left} == {True}
    run = SyncRun.objects.order_by("-queued_at")[0]
    assert run.counts["agreements"]["gone"] == left.count()
    assert (run.state, synced(autotask).counts["agreements"]["gone"]) == ("succeeded", 0)


def test_a_new_psa_that_shows_nothing_takes_nothing(
    connected: Integration, sandbox: SandboxServer
) -> None:
    import_all(connected)
    link = CompanyLink.objects.filter(company__stored_mrr__minor__gt=0).order_by("external_id")[0]
    autotask = connect(connected.tenant, sandbox, "autotask")
    other = PsaCompanyRecord.objects.filter(integration=autotask, importable=True)[0]
    before = mrr_of(link.company)
    unlink_company(company=link.company, actor=None)
    sandbox.faults.switch_on("empty_answer", path="Contracts")

    link_company(
        company=link.company, integration=autotask, external_id=other.external_id, actor=None
    )
    work_off()

    run = SyncRun.objects.order_by("-queued_at")[0]
    assert (run.state, run.error_code) == ("partial", "too_many_gone")
    assert mrr_of(link.company) == before != []
