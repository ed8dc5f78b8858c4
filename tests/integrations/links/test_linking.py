"""Links between a company and a PSA company, and what a run says meanwhile."""

from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from audit_site.errors import DomainError
from audit_site.tenants.models import Tenant
from companies.models import Company
from integrations.links.linking import link_company, unlink_company
from integrations.models import CompanyLink, Integration, SyncRun
from integrations.runs import leases
from integrations.runs.starting import start_company_sync
from integrations.sync.rules_phase import AllRulesPhase
from integrations.sync.run_writer import RunWriter
from tests.concurrency import in_a_thread
from tests.factories import make_company, make_integration, make_psa_company, make_tenant
from tests.syncing import claimed, import_all
from tests.worker import work_off


def test_linking_takes_no_licence_and_each_side_once(tenant: Tenant) -> None:
    Tenant.objects.filter(pk=tenant.pk).update(company_limit=2)
    integration = make_integration(tenant)
    first, second = make_company(tenant), make_company(tenant)
    one, other = make_psa_company(integration), make_psa_company(integration)
    link_company(company=first, integration=integration, external_id=one.external_id, actor=None)

    for company, record in ((first, other), (second, one)):
        with pytest.raises(DomainError) as caught:
            link_company(
                company=company,
                integration=integration,
                external_id=record.external_id,
                actor=None,
            )
        assert caught.value.code == "already_linked"

    unlink_company(company=first, actor=None)
    link_company(company=second, integration=integration, external_id=one.external_id, actor=None)
    assert CompanyLink.objects.filter(unlinked_at=None).count() == 1


def test_linking_needs_a_company_that_the_psa_showed(tenant: Tenant) -> None:
    integration: Integration = make_integration(tenant)

    with pytest.raises(DomainError) as caught:
        link_company(
            company=make_company(tenant), integration=integration, external_id="nobody", actor=None
        )

    assert (caught.value.code, caught.value.status) == ("unknown_company", 400)


@pytest.mark.django_db(transaction=True)
def test_a_name_that_a_person_gives_after_unlinking_stays() -> None:
    integration = make_integration(make_tenant())
    record, company = make_psa_company(integration), make_company(integration.tenant)
    link_company(
        company=company, integration=integration, external_id=record.external_id, actor=None
    )
    adapter: Any = None
    run = claimed(integration)
    begun = threading.Event()

    def slow(moment: str, subject: str) -> None:
        if moment == "rules checked":
            begun.set()
            time.sleep(0.5)

    phase = AllRulesPhase(RunWriter(run, slow), adapter)
    with ThreadPoolExecutor(1) as pool:
        page = pool.submit(in_a_thread(phase.run))
        begun.wait()
        unlink_company(company=company, actor=None)
        Company.objects.update(name="A person's")
        page.result()

    assert Company.objects.get().name == "A person's"


def test_unlinking_ends_a_resync_that_waits(connected: Integration) -> None:
    import_all(connected)
    link = CompanyLink.objects.select_related("company").order_by("external_id")[0]
    run, _ = start_company_sync(company=link.company, actor=None)

    unlink_company(company=link.company, actor=None)

    run.refresh_from_db()
    assert run.state == "cancelled"


def test_who_is_linked_again_is_read_although_the_run_before_has_not_ended(
    connected: Integration,
) -> None:
    import_all(connected)
    wrong, right = CompanyLink.objects.select_related("company").order_by("external_id")[:2]
    run, _ = start_company_sync(company=wrong.company, actor=None)
    dying = leases.claim(SyncRun, tenant_id=str(run.tenant_id), work_id=str(run.pk))
    assert dying is not None
    unlink_company(company=right.company, actor=None)
    unlink_company(company=wrong.company, actor=None)
    link_company(
        company=wrong.company, integration=connected, external_id=right.external_id, actor=None
    )
    work_off()

    assert RunWriter(dying).end("cancelled")
    work_off()

    link = CompanyLink.objects.get(company=wrong.company, unlinked_at=None)
    assert (link.external_id, link.read_at is not None) == (right.external_id, True)
