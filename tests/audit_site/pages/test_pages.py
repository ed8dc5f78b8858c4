"""What all pages share: where one starts, whose tenant it is, and what a browser may load."""

from __future__ import annotations

from django.test import Client

from audit_site.tenants.members import remove_member
from audit_site.tenants.models import Membership, Tenant, User
from companies.models import Company
from tests.clients import browser, text
from tests.factories import make_company, make_user


def test_the_start_is_home(alex: User) -> None:
    answer = browser(alex).get("/")

    assert answer.status_code == 200
    assert "<h1>Home</h1>" in text(answer)


def test_a_person_in_two_tenants_works_in_the_one_chosen(alex: User, other_tenant: Tenant) -> None:
    make_company(other_tenant, name="Of the other")
    Membership.objects.create(tenant=other_tenant, user=alex, role="viewer")
    client = browser(alex)

    assert "Of the other" not in text(client.get("/companies/"))
    client.post("/tenant/", {"tenant": str(other_tenant.pk)})
    assert "Of the other" in text(client.get("/companies/"))
    assert client.post("/companies/add/", {"name": "x"}).status_code == 403


def test_who_is_in_no_tenant_reads_that(db: None) -> None:
    client = Client()
    client.force_login(make_user())

    answer = client.get("/integrations/")

    assert answer.status_code == 403
    assert "<h1>You are in no account yet</h1>" in text(answer)


def test_nothing_is_inline_and_nothing_comes_from_elsewhere(alex: User) -> None:
    answer = browser(alex).get("/companies/")

    assert "unsafe-inline" not in answer["Content-Security-Policy"]
    assert "<style" not in text(answer)
    assert " style=" not in text(answer)
    assert " onclick" not in text(answer)
    assert "https://" not in text(answer)


def test_sign_up_is_closed(client: Client, db: None) -> None:
    answer = client.post(
        "/accounts/signup/", {"email": "x@example.com", "password1": "long-enough-1"}
    )

    assert answer.status_code in {200, 302, 403}
    assert not Membership.objects.exists()
    assert not Company.objects.exists()


def test_who_was_taken_out_reads_of_which_account(
    alex: User, mia: User, tenant: Tenant, other_tenant: Tenant
) -> None:
    Membership.objects.create(tenant=other_tenant, user=mia, role="viewer")
    client = browser(mia)
    client.post("/tenant/", {"tenant": str(tenant.pk)})
    remove_member(tenant=tenant, actor=alex, user=mia)

    with_another = client.post("/companies/add/", {"name": "x"})
    Membership.objects.filter(user=mia).delete()
    client.session.update({"tenant": str(tenant.pk)})
    alone = text(client.get("/companies/"))

    heading = f"<h1>You are no member of {tenant.name} any more</h1>"
    assert with_another.status_code == 403
    assert heading in text(with_another)
    assert "Go on in your other account" in text(with_another)
    assert heading in alone
    assert 'href="/account/you/">You</a>' in alone
    assert 'href="/accounts/logout/">Sign out</a>' in alone


def test_a_look_is_no_change(tenant: Tenant, alex: User, vic: User) -> None:
    looked = text(browser(vic).get("/account/people/"))
    changed = text(browser(vic).post("/account/people/", {}))

    assert "<h1>This page is for admins</h1>" in looked
    assert f"Your role in {tenant.name} is viewer. Ask an administrator:" in looked
    assert "<h1>This is not yours to change</h1>" in changed
    assert alex.email in looked
    assert alex.email in changed
