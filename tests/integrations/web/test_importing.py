"""Importing from the list: what the licence has no room for, and what breaks a rule."""

from __future__ import annotations

import re
from typing import Any

import pytest

from audit_site.tenants.models import Tenant
from companies.models import Company
from integrations.models import Integration
from tests.clients import browser, text
from tests.factories import make_company, make_integration, make_link, make_member, make_psa_company

NAMES = ("Delta", "Alpha", "Échos", "Bravo", "Charlie")


@pytest.fixture
def integration(tenant: Tenant) -> Integration:
    """Five companies, and a licence with room for two."""
    Tenant.objects.filter(pk=tenant.pk).update(company_limit=3)
    integration = make_integration(tenant)
    make_link(make_company(tenant, name="Linked"), integration, external_id="9")
    make_psa_company(integration, external_id="9", name="Linked")
    for number, name in enumerate(NAMES):
        make_psa_company(integration, external_id=f"1{number}", name=name)
    make_psa_company(
        integration, external_id="8", name="Nobody", importable=False, rule_codes=["no_contact"]
    )
    return integration


def choose(tenant: Tenant, integration: Integration, *ids: str) -> Any:
    address = f"/integrations/{integration.pk}/companies/import/"
    return browser(make_member(tenant, "member")).post(address, {"external_ids": ids}, follow=True)


def errors(answer: Any) -> list[str]:
    found = re.findall(r'<div class="alert alert-danger"[^>]*>(.*?)</div>', text(answer), re.DOTALL)
    return [re.sub(r"<[^>]+>", "", message) for message in found]


def test_more_than_there_is_room_for_is_asked_about_first(
    tenant: Tenant, integration: Integration
) -> None:
    page = choose(tenant, integration, "10", "11", "12", "13", "14", "9", "8")

    assert "<h1>Room for 2 of 5</h1>" in text(page)
    assert "The first 2 in the list are imported:" in text(page)
    said = re.findall(r"<li>(\w+) <span", text(page))
    assert said == ["Alpha", "Bravo", "Charlie", "Delta", "Échos"]
    sent = re.findall(r'name="external_ids" value="(\d+)"', text(page))
    assert sent == ["11", "13", "9", "8"]
    assert 'href="mailto:help@auditforit.com"' in text(page)
    assert Company.objects.count() == 1

    done = choose(tenant, integration, *sent)

    assert "3 audITees are here now" in text(done)
    assert sorted(Company.objects.values_list("name", flat=True)) == ["Alpha", "Bravo", "Linked"]
    assert errors(done) == [
        "Not imported: Nobody. It has no contact in ConnectWise Manage. Add a contact with an "
        "e-mail address or a phone number in ConnectWise Manage, then press Sync Now."
    ]


def test_what_fits_is_imported_at_once(tenant: Tenant, integration: Integration) -> None:
    done = choose(tenant, integration, "10", "11")

    assert "2 audITees are here now" in text(done)
    assert Company.objects.count() == 3


def test_rejected_ones_are_listed_by_name_and_reason(
    tenant: Tenant, integration: Integration
) -> None:
    Tenant.objects.filter(pk=tenant.pk).update(company_limit=1)
    make_psa_company(integration, external_id="15", name="Foxtrot")

    done = choose(tenant, integration, "10", "11", "12", "13", "14", "15", "77", "78")

    assert errors(done) == [
        "Not imported: 77, 78. ConnectWise Manage showed no company with this id. Press Sync Now; "
        "if it stays away, check that the API user may see all companies.",
        "Not imported: Alpha, Bravo, Charlie, Delta, Échos and 1 more. Your licence has no free "
        "audITee left. Archive an audITee that you no longer need, or ask us for more: "
        "help@auditforit.com.",
    ]
    assert 'href="mailto:help@auditforit.com"' in text(done)
    assert Company.objects.count() == 1
