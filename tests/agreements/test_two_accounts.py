"""Two accounts of one PSA in one tenant, which give the same ids."""

from __future__ import annotations

from typing import Any

import pytest
from rest_framework.test import APIClient

from agreements import stored_mrr
from agreements.figures import company_figure, tenant_figure
from agreements.overview import currency_book
from audit_site.tenants.models import Tenant
from integrations.models import Integration
from tests.factories import make_agreement, make_company, make_integration

V1 = "/api/v1"


@pytest.fixture
def accounts(tenant: Tenant) -> tuple[Integration, Integration]:
    return make_integration(tenant), make_integration(tenant)


def amounts(answer: Any) -> list[str]:
    return [total["amount"] for total in answer.json()["totals"]]


def test_equal_ids_of_two_accounts_both_count(
    tenant: Tenant, api: APIClient, accounts: tuple[Integration, Integration]
) -> None:
    companies = [make_company(tenant), make_company(tenant)]
    for company, account, amount in zip(companies, accounts, ("100", "70"), strict=True):
        make_agreement(company, account, external_id="1", amount=amount)
    stored_mrr.refresh(tenant, [company.pk for company in companies])

    one, two = (api.get(f"{V1}/companies/{company.pk}/mrr/") for company in companies)
    whole = api.get(f"{V1}/mrr/")
    series = api.get(f"{V1}/mrr/series/", {"from": "2026-01", "to": "2026-01"}).json()
    movement = api.get(f"{V1}/mrr/movement/", {"from": "2024-12-31", "to": "2025-01-01"}).json()

    assert (amounts(one), amounts(two)) == (["100.00"], ["70.00"])
    assert (amounts(whole), whole.json()["companies"]) == (["170.00"], 2)
    assert series["months"][0]["recognized"] == [{"currency": "USD", "amount": "170.00"}]
    assert movement["currencies"][0]["new"] == "170.00"
    assert currency_book(tenant, "USD").amount == "170.00"


def test_a_company_that_moved_from_one_account_to_the_other_keeps_both(
    tenant: Tenant, api: APIClient, accounts: tuple[Integration, Integration]
) -> None:
    company = make_company(tenant)
    for account, amount in zip(accounts, ("100", "70"), strict=True):
        make_agreement(company, account, external_id="1", amount=amount)
    stored_mrr.refresh(tenant, [company.pk])

    assert amounts(api.get(f"{V1}/companies/{company.pk}/mrr/")) == ["170.00"]


def test_a_child_takes_the_cycle_of_its_own_accounts_parent(
    tenant: Tenant, accounts: tuple[Integration, Integration]
) -> None:
    one, two = accounts
    other, company = make_company(tenant), make_company(tenant)
    make_agreement(other, one, external_id="P", amount="0", cycle="annual")
    make_agreement(company, two, external_id="P", amount="0", cycle="monthly")
    make_agreement(company, two, external_id="C", amount="120", cycle=None, parent_external_id="P")

    assert company_figure(company).totals[0]["amount"] == "120.00"
    assert tenant_figure(tenant).totals[0]["amount"] == "120.00"


def test_a_choice_replaces_the_agreement_of_its_own_account(
    tenant: Tenant, api: APIClient, accounts: tuple[Integration, Integration]
) -> None:
    one, two = accounts
    company = make_company(tenant)
    stays = make_agreement(company, one, external_id="7", amount="100", name="Stays")
    older = make_agreement(company, two, external_id="7", amount="40", name="Older")
    newer = make_agreement(company, two, external_id="8", amount="70", start_date="2026-01-01")
    path = f"{V1}/agreements/{newer.pk}/choices/"

    refused = api.patch(path, {"renews": str(stays.pk), "note": "x"})
    api.patch(path, {"renews": str(older.pk), "note": "x"})

    assert refused.status_code == 400
    assert [error["field"] for error in refused.json()["errors"]] == ["renews"]
    body = api.get(f"{V1}/companies/{company.pk}/mrr/").json()
    assert {row["agreement"]: row["reason"] for row in body["ledger"]} == {
        str(stays.pk): None, str(older.pk): "superseded", str(newer.pk): None,
    }  # fmt: skip
