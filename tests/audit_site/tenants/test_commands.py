from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from django.core.management import CommandError, call_command
from rest_framework.test import APIClient

from audit_site.tenants.models import ApiToken, Membership, Tenant, User


def run(*arguments: str) -> Any:
    out = io.StringIO()
    call_command(*arguments, stdout=out)
    (line,) = out.getvalue().splitlines()
    return json.loads(line)


def test_create_tenant_prints_one_line_of_json(db: None) -> None:
    said = run(
        "create_tenant",
        "Acme MSP",
        "--admin-email",
        "A@Example.com",
        "--company-limit",
        "7",
        "--timezone",
        "Europe/Berlin",
        "--currency",
        "eur",
    )

    tenant, user = Tenant.objects.get(), User.objects.get()
    assert said["tenant"] == str(tenant.pk)
    assert said["user"] == str(user.pk)
    assert user.check_password(said["password"])
    assert user.email == "a@example.com"
    assert (tenant.company_limit, tenant.timezone, tenant.currency) == (7, "Europe/Berlin", "EUR")
    assert Membership.objects.get().role == "admin"


def test_a_given_password_and_a_known_person_print_none(db: None) -> None:
    given = run(
        "create_tenant", "A", "--admin-email", "a@example.com", "--password", "chosen-password-9"
    )
    known = run("create_tenant", "B", "--admin-email", "a@example.com")

    assert "password" not in given
    assert "password" not in known
    assert given["user"] == known["user"]
    assert User.objects.get().check_password("chosen-password-9")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--admin-email", "nobody"], "is not an e-mail address"),
        (["--admin-email", "a@b.example", "--timezone", "Moon/Base"], "is no time zone"),
        (["--admin-email", "a@b.example", "--currency", "dollars"], "ISO 4217"),
        (["--admin-email", "a@b.example", "--company-limit", "-1"], "fewer than no"),
    ],
)
def test_bad_input_is_a_sentence_and_nothing_is_made(
    db: None, arguments: list[str], said: str
) -> None:
    with pytest.raises(CommandError, match=said):
        run("create_tenant", "A", *arguments)

    assert not Tenant.objects.exists()
    assert not User.objects.exists()


def test_create_api_token_makes_the_user_and_keeps_only_a_hash(tenant: Tenant) -> None:
    said = run(
        "create_api_token",
        "--tenant",
        str(tenant.pk),
        "--email",
        "v@example.com",
        "--role",
        "viewer",
    )

    token = ApiToken.objects.get()
    assert said["token"] not in str(ApiToken.objects.values().get())
    assert token.scopes == ["read"]
    client = APIClient()
    client.credentials(HTTP_AUTHORIZATION=f"Bearer {said['token']}")
    assert client.get("/api/v1/me/").json()["role"] == "viewer"


def test_scopes_can_be_fewer_and_an_existing_role_stays(tenant: Tenant) -> None:
    common = ["create_api_token", "--tenant", str(tenant.pk), "--email", "a@example.com"]

    run(*common, "--role", "admin", "--scopes", "read, write")
    run(*common, "--role", "viewer")

    assert Membership.objects.get().role == "admin"
    assert ApiToken.objects.order_by("id").first().scopes == ["read", "write"]
    with pytest.raises(CommandError, match="Scopes are read, write, admin"):
        run(*common, "--role", "admin", "--scopes", "all")
    with pytest.raises(CommandError, match="no tenant"):
        run(
            "create_api_token",
            "--tenant",
            str(uuid4()),
            "--email",
            "a@b.example",
            "--role",
            "admin",
        )


@pytest.mark.parametrize("ending", ["", "\n", "\r\n", "\nwhat stands below\n"])
def test_a_password_comes_from_a_file(db: None, tmp_path: Path, ending: str) -> None:
    file = tmp_path / "password"
    file.write_text(f" chosen password 9{ending}", newline="")

    said = run("create_tenant", "A", "--admin-email", "a@example.com", "--password-file", str(file))

    assert set(said) == {"tenant", "user"}
    assert User.objects.get().check_password(" chosen password 9")


def test_a_password_comes_from_standard_input(db: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO("chosen-password-9\n"))

    run("create_tenant", "A", "--admin-email", "a@example.com", "--password-file", "-")

    assert User.objects.get().check_password("chosen-password-9")


@pytest.mark.parametrize(
    ("content", "said"), [(None, "can't be read"), ("", "no password"), ("\nx", "no password")]
)
def test_a_file_without_a_password_stops_the_command(
    db: None, tmp_path: Path, content: str | None, said: str
) -> None:
    file = tmp_path / "password"
    if content is not None:
        file.write_text(content)

    with pytest.raises(CommandError, match=said):
        run("create_tenant", "A", "--admin-email", "a@example.com", "--password-file", str(file))
    assert not Tenant.objects.exists()
