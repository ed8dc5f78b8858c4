"""A stored secret goes only to the host and account that it was typed for."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from audit_site.errors import DomainError, FieldErrors
from audit_site.tenants.models import Tenant, User
from integrations.connecting import lifecycle
from integrations.connecting.credentials import SavedSecret, refuse_unsaid_secrets, saved_secrets
from integrations.models import ConnectionTest, Integration
from integrations.psa import registry
from integrations.psa.contract import CredentialField, PsaInfo
from integrations.sandbox.server import SandboxServer
from tests.conftest import connect
from tests.queries import queries
from tests.worker import work_off

NOON = datetime(2026, 11, 25, 12, 0, tzinfo=UTC)
#: Every field of every PSA that is no secret.
PLAIN = [
    (info.key, field.name)
    for info in registry.infos()
    for field in info.fields
    if field.type != "secret"
]


def change(integration: Integration, actor: User | None = None, /, **typed: str) -> None:
    lifecycle.update_integration(integration=integration, actor=actor, credentials=typed)


def refusal(integration: Integration, **typed: str) -> FieldErrors:
    with pytest.raises(FieldErrors) as refused:
        change(integration, **typed)
    return refused.value


def test_these_are_the_fields_that_say_where_or_who() -> None:
    assert PLAIN == [
        ("autotask", "username"),
        ("autotask", "tracking_identifier"),
        ("connectwise", "server_url"),
        ("connectwise", "company_id"),
        ("connectwise", "public_key"),
        ("kaseya_bms", "server_url"),
        ("kaseya_bms", "username"),
        ("kaseya_bms", "tenant"),
    ]
    assert all(
        field.says_where_or_who
        for info in registry.infos()
        for field in info.fields
        if field.type == "url" or field.identifies
    )


@pytest.mark.parametrize(("psa", "field"), PLAIN)
def test_who_changes_one_types_the_secret_again(
    tenant: Tenant, sandbox: SandboxServer, psa: str, field: str
) -> None:
    integration = connect(tenant, sandbox, psa)
    stored, tests = integration.credentials, ConnectionTest.objects.count()
    [secret] = integration.psa_info.secret_fields
    labels = {each.name: each.label for each in integration.psa_info.fields}

    error = refusal(integration, **{field: "evil.example"})

    why = f"{labels[field]} changed, and a stored secret goes only to where it was typed for."
    assert (error.code, error.status) == ("secret_needed", 400)
    assert error.sentence == f"{why} Type again: {labels[secret]}."
    assert error.errors == [
        {
            "field": f"credentials.{secret}",
            "code": "secret_needed",
            "message": f"{why} Type it again.",
        }
    ]
    integration.refresh_from_db()
    assert (integration.credentials, integration.candidate) == (stored, None)
    assert ConnectionTest.objects.count() == tests  # nothing is asked anywhere


def test_a_field_that_says_neither_may_change_alone() -> None:
    fields = (
        CredentialField("address", "Address", "url"),
        CredentialField("language", "Language", says_where_or_who=False),
        CredentialField("key", "Key", "secret"),
    )
    info = PsaInfo("harbour", "Harbour", fields, guide=())
    stored = {"address": "https://a.example", "language": "en", "key": "sealed"}

    refuse_unsaid_secrets(info, {"language": "de"}, stored)
    with pytest.raises(FieldErrors):
        refuse_unsaid_secrets(info, {"language": "de", "address": "b.example"}, stored)


@pytest.mark.parametrize("status", ["failing", "untested", "testing"])
def test_also_while_the_keys_do_not_work(connected: Integration, status: str) -> None:
    Integration.objects.update(status=status)

    assert refusal(connected, server_url="https://evil.example").code == "secret_needed"


def test_an_empty_secret_is_none(connected: Integration) -> None:
    assert refusal(connected, public_key="other", private_key="").code == "secret_needed"


def test_the_default_address_is_another_one_too(tenant: Tenant, sandbox: SandboxServer) -> None:
    integration = connect(tenant, sandbox, "kaseya_bms", server_url="https://bms.example")

    assert refusal(integration, server_url=" ").code == "secret_needed"


def test_another_scheme_or_port_is_another_address(connected: Integration) -> None:
    connected.credentials["server_url"] = "https://psa.example"
    connected.save()

    for other in ("http://psa.example", "https://psa.example:8443", "psa.example.evil.example"):
        assert refusal(connected, server_url=other).code == "secret_needed"


@pytest.mark.parametrize("spelling", ["{0}/", " {0}/v4_6_release/x?y#z ", "{1}"])
def test_another_spelling_of_the_same_is_no_change(
    connected: Integration, sandbox: SandboxServer, spelling: str
) -> None:
    typed = spelling.format(sandbox.url, sandbox.url.upper())

    change(connected, server_url=typed, company_id=" audit-demo ", public_key="demo\u200b")
    work_off()

    connected.refresh_from_db()
    assert (connected.status, connected.candidate) == ("connected", None)


def test_with_the_secret_it_is_tested_and_taken(connected: Integration) -> None:
    change(connected, public_key="no-tables", private_key="demo-private")
    work_off()

    connected.refresh_from_db()
    assert (connected.credentials["public_key"], connected.candidate) == ("no-tables", None)


def test_who_connects_again_types_the_secret(
    connected: Integration, sandbox: SandboxServer
) -> None:
    lifecycle.disconnect_integration(integration=connected, actor=None)
    typed = {**sandbox.credentials("connectwise"), "private_key": ""}

    with pytest.raises(FieldErrors) as refused:
        lifecycle.reconnect_integration(integration=connected, actor=None, credentials=typed)

    assert refused.value.code == "secret_needed"
    assert refused.value.errors == [
        {
            "field": "credentials.private_key",
            "code": "secret_needed",
            "message": "It was destroyed when this account was disconnected. Type it again.",
        }
    ]
    connected.refresh_from_db()
    assert connected.status == "disconnected"


def reconnect(integration: Integration, typed: dict[str, str]) -> Any:
    return lifecycle.reconnect_integration(integration=integration, actor=None, credentials=typed)


def test_only_the_same_account_is_connected_again(
    connected: Integration, sandbox: SandboxServer
) -> None:
    lifecycle.disconnect_integration(integration=connected, actor=None)
    keys = sandbox.credentials("connectwise")
    with pytest.raises(DomainError) as other:
        reconnect(connected, {**keys, "company_id": "other"})
    Integration.objects.update(credentials={})  # as an older release left it
    connected.refresh_from_db()
    with pytest.raises(DomainError) as unknown:
        reconnect(connected, {**keys, "company_id": "other"})

    reconnect(connected, keys)
    work_off()

    assert (other.value.code, unknown.value.code) == ("account_changed", "account_changed")
    connected.refresh_from_db()
    assert (connected.status, connected.disconnected_at) == ("connected", None)
    with pytest.raises(DomainError) as twice:
        reconnect(connected, keys)
    assert twice.value.code == "integration_exists"


# When a secret was typed, and by whom


def test_of_each_secret_is_kept_when_it_was_typed_and_by_whom(
    tenant: Tenant, alex: User, mia: User, sandbox: SandboxServer, time_machine: Any
) -> None:
    time_machine.move_to(NOON, tick=False)
    integration, _ = lifecycle.create_integration(
        tenant=tenant,
        actor=alex,
        psa="connectwise",
        credentials=sandbox.credentials("connectwise"),
    )
    work_off()
    first = saved_secrets([Integration.objects.get()])[integration.pk]
    later = NOON.replace(hour=15)
    time_machine.move_to(later, tick=False)
    change(integration, mia, private_key="demo-private")
    waiting = saved_secrets([Integration.objects.get()])[integration.pk]
    work_off()

    assert first == {"private_key": SavedSecret(NOON, alex)}
    assert waiting == first  # new keys count once they are in use
    integration.refresh_from_db()
    assert saved_secrets([integration])[integration.pk] == {"private_key": SavedSecret(later, mia)}


def test_of_older_ones_it_is_not_known(connected: Integration) -> None:
    Integration.objects.update(secrets_saved={})
    connected.refresh_from_db()

    assert saved_secrets([connected])[connected.pk] == {"private_key": SavedSecret(None, None)}


def test_people_cost_one_statement(connected: Integration, alex: User) -> None:
    change(connected, alex, private_key="demo-private")
    work_off()
    connected.refresh_from_db()

    assert queries(lambda: saved_secrets([connected] * 5)) == 1
