"""Forms of a connection: name and keys apart, and a refusal loses nothing that was typed."""

from __future__ import annotations

from typing import Any

import pytest
from django.test import Client

from audit_site.tenants.models import Tenant, User
from integrations.models import ConnectionTest, Integration, PsaCompanyRecord
from integrations.sandbox.server import SandboxServer
from tests.clients import browser, page_text, text
from tests.factories import make_integration, make_member
from tests.worker import work_off

CONNECT = "/integrations/connect/connectwise/"
AGAIN = "Type it again: what is secret is never sent back to your browser."
BY_SCRIPT = {"HTTP_HX_REQUEST": "true"}


def settings_of(integration: Integration) -> str:
    return f"/integrations/{integration.pk}/"


def setup_of(integration: Integration) -> str:
    return f"{settings_of(integration)}setup/"


def value(page: str, field: str) -> str:
    """What stands in a field."""
    tag = page.partition(f'name="{field}"')[2].partition(">")[0]
    return tag.partition(' value="')[2].partition('"')[0]


def test_a_name_is_saved_alone(alex: User, connected: Integration) -> None:
    tests = ConnectionTest.objects.count()

    page = page_text(
        browser(alex).post(f"{settings_of(connected)}name/", {"name": " Desk "}, follow=True)
    )

    connected.refresh_from_db()
    assert (connected.name, connected.candidate) == ("Desk", None)
    assert ConnectionTest.objects.count() == tests
    assert "It is called Desk now." in page
    assert value(page, "name") == "Desk"


def test_an_empty_name_is_that_of_the_psa(alex: User, tenant: Tenant) -> None:
    integration = make_integration(tenant, name="Desk")

    browser(alex).post(f"{settings_of(integration)}name/", {"name": " "})

    integration.refresh_from_db()
    assert integration.name == "ConnectWise Manage"


@pytest.mark.parametrize("role", ["member", "viewer"])
def test_only_admins_rename(tenant: Tenant, integration: Integration, role: str) -> None:
    client = browser(make_member(tenant, role))

    assert client.post(f"{settings_of(integration)}name/", {"name": "Mine"}).status_code == 403
    assert client.post(settings_of(integration), {"public_key": "x"}).status_code == 403


def test_another_tenants_is_not_renamed(otto: User, integration: Integration) -> None:
    answer = browser(otto).post(f"{settings_of(integration)}name/", {"name": "Mine"})

    assert answer.status_code == 404
    integration.refresh_from_db()
    assert integration.name != "Mine"


def save_keys(client: Client, integration: Integration, **typed: str) -> Any:
    keys = {**integration.credentials, "private_key": "", **typed}
    return client.post(settings_of(integration), keys, follow=True)


def test_new_keys_stand_in_the_fields_while_and_after_they_are_tested(
    alex: User, connected: Integration
) -> None:
    client = browser(alex)

    testing = page_text(
        save_keys(client, connected, public_key="no-tables", private_key="demo-private")
    )
    work_off()
    after = page_text(client.get(setup_of(connected)))

    assert value(testing, "public_key") == "no-tables"
    assert "The new keys, which the fields below show, are being tested." in testing
    assert value(after, "public_key") == "no-tables"
    assert "the fields below" not in after.lower()
    assert "Leave empty to keep it" in after
    assert "by Alex Admin." in after.partition('id="id_private_key_helptext"')[2][:80]


def test_refused_keys_stand_in_the_fields_until_they_are_forgotten(
    alex: User, connected: Integration
) -> None:
    client = browser(alex)
    save_keys(client, connected, public_key="typo", private_key="demo-private")
    work_off()

    refused = page_text(client.get(setup_of(connected)))
    forgotten = page_text(client.post(f"{settings_of(connected)}candidate/forget/", follow=True))

    assert value(refused, "public_key") == "typo"
    assert (
        "The fields below show the refused ones: correct them and type the secret again." in refused
    )
    assert "Leave empty to keep it" not in refused
    assert value(forgotten, "public_key") == "demo"


