from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from allauth.account.models import EmailAddress
from django.core.management import CommandError, call_command
from rest_framework.test import APIClient

from audit_site.tenants.models import ApiToken, Invitation, Membership, Tenant, User
from tests.clients import browser
from tests.factories import PASSWORD, make_user


def run(*arguments: str) -> Any:
    out = io.StringIO()
    call_command(*arguments, stdout=out, stderr=io.StringIO())
    (line,) = out.getvalue().splitlines()
    return json.loads(line)


def said_by(*arguments: str) -> str:
    """What a command says to whoever runs it, beside its JSON."""
    err = io.StringIO()
    call_command(*arguments, stdout=io.StringIO(), stderr=err)
    return err.getvalue().strip()


def test_create_tenant_prints_one_line_of_json_and_invites_its_admin(db: None) -> None:
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
    assert said == {"tenant": str(tenant.pk), "user": str(user.pk), "invited": True}
    assert (user.email, user.has_usable_password()) == ("a@example.com", False)
    assert (tenant.company_limit, tenant.timezone, tenant.currency) == (7, "Europe/Berlin", "EUR")
    assert not Membership.objects.exists()
    assert Invitation.objects.values_list("tenant", "email", "role").get() == (
        tenant.pk,
        "a@example.com",
        "admin",
    )


def test_a_new_person_with_a_password_is_admin_at_once(db: None) -> None:
    said = run(
        "create_tenant", "A", "--admin-email", "a@example.com", "--password", "chosen-password-9"
    )

    user = User.objects.get()
    assert set(said) == {"tenant", "user"}
    assert user.check_password("chosen-password-9")
    assert Membership.objects.values_list("user", "role").get() == (user.pk, "admin")
    assert EmailAddress.objects.values_list("email", "verified", "primary").get() == (
        "a@example.com",
        True,
        True,
    )
    assert not Invitation.objects.exists()


@pytest.mark.parametrize(
    ("password", "more"),
    [
        ([], ""),
        (["--password", "another-pass-9"], " The password was not used: they have an account."),
    ],
)
def test_who_is_known_is_admin_of_a_new_tenant_only_by_accepting(
    vic: User, password: list[str], more: str
) -> None:
    arguments = ("create_tenant", "B", "--admin-email", "VIC@example.com", *password)

    assert said_by(*arguments) == (
        "vic@example.com is known: they are admin once they accept the invitation sent to them."
        + more
    )

    vic.refresh_from_db()
    assert vic.check_password(PASSWORD)
    assert [m.role for m in Membership.objects.all()] == ["viewer"]
    assert Invitation.objects.get().tenant.name == "B"
    assert run(*arguments)["user"] == str(vic.pk)


def test_who_claims_an_address_without_proof_gets_no_tenant_of_its_owner(vic: User) -> None:
    """The attack: a viewer signs in with an address of somebody who is yet to come."""
    vic.email = "owner@new-msp.example"
    vic.save()
    EmailAddress.objects.update(email=vic.email, verified=False)

    run("create_tenant", "New MSP", "--admin-email", "owner@new-msp.example")

    assert not Membership.objects.filter(tenant__name="New MSP").exists()
    with pytest.raises(CommandError, match="is known and no member"):
        run(
            "create_api_token",
            "--tenant",
            str(Tenant.objects.get(name="New MSP").pk),
            "--email",
            "owner@new-msp.example",
            "--role",
            "admin",
        )
    assert not ApiToken.objects.exists()
    assert [m.tenant.name for m in Membership.objects.all()] == [vic.memberships.get().tenant.name]


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


def test_a_viewer_who_asks_for_an_unused_address_is_admin_of_nothing(vic: User) -> None:
    """The attack as it is done: add an address, make it primary, and wait."""
    page, theirs = browser(vic), "owner@new-msp.example"
    for act in ("action_add", "action_primary"):
        page.post("/accounts/email/", {act: "", "email": theirs})

    run("create_tenant", "New MSP", "--admin-email", theirs)

    assert [m.role for m in vic.memberships.all()] == ["viewer"]
    assert Invitation.objects.get().email == theirs


def test_a_token_for_who_was_invited_as_the_first_admin(db: None) -> None:
    """An account that nobody can sign in to, and that is in no tenant, is nobody's yet."""
    made = run("create_tenant", "A", "--admin-email", "a@example.com")
    other = run("create_tenant", "B", "--admin-email", "b@example.com")
    token = ["create_api_token", "--email", "a@example.com", "--role", "admin", "--tenant"]

    run(*token, made["tenant"])

    assert ApiToken.objects.get().user == User.objects.get(email="a@example.com")
    with pytest.raises(CommandError, match="is known and no member"):
        run(*token, other["tenant"])


def test_a_token_for_who_is_known_elsewhere_is_an_invitation(tenant: Tenant) -> None:
    make_user(email="known@example.com")
    command = ["create_api_token", "--tenant", str(tenant.pk), "--email", "Known@example.com"]

    for _ in range(2):
        with pytest.raises(CommandError) as refused:
            run(*command, "--role", "member")

    assert str(refused.value) == (
        "Known@example.com is known and no member of this tenant: an invitation goes to them. "
        "Make the token once they have accepted."
    )
    assert not ApiToken.objects.exists()
    assert not Membership.objects.exists()
    assert Invitation.objects.values_list("email", "role").get() == ("known@example.com", "member")


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
