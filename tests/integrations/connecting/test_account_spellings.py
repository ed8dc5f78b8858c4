"""Accounts that an earlier release saved under another spelling of their address."""

from __future__ import annotations

from importlib import import_module

import pytest
from django.apps import apps

from audit_site.tenants.models import Tenant
from integrations.models import Integration
from tests.factories import make_integration

MIGRATION = import_module("integrations.migrations.0006_one_spelling_of_accounts")


def respelled(tenant: Tenant, psa: str, stored: str) -> str:
    integration = make_integration(tenant, psa=psa, account_key=stored)
    MIGRATION.respell(apps, None)
    integration.refresh_from_db()
    return integration.account_key


@pytest.mark.parametrize(
    ("psa", "stored", "key"),
    [
        ("connectwise", "na.myconnectwise.net:443|acme", "api-na.myconnectwise.net|acme"),
        ("connectwise", "na.myconnectwise.net.|acme", "api-na.myconnectwise.net|acme"),
        ("connectwise", "cw.example.:443|acme", "cw.example|acme"),
        ("connectwise", "cw.example:8443|acme", "cw.example:8443|acme"),
        ("connectwise", "cw.example|acme.|x", "cw.example|acme.|x"),
        ("kaseya_bms", "bms.kaseya.com:443|harbor point", "api.bms.kaseya.com|harbor point"),
        ("kaseya_bms", "api.bms.kaseya.com.|harbor point", "api.bms.kaseya.com|harbor point"),
        ("autotask", "code.|x", "code.|x"),
        ("unheard_of", "host:443|acme", "host:443|acme"),
    ],
)
def test_a_key_is_written_as_today(tenant: Tenant, psa: str, stored: str, key: str) -> None:
    assert respelled(tenant, psa, stored) == key


def test_two_spellings_of_one_account_both_stay(tenant: Tenant, other_tenant: Tenant) -> None:
    make_integration(tenant, account_key="cw.example|acme")
    make_integration(other_tenant, account_key="cw.example|other")

    assert respelled(tenant, "connectwise", "cw.example:443|acme") == "cw.example:443|acme"
    assert respelled(other_tenant, "connectwise", "cw.example:443|new") == "cw.example|new"
    assert Integration.objects.count() == 4
