from __future__ import annotations

import threading
from collections.abc import Callable

import pytest
from django.db import connections

from audit_site.errors import DomainError
from audit_site.tenants.models import Tenant
from companies.models import Company
from companies.services import archive_company, create_company, licence, restore_company
from integrations.models import CompanyLink, Integration, SyncRun
from integrations.services.importing import import_companies
from integrations.services.linking import link_company, unlink_company
from tests.factories import make_company, make_integration, make_psa_company, make_tenant

CONTACT = {"first_name": "Ada", "email": "ada@example.com"}


def at_once(*acts: Callable[[], object]) -> None:
    """Carry acts out side by side, each with a connection of its own."""

    def run(act: Callable[[], object]) -> None:
        try:
            act()
        finally:
            connections.close_all()

    threads = [threading.Thread(target=run, args=(act,)) for act in acts]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


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

    assert [company.current_link.external_id for company in result.imported] == good[:2]
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


def test_archiving_frees_a_licence_and_restoring_needs_one(tenant: Tenant) -> None:
    Tenant.objects.filter(pk=tenant.pk).update(company_limit=1)
    company = make_company(tenant)
    archive_company(company=company, actor=None)
    make_company(tenant)

    with pytest.raises(DomainError) as caught:
        restore_company(company=company, actor=None)

    assert caught.value.code == "licence_exceeded"
    tenant.refresh_from_db()
    assert (licence(tenant).used, licence(tenant).free) == (1, 0)


def test_a_contact_needs_one_contact_method(tenant: Tenant) -> None:
    with pytest.raises(DomainError) as caught:
        create_company(
            tenant=tenant, actor=None, name="A", primary_contact={"first_name": "Ada", "email": " "}
        )

    assert (caught.value.code, caught.value.status) == ("contact_without_method", 400)
    assert not Company.objects.exists()


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
