"""The tenant's own settings, by page and by REST: audited, and what depends on them follows."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from rest_framework.test import APIClient

from agreements.models import CompanyBook
from agreements.stored_mrr import refresh, verify
from audit_site.tenants.models import AuditEvent, Tenant, User
from tests.clients import V1, api_of, browser, page_text, problem, text
from tests.factories import make_agreement, make_api, make_company, make_integration

TENANT, PAGE = f"{V1}/tenant/", "/account/settings/"
TYPED = {"name": "Acme", "timezone": "Europe/Berlin", "currency": "eur", "require_two_factor": "on"}


@pytest.fixture
def admin(alex: User) -> APIClient:
    return api_of(alex)


def test_rest_reads_and_changes_what_is_given(tenant: Tenant, admin: APIClient) -> None:
    before = admin.get(TENANT).json()
    assert before == {
        "id": str(tenant.pk),
        "name": tenant.name,
        "timezone": "UTC",
        "currency": "USD",
        "company_limit": 100,
        "require_two_factor": False,
        "can": ["edit"],
    }

    answer = admin.patch(TENANT, {"currency": "eur", "require_two_factor": True})

    assert answer.json() == {**before, "currency": "EUR", "require_two_factor": True}
    event = AuditEvent.objects.get(action="tenant.settings_changed")
    assert event.before == {"currency": "USD", "require_two_factor": False}
    assert event.after == {"currency": "EUR", "require_two_factor": True}


def test_the_page_saves_all_of_it(tenant: Tenant, alex: User) -> None:
    page = browser(alex)
    assert "0 of 100 audITees are in use." in page_text(page.get(PAGE))

    done = page.post(PAGE, TYPED, follow=True)

    assert "Saved." in page_text(done)
    tenant.refresh_from_db()
    assert (tenant.name, tenant.timezone, tenant.currency, tenant.require_two_factor) == (
        "Acme",
        "Europe/Berlin",
        "EUR",
        True,
    )


def test_nothing_changed_is_no_event(tenant: Tenant, admin: APIClient) -> None:
    assert admin.patch(TENANT, {"name": tenant.name}).status_code == 200
    assert admin.patch(TENANT, {}).status_code == 200

    assert not AuditEvent.objects.filter(action="tenant.settings_changed").exists()


@pytest.mark.parametrize(
    ("values", "code"),
    [
        ({"name": "n" * 10_000}, "invalid"),
        ({"name": "  "}, "blank"),
        ({"timezone": "Moon/Base"}, "invalid"),
        ({"timezone": "z" * 10_000}, "invalid"),
        ({"currency": "dollars"}, "invalid"),
        ({"company_limit": 9999}, "unknown_field"),
    ],
)
def test_bad_input_changes_nothing(
    tenant: Tenant, alex: User, admin: APIClient, values: dict[str, Any], code: str
) -> None:
    assert problem(admin.patch(TENANT, values)) == (400, code)
    if code != "unknown_field":
        answer = browser(alex).post(PAGE, {**TYPED, **values})
        assert answer.status_code == 422
        assert 'value="eur"' in text(answer) or "currency" in values

    fresh = Tenant.objects.get(pk=tenant.pk)
    assert (fresh.name, fresh.timezone, fresh.currency, fresh.company_limit) == (
        tenant.name,
        "UTC",
        "USD",
        100,
    )


def test_what_can_only_be_read_is_said_to_be_so(admin: APIClient) -> None:
    answer = admin.patch(TENANT, {"company_limit": 9999, "limit": 1})

    assert {error["field"]: error["message"] for error in answer.json()["errors"]} == {
        "company_limit": "This can be read, and not changed here.",
        "limit": "There is no such field here.",
    }


@pytest.mark.parametrize("role", ["member", "viewer"])
def test_it_is_for_admins(tenant: Tenant, role: str) -> None:
    api = make_api(tenant, role)

    assert problem(api.get(TENANT)) == (403, "admin_required")
    assert problem(api.patch(TENANT, {"name": "Ours"})) == (403, "admin_required")


def test_another_currency_is_that_of_agreements_that_name_none(
    tenant: Tenant, admin: APIClient
) -> None:
    company = make_company(tenant)
    make_agreement(company, make_integration(tenant), currency="")
    refresh(tenant, [company.pk])
    before = admin.get(f"{V1}/companies/{company.pk}/").json()["mrr"]

    admin.patch(TENANT, {"currency": "EUR"})

    after = admin.get(f"{V1}/companies/{company.pk}/").json()["mrr"]
    assert [total["currency"] for total in before] == ["USD"]
    assert [total["currency"] for total in after] == ["EUR"]
    assert not verify([tenant.pk], mend=False)[tenant.pk].rows


def test_another_zone_moves_nights_and_days(tenant: Tenant, admin: APIClient) -> None:
    planned = datetime(2026, 12, 1, 2, tzinfo=UTC)
    nightly = make_integration(tenant, schedule="nightly", next_sync_at=planned)
    hourly = make_integration(tenant, schedule="hourly", next_sync_at=planned)
    company = make_company(tenant)
    make_agreement(company, nightly)
    refresh(tenant, [company.pk])

    admin.patch(TENANT, {"timezone": "Pacific/Auckland"})

    nightly.refresh_from_db()
    hourly.refresh_from_db()
    assert (nightly.next_sync_at, hourly.next_sync_at) == (None, planned)
    assert CompanyBook.objects.get().computed_on is None
