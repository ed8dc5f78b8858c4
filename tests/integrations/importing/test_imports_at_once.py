"""Imports that run at the same moment never take more than the licence has."""

from __future__ import annotations

from functools import partial

import pytest
from django.db import transaction

from audit_site.errors import DomainError
from audit_site.tenants.models import User
from companies.models import Company
from companies.services import create_company
from integrations.batches.worker import run_import_batch
from integrations.importing.batch_counts import counts_of
from integrations.importing.batches import start
from integrations.importing.import_companies import import_companies
from integrations.importing.proposing import propose
from integrations.models import CompanyLink, ImportBatch, Integration, PsaCompanyRecord
from tests.concurrency import at_once
from tests.factories import make_integration, make_member, make_psa_company, make_tenant

pytestmark = pytest.mark.django_db(transaction=True)

ROOM = 20


@pytest.fixture
def integration() -> Integration:
    integration = make_integration(make_tenant(company_limit=ROOM))
    for number in range(36):
        make_psa_company(integration, external_id=f"{number:02}")
    return integration


def batch_of(integration: Integration, actor: User, first: int, last: int) -> ImportBatch:
    wanted = [f"{number:02}" for number in range(first, last)]
    rows = PsaCompanyRecord.objects.of(integration).filter(external_id__in=wanted)
    with transaction.atomic():
        return start(batch=propose(tenant=integration.tenant, rows=rows, actor=actor), actor=actor)


def test_batches_imports_and_people_together_keep_to_the_licence(integration: Integration) -> None:
    actor = make_member(integration.tenant)
    batches = [batch_of(integration, actor, at, at + 12) for at in (0, 12)]
    works = [
        partial(run_import_batch, tenant_id=str(batch.tenant_id), batch_id=str(batch.pk))
        for batch in batches
    ]
    ids = [f"{number:02}" for number in range(24, 36)]

    codes: list[str] = []

    def by_hand() -> None:
        try:
            create_company(
                tenant=integration.tenant,
                actor=actor,
                name="By hand",
                primary_contact={"email": "a@example.com"},
            )
        except DomainError as error:
            codes.append(error.code)

    at_once(
        *works,
        partial(import_companies, integration=integration, external_ids=ids, actor=actor),
        by_hand,
    )

    counts = counts_of(batches)
    assert set(codes) <= {"licence_exceeded"}
    assert Company.objects.filter(status="active").count() == ROOM
    assert sum(one.done + one.failed for one in counts.values()) == 24
    assert set(ImportBatch.objects.values_list("state", flat=True)) == {"done"}


def test_two_workers_carry_one_import_out_once(integration: Integration) -> None:
    actor = make_member(integration.tenant)
    batch = batch_of(integration, actor, 0, 15)
    work = partial(run_import_batch, tenant_id=str(batch.tenant_id), batch_id=str(batch.pk))

    at_once(work, work, work)

    assert counts_of([batch])[batch.pk].done == 15
    assert Company.objects.count() == CompanyLink.objects.count() == 15
