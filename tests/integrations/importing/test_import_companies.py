"""Importing: never more than the licence, never one company twice."""

from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from audit_site.errors import DomainError
from audit_site.tenants.models import Tenant
from companies.models import Company
from companies.services import create_company
from integrations.connecting import lifecycle
from integrations.importing import import_companies as import_room
from integrations.importing.import_companies import import_companies
from integrations.importing.linking import link_of
from integrations.models import CompanyLink, Integration, SyncRun
from tests.concurrency import at_once, in_a_thread
from tests.factories import make_integration, make_psa_company, make_tenant

CONTACT = {"first_name": "Ada", "email": "ada@example.com"}


@pytest.mark.django_db(transaction=True)
def test_many_imports_at_once_never_pass_the_licence() -> None:
    tenant = make_tenant(company_limit=7)
    integration = make_integration(tenant)
    ids = [make_psa_company(integration).external_id for _ in range(20)]
    rejected: list[str] = []

    def import_some(chosen: list[str]) -> None:
        result = import_companies(integration=integration, external_ids=chosen, actor=None)
        rejected.extend(item.code for item in result.rejected)

    def add_one() -> None:
        try:
            create_company(tenant=tenant, actor=None, name="By hand", primary_contact=CONTACT)
        except DomainError as error:
            rejected.append(error.code)

    at_once(
        *(lambda part=ids[n : n + 4]: import_some(part) for n in range(0, 20, 4)), add_one, add_one
    )

    assert Company.objects.filter(status="active").count() == 7
    assert rejected == ["licence_exceeded"] * 15
    assert CompanyLink.objects.count() == Company.objects.exclude(name="By hand").count()


@pytest.mark.django_db(transaction=True)
def test_one_psa_company_imported_twice_at_once_is_one_company() -> None:
    integration = make_integration(make_tenant())
    record = make_psa_company(integration)

    def import_it() -> None:
        import_companies(integration=integration, external_ids=[record.external_id], actor=None)

    at_once(*[import_it] * 5)

    assert Company.objects.count() == 1
    assert SyncRun.objects.count() == 1


def test_what_does_not_fit_is_said_one_by_one_in_the_order_chosen(tenant: Tenant) -> None:
    Tenant.objects.filter(pk=tenant.pk).update(company_limit=2)
    integration = make_integration(tenant)
    good = [make_psa_company(integration).external_id for _ in range(3)]
    bad = make_psa_company(integration, importable=False, rule_codes=["inactive", "no_contact"])

    result = import_companies(
        integration=integration,
        external_ids=[good[0], bad.external_id, "nobody", good[1], good[0], good[2]],
        actor=None,
    )

    assert [link_of(company).external_id for company in result.imported] == good[:2]
    assert [(item.external_id, item.code) for item in result.rejected] == [
        (bad.external_id, "inactive"),
        ("nobody", "unknown_company"),
        (good[2], "licence_exceeded"),
    ]
    assert result.sync_run.companies == good[:2]


def test_importing_what_is_linked_creates_nothing(tenant: Tenant) -> None:
    integration = make_integration(tenant)
    record = make_psa_company(integration)
    first = import_companies(integration=integration, external_ids=[record.external_id], actor=None)

    again = import_companies(integration=integration, external_ids=[record.external_id], actor=None)

    assert again.imported == first.imported
    assert (again.rejected, again.sync_run) == ([], None)
    assert Company.objects.count() == 1


@pytest.mark.django_db(transaction=True)
def test_disconnecting_while_somebody_imports_locks_nobody_out(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    integration = make_integration(make_tenant(company_limit=9))
    record = make_psa_company(integration)
    create_companies, begun = import_room._create_companies, threading.Event()

    def slow(*args: Any) -> None:
        begun.set()
        time.sleep(0.5)
        create_companies(*args)

    def imports() -> None:
        import_companies(integration=integration, external_ids=[record.external_id], actor=None)

    monkeypatch.setattr(import_room, "_create_companies", slow)
    with ThreadPoolExecutor(1) as pool:
        importer = pool.submit(in_a_thread(imports))
        begun.wait()
        lifecycle.disconnect_integration(integration=Integration.objects.get(), actor=None)
        importer.result()

    assert Integration.objects.get().status == "disconnected"
    assert Company.objects.get().name == record.name
