"""A dry run answers as if it had been done, and leaves nothing."""

from __future__ import annotations

from typing import Any

import pytest
from django.apps import apps
from django.db import transaction
from rest_framework.test import APIClient

from audit_site.db.dry_run import dry_run
from audit_site.tenants.models import Tenant, TenantOwned
from companies.models import Company
from integrations.models import CompanyLink, SyncRun
from tests.clients import V1, problem
from tests.factories import make_company, make_integration, make_psa_company


def rows() -> dict[str, int]:
    """How many rows each table has; a token notes when it was used."""
    return {
        model.__name__: model.objects.count()
        for model in apps.get_models()
        if issubclass(model, TenantOwned)
    }


def test_what_is_done_inside_is_seen_inside_alone(tenant: Tenant) -> None:
    with dry_run():
        make_company(tenant)
        assert Company.objects.count() == 1

    assert Company.objects.count() == 0
    with dry_run(is_dry=False):
        make_company(tenant)
    assert Company.objects.count() == 1


def test_inside_a_transaction_only_its_own_part_is_taken_back(tenant: Tenant) -> None:
    with transaction.atomic():
        make_company(tenant, name="Kept")
        with dry_run():
            make_company(tenant, name="Tried")
        make_company(tenant, name="Kept too")

    assert list(Company.objects.order_by("name").values_list("name", flat=True)) == [
        "Kept",
        "Kept too",
    ]


def test_an_error_comes_through(tenant: Tenant) -> None:
    def fail() -> None:
        with dry_run():
            make_company(tenant)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()

    assert Company.objects.count() == 0


def test_an_import_that_is_tried(
    tenant: Tenant, api: APIClient, django_capture_on_commit_callbacks: Any
) -> None:
    Tenant.objects.filter(pk=tenant.pk).update(company_limit=1)
    integration = make_integration(tenant)
    record, other = make_psa_company(integration), make_psa_company(integration)
    body = {
        "integration": str(integration.pk),
        "external_ids": [record.external_id, other.external_id, "nobody"],
    }
    before = rows()

    with django_capture_on_commit_callbacks() as messages:
        tried = api.post(f"{V1}/companies/import/?dry_run=true", body)

    assert (messages, rows()) == ([], before)
    real = api.post(f"{V1}/companies/import/", body)
    assert _shape(tried.json()) == _shape(real.json())
    assert len(tried.json()["imported"]) == 1
    assert [row["code"] for row in tried.json()["rejected"]] == [
        "licence_exceeded",
        "unknown_company",
    ]
    assert (tried["RateLimit"].split(";")[:2], real["RateLimit"].split(";")[:2]) == (
        ['"imports"', "r=240"],
        ['"imports"', "r=239"],
    )
    assert (Company.objects.count(), SyncRun.objects.count()) == (1, 1)


def _shape(body: Any) -> Any:
    """A body without what is of the moment: ids and instants."""
    if isinstance(body, dict):
        moving = {"id", "linked_at", "created_at", "queued_at"}
        return {name: _shape(value) for name, value in body.items() if name not in moving}
    return [_shape(item) for item in body] if isinstance(body, list) else body


def test_a_link_that_is_tried(api: APIClient, tenant: Tenant) -> None:
    integration, company = make_integration(tenant), make_company(tenant)
    record = make_psa_company(integration)
    body = {"integration": str(integration.pk), "external_id": record.external_id}
    address = f"{V1}/companies/{company.pk}/link/"

    tried = api.post(f"{address}?dry_run=true", body, HTTP_IDEMPOTENCY_KEY="k")
    nobody = api.post(f"{address}?dry_run=true", {**body, "external_id": "nobody"})

    assert tried.json()["link"]["external_id"] == record.external_id
    assert problem(nobody) == (400, "unknown_company")
    assert CompanyLink.objects.count() == 0
    real = api.post(address, body, HTTP_IDEMPOTENCY_KEY="k")
    assert (real.status_code, "Idempotent-Replay" in real) == (200, False)
    assert CompanyLink.objects.count() == 1
    refused = api.post(f"{address}?dry_run=true", body)
    assert (refused.status_code, refused.json()["code"]) == (409, "already_linked")
    assert problem(api.post(f"{address}?dry_run=perhaps", body)) == (400, "invalid_parameter")
