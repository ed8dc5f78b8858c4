"""Parents that belong to another company than their children."""

from __future__ import annotations

from datetime import date
from typing import Any

import pytest

from agreements import mrr
from agreements.figures import company_figure, tenant_parts
from agreements.models import Agreement, AgreementChoices
from audit_site.tenants.models import Tenant
from companies.models import Company
from integrations.models import Integration
from tests.factories import make_agreement, make_company, make_line

ON = date(2026, 11, 25)


@pytest.fixture
def parent(tenant: Tenant, integration: Integration) -> Agreement:
    return make_agreement(make_company(tenant), integration, external_id="P", name="Old")


@pytest.fixture
def child_company(tenant: Tenant, integration: Integration, parent: Agreement) -> Company:
    company = make_company(tenant)
    child = make_agreement(company, integration, external_id="C", parent_external_id="P")
    make_line(child, external_id="1")
    return company


def make_newer(parent: Agreement, **over: Any) -> Agreement:
    values = {"external_id": "P2", "name": "New", "start_date": "2026-01-01", **over}
    return make_agreement(parent.company, parent.integration, **values)


def warnings(company: Company) -> list[list[str]]:
    """Of the child's rows; the whole tenant's book says the same."""
    found = [entry.warnings for entry in company_figure(company, ON).ledger]
    whole = mrr.ledger(tenant_parts(company.tenant)[0].book, ON)
    assert found == [entry.warnings for entry in whole if entry.agreement_id == "C"]
    return found


def test_a_child_says_that_its_parent_elsewhere_was_replaced(
    child_company: Company, parent: Agreement
) -> None:
    assert warnings(child_company) == [[], []]

    make_newer(parent, renews_external_ids=["P"])

    assert warnings(child_company) == [["parent_not_in_force"]] * 2


def test_a_choice_replaces_a_parent_elsewhere_and_wins_over_the_psa(
    child_company: Company, parent: Agreement
) -> None:
    newer = make_newer(parent)
    choice = AgreementChoices.objects.create(tenant=parent.tenant, agreement=newer, renews=["P"])
    assert warnings(child_company) == [["parent_not_in_force"]] * 2

    make_newer(parent, external_id="P0", start_date="2025-01-01")
    choice.renews = ["P0"]
    choice.save()
    Agreement.objects.filter(pk=newer.pk).update(renews_external_ids=["P"])

    assert warnings(child_company) == [[], []]


def test_what_replaces_a_parent_elsewhere_takes_one_more_query(
    child_company: Company, parent: Agreement, django_assert_num_queries: Any
) -> None:
    make_newer(parent, renews_external_ids=["P"])
    make_agreement(make_company(child_company.tenant), parent.integration)

    with django_assert_num_queries(6):
        company_figure(child_company, ON)
    with django_assert_num_queries(4):
        company_figure(parent.company, ON)
    with django_assert_num_queries(4):
        tenant_parts(child_company.tenant)
