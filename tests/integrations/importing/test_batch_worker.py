"""Imports in slices: taken over after a worker's death, never twice, never over the licence."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.utils import timezone

from audit_site.lanes import SYNC, URGENT
from audit_site.tenants.models import Tenant, User
from companies.models import Company
from integrations.batches import worker as batch_worker
from integrations.batches.worker import carry_out_slice
from integrations.importing.batch_counts import counts_of
from integrations.importing.batches import retry, start
from integrations.importing.proposing import propose
from integrations.models import (
    CompanyLink,
    ImportBatch,
    ImportBatchRow,
    Integration,
    PsaCompanyRecord,
    SyncRun,
)
from integrations.runs import leases
from integrations.runs.dispatching import sweep
from tests.factories import make_company, make_psa_company
from tests.faulty_tables import accept, refuse
from tests.worker import work_off_imports


def fill(integration: Integration, number: int) -> None:
    now = timezone.now()
    PsaCompanyRecord.objects.bulk_create(
        PsaCompanyRecord(
            tenant_id=integration.tenant_id, integration=integration, external_id=f"{n:05}",
            name=f"Firm {n:05}", search_text=f"firm {n:05}", importable=True, fingerprint="",
            seen_at=now,
        )
        for n in range(number)
    )  # fmt: skip


def started(tenant: Tenant, actor: User) -> ImportBatch:
    rows = PsaCompanyRecord.objects.for_tenant(tenant)
    return start(batch=propose(tenant=tenant, rows=rows, actor=actor), actor=actor)


def claimed(batch: ImportBatch) -> ImportBatch:
    found = leases.claim(ImportBatch, tenant_id=str(batch.tenant_id), work_id=str(batch.pk))
    assert found is not None
    return found


def results(batch: ImportBatch) -> dict[str, int]:
    counts = counts_of([batch])[batch.pk]
    return {"done": counts.done, "failed": counts.failed, "waiting": counts.waiting}


@pytest.fixture
def roomy(integration: Integration) -> Integration:
    """A list of 600 companies, and a licence with room for them."""
    Tenant.objects.filter(pk=integration.tenant_id).update(company_limit=1000)
    integration.tenant.refresh_from_db()
    fill(integration, 600)
    return integration


def test_another_worker_goes_on_where_one_died(mia: User, roomy: Integration) -> None:
    batch = started(roomy.tenant, mia)
    dead = claimed(batch)
    carry_out_slice(dead)
    half = results(batch)
    ImportBatch.objects.update(lease_until=timezone.now() - timedelta(seconds=1))

    work_off_imports()
    batch.refresh_from_db()

    assert half == {"done": 250, "failed": 0, "waiting": 350}
    assert results(batch) == {"done": 600, "failed": 0, "waiting": 0}
    assert (batch.state, batch.attempts) == ("done", 2)
    assert Company.objects.count() == CompanyLink.objects.count() == 600
    assert [len(run.companies) for run in SyncRun.objects.order_by("id")] == [250, 250, 100]
    with pytest.raises(leases.LeaseLost):
        carry_out_slice(dead)
    assert Company.objects.count() == 600


def test_one_that_fails_holds_no_other_up(mia: User, roomy: Integration) -> None:
    batch = started(roomy.tenant, mia)
    broken = PsaCompanyRecord.objects.filter(external_id="00300")
    broken.update(rule_codes=7)
    refuse(CompanyLink, "external_id", "00499")

    work_off_imports()
    batch.refresh_from_db()

    assert batch.state == "done"
    assert results(batch) == {"done": 598, "failed": 2, "waiting": 0}
    assert Company.objects.count() == CompanyLink.objects.count() == 598
    said = (
        "internal_error",
        "Something went wrong on our side. Try it again; if it stays, tell us.",
    )
    failed = ImportBatchRow.objects.filter(state="failed").order_by("external_id")
    assert list(failed.values_list("external_id", "code", "message")) == [
        ("00300", *said),
        ("00499", *said),
    ]
    assert not failed.filter(company__isnull=False).exists()
    read = [id_ for run in SyncRun.objects.all() for id_ in run.companies]
    assert len(read) == len({*read}) == 598
    broken.update(rule_codes=[])
    accept(CompanyLink)
    retry(batch=batch, actor=mia)
    work_off_imports()
    assert results(batch) == {"done": 600, "failed": 0, "waiting": 0}


def test_one_that_kills_its_workers_is_given_up(mia: User, roomy: Integration) -> None:
    batch = started(roomy.tenant, mia)
    ImportBatch.objects.update(attempts=batch_worker.MOST_ATTEMPTS)

    work_off_imports()
    batch.refresh_from_db()

    assert batch.state == "done"
    assert results(batch) == {"done": 0, "failed": 600, "waiting": 0}
    assert not Company.objects.exists()


def test_a_licence_that_shrinks_meanwhile_is_kept(mia: User, roomy: Integration) -> None:
    batch = started(roomy.tenant, mia)
    Tenant.objects.filter(pk=roomy.tenant_id).update(company_limit=300)

    work_off_imports()

    assert results(batch) == {"done": 300, "failed": 300, "waiting": 0}
    assert Company.objects.count() == 300
    row = ImportBatchRow.objects.filter(state="failed").order_by("position")[0]
    assert (row.code, row.position) == ("licence_exceeded", 300)
    assert "Your licence has no free audITee left." in row.message


def test_what_is_linked_or_disconnected_meanwhile_says_so(
    mia: User, tenant: Tenant, integration: Integration
) -> None:
    for number in range(3):
        make_psa_company(integration, external_id=str(number))
    batch = started(tenant, mia)
    CompanyLink.objects.create(
        tenant=tenant, company=make_company(tenant), integration=integration, external_id="0"
    )
    carry_out_slice(claimed(batch))
    linked = ImportBatchRow.objects.get(external_id="0")

    make_psa_company(integration, external_id="new")
    again = started(tenant, mia)
    Integration.objects.update(status="disconnected")
    ImportBatch.objects.filter(pk=batch.pk).update(lease_until=None)
    work_off_imports()

    assert (linked.state, linked.code, linked.made) == ("done", "already_linked", False)
    row = ImportBatchRow.objects.get(batch=again)
    assert (row.state, row.code) == ("failed", "not_connected")
    assert row.message.startswith(f"{integration.name} is disconnected.")


def test_rows_that_were_unticked_are_left(mia: User, roomy: Integration) -> None:
    rows = PsaCompanyRecord.objects.for_tenant(roomy.tenant)
    batch = propose(tenant=roomy.tenant, rows=rows, actor=mia)
    ImportBatchRow.objects.filter(position__gte=2).update(chosen=False)

    start(batch=batch, actor=mia)
    work_off_imports()

    assert sorted(Company.objects.values_list("name", flat=True)) == ["Firm 00000", "Firm 00001"]
    assert results(batch) == {"done": 2, "failed": 0, "waiting": 0}


def test_a_lost_hint_is_sent_again(mia: User, roomy: Integration) -> None:
    batch = started(roomy.tenant, mia)
    lost = timezone.now() - timedelta(minutes=1)
    ImportBatch.objects.update(dispatched_at=lost)

    sweep()
    batch.refresh_from_db()

    assert batch.dispatched_at is not None
    assert batch.dispatched_at > lost


@pytest.mark.parametrize(("total", "lane"), [(500, URGENT), (501, SYNC)])
def test_what_a_person_waits_for_is_urgent(total: int, lane: str) -> None:
    assert (URGENT if ImportBatch(total=total).is_awaited else SYNC) == lane