def test_a_secret_is_asked_for_when_another_field_changes(
    alex: User, connected: Integration
) -> None:
    answer = save_keys(browser(alex), connected, server_url="https://evil.example")

    assert answer.status_code == 422
    assert (
        "Server changed, and a stored secret goes only to where it was typed for. Type it again."
    ) in text(answer)
    assert value(text(answer), "server_url") == "https://evil.example"
    connected.refresh_from_db()
    assert connected.candidate is None


@pytest.mark.parametrize(
    ("over", "said"),
    [
        ({"server_url": "not a host!!"}, "This is no address of a server."),
        ({"company_id": ""}, "Company ID is needed."),
    ],
)
def test_without_a_script_all_but_the_secret_comes_again(
    alex: User, sandbox: SandboxServer, over: dict[str, str], said: str
) -> None:
    keys = {**sandbox.credentials("connectwise"), "name": "Desk", **over}

    answer = browser(alex).post(CONNECT, keys)

    page = text(answer)
    assert answer.status_code == 422
    assert said in page
    assert AGAIN in page
    assert [value(page, name) for name in ("public_key", "name", "server_url")] == [
        "demo",
        "Desk",
        keys["server_url"],
    ]
    assert "demo-private" not in page


def test_with_a_script_only_the_errors_come(alex: User, sandbox: SandboxServer) -> None:
    keys = {**sandbox.credentials("connectwise"), "server_url": "not a host!!"}

    answer = browser(alex).post(CONNECT, keys, **BY_SCRIPT)

    page = text(answer)
    assert answer.status_code == 422
    assert "<input" not in page
    assert page.count('hx-swap-oob="innerHTML"') == 6  # the general ones, and those of five fields
    assert 'id="id_server_url_error">This is no address of a server.' in page
    assert AGAIN not in page
    assert "demo-private" not in page


def test_with_a_script_a_saved_form_goes_to_its_page(alex: User, sandbox: SandboxServer) -> None:
    answer = browser(alex).post(CONNECT, sandbox.credentials("connectwise"), **BY_SCRIPT)

    assert answer["HX-Redirect"] == settings_of(Integration.objects.get())
    assert answer.content == b""


def test_another_account_is_said_in_the_form(alex: User, connected: Integration) -> None:
    keys = {**connected.credentials, "company_id": "other", "private_key": "demo-private"}

    answer = browser(alex).post(settings_of(connected), keys, **BY_SCRIPT)

    assert answer.status_code == 422
    assert "Company ID names another ConnectWise Manage account" in text(answer)
    assert "Connect the other account as an integration of its own." in text(answer)


def test_the_import_list_in_numbers_leads_to_it(vic: User, connected: Integration) -> None:
    page = page_text(browser(vic).get(settings_of(connected)))

    listed = f"/import/?connection={connected.pk}&amp;tab="
    importable = PsaCompanyRecord.objects.filter(importable=True).count()
    assert f'<dt>Found</dt> <dd><a href="{listed}all">40</a></dd>' in page
    assert page.count("<dt>") == 5
    assert f'<dt>Can be added</dt> <dd><a href="{listed}add">{importable}</a></dd>' in page
    assert f'<dt>Linked</dt> <dd><a href="{listed}linked">0</a></dd>' in page
    assert "<dt>Licences free</dt> <dd>100</dd>" in page
    assert "40 companies found, nothing has been imported." in page
    assert f'href="{listed}add">Choose companies</a>' in page
    hidden = [record.rule_codes[0] for record in PsaCompanyRecord.objects.exclude(rule_codes=[])]
    assert f'<a href="{listed}hidden">{len(hidden)}</a>' in page
    without = hidden.count("no_contact")
    reason = f'{listed}hidden&amp;reason=no_contact">{without}: No contact</a>'
    assert f'<a href="{reason}' in page
