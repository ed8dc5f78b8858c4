"""What forms refuse before it is stored, at its field."""

from __future__ import annotations

import re

import pytest

from audit_site.tenants.models import Tenant, User
from companies.models import Company
from integrations.models import Integration
from integrations.sandbox.server import SandboxServer
from tests.clients import browser, text
from tests.factories import make_integration

KEYS = {"company_id": "msp", "public_key": "a", "private_key": "b"}


def errors(page: str) -> list[str]:
    found = re.findall(r'<div class="bad-ink small mt-1" id="([^"]*)_error">([^<]*)</div>', page)
    return [f"{field}: {message}" for field, message in found]


@pytest.mark.parametrize(
    "typed", ["not a host!!", "https://", "https://not a host/x", "a,b", "[::1", "..", "h:port"]
)
def test_what_is_no_server_is_refused_at_its_field(alex: User, typed: str) -> None:
    answer = browser(alex).post("/integrations/connect/connectwise/", {**KEYS, "server_url": typed})

    assert answer.status_code == 422
    assert errors(text(answer)) == [
        "id_server_url: This is no address of a server. Paste it as your browser shows it.",
        "id_private_key: Type it again: what is secret is never sent back to your browser.",
    ]
    assert not Integration.objects.exists()


@pytest.mark.parametrize(
    "typed",
    [
        "na.myconnectwise.net",
        " https://na.myconnectwise.net/v4_6_release/x?y=1#z ",
        "HTTP://user@psa.example:8443/",
        "müller.example",
        "localhost",
        "[::1]:8000",
        "\u200bna.myconnectwise.net",
    ],
)
def test_however_an_address_is_pasted_it_is_taken(alex: User, typed: str) -> None:
    answer = browser(alex).post("/integrations/connect/connectwise/", {**KEYS, "server_url": typed})

    assert answer.status_code == 302
    assert Integration.objects.count() == 1


def test_a_name_is_no_longer_than_its_column(alex: User, tenant: Tenant) -> None:
    client, integration = browser(alex), make_integration(tenant)
    address = f"/integrations/{integration.pk}/"

    answer = client.post(f"{address}name/", {"name": "x" * 500})

    assert answer.status_code == 422
    assert errors(text(answer)) == [
        "id_name: Ensure this value has at most 255 characters (it has 500)."
    ]
    assert 'maxlength="255"' in text(client.get(f"{address}setup/"))


def test_an_account_that_is_connected_already_leads_to_its_settings(
    alex: User, connected: Integration, sandbox: SandboxServer
) -> None:
    answer = browser(alex).post(
        "/integrations/connect/connectwise/",
        {**sandbox.credentials("connectwise"), "name": "Twice <b>"},
    )

    assert answer.status_code == 422
    assert (
        "This ConnectWise Manage account is connected already. "
        f'<a class="alert-link" href="/integrations/{connected.pk}/">'
        "Open the settings of ConnectWise Manage</a>"
    ) in text(answer)
    assert 'value="Twice &lt;b&gt;"' in text(answer)
    assert Integration.objects.count() == 1


@pytest.mark.parametrize(
    ("phone", "is_taken"),
    [("abc", False), ("1234", False), ("12345", True), ("+1 (555) 0100", True), ("٠١٢٣٤", True)],
)
def test_a_phone_number_has_digits(alex: User, phone: str, is_taken: bool) -> None:
    answer = browser(alex).post("/companies/add/", {"name": "By hand", "phone": phone})

    assert answer.status_code == (302 if is_taken else 422)
    assert errors(text(answer)) == (
        [] if is_taken else ["id_phone: A phone number has at least 5 digits, such as +1 555 0100."]
    )
    assert Company.objects.exists() is is_taken
