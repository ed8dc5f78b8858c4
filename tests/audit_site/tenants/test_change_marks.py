"""What PostgreSQL notes of changes, and answers that are kept for as long as it notes none."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from rest_framework.test import APIClient

from agreements import stored_mrr
from audit_site.db import walls
from audit_site.privacy.contact_erasure import erase_contact
from audit_site.tenants import change_marks
from audit_site.tenants.change_marks import changes_of, marked_tables
from audit_site.tenants.models import ChangeMark, PeopleMark, Tenant, User
from companies.models import Company
from integrations.models import Integration, PsaCompanyRecord
from tests.clients import V1
from tests.factories import (
    make_agreement,
    make_api,
    make_company,
    make_integration,
    make_link,
    make_psa_company,
)
from tests.queries import queries

pytestmark = pytest.mark.postgres

LIST = f"{V1}/companies/"


@pytest.fixture(autouse=True)
def _counts_people(_needs_postgres: None, db: None) -> None:
    """A migration has made it, and tests that commit empty all tables."""
    PeopleMark.objects.get_or_create()


def changed(tenant: Tenant, act: Callable[[], Any]) -> bool:
    before = changes_of(tenant)
    act()
    return changes_of(tenant) != before


@pytest.fixture
def linked(tenant: Tenant) -> Company:
    """An audITee with everything that lists show."""
    company, integration = make_company(tenant, name="Acme"), make_integration(tenant)
    make_psa_company(integration, external_id="7")
    make_link(company, integration, external_id="7")
    make_agreement(company, integration, amount="100.00")
    stored_mrr.verify([tenant.pk], mend=True)
    return company


def test_all_tables_that_say_so_note_each_kind_of_change(db: None) -> None:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT tgrelid::regclass::text, array_agg(tgname::text ORDER BY tgname) FROM pg_trigger"
            " WHERE starts_with(tgname::text, 'note_') GROUP BY 1"
        )
        found = dict(cursor.fetchall())

    assert found == {
        table: ["note_delete", "note_insert", "note_update"]
        for table in (
            "agreements_agreement", "agreements_companybook", "agreements_companymrr",
            "companies_company",
            "companies_contact", "companies_primarychoice", "integrations_companylink",
            "integrations_importlistvisit", "integrations_integration",
            "integrations_linksuggestion", "integrations_psacompanyrecord",
            "integrations_psacontactrecord",
        )
    } | {"tenants_user": ["note_names"]}  # fmt: skip


def test_no_change_goes_unnoticed_whichever_way_it_is_made(
    linked: Company, other_tenant: Tenant
) -> None:
    tenant, records = linked.tenant, PsaCompanyRecord.objects.all()
    theirs = changes_of(other_tenant)

    def by_hand() -> None:
        with connection.cursor() as cursor:
            cursor.execute("UPDATE companies_contact SET phone = '1'")

    assert changed(tenant, lambda: Company.objects.update(name="Acme 2"))
    assert changed(tenant, by_hand)
    assert changed(tenant, lambda: records.bulk_update([*records], ["name"]))
    assert changed(tenant, lambda: make_company(tenant))
    assert changed(tenant, lambda: records.all()._raw_delete("default"))
    assert not changed(tenant, lambda: Company.objects.filter(name="nobody").update(name="x"))
    assert not changed(tenant, lambda: make_company(other_tenant))
    assert changes_of(other_tenant) != theirs


def test_the_name_of_a_person_is_noted_for_everybody(tenant: Tenant, alex: User) -> None:
    assert changed(tenant, lambda: User.objects.filter(pk=alex.pk).update(name="Alexandra"))
    assert changed(tenant, lambda: User.objects.filter(pk=alex.pk).update(email="a@b.example"))
    alex.refresh_from_db()
    alex.last_login = timezone.now()
    assert not changed(tenant, alex.save)


def test_summing_up_changes_nothing_that_is_told(
    tenant: Tenant, other_tenant: Tenant, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(change_marks, "MOST_MARKS", 5)
    for _ in range(7):
        make_company(tenant)
    make_company(other_tenant)
    told = changes_of(tenant), changes_of(other_tenant)
    few = ChangeMark.objects.filter(tenant=other_tenant).count()

    with walls.as_owner():
        change_marks.sum_up_marks()

    assert ChangeMark.objects.filter(tenant=tenant).count() == 1
    assert ChangeMark.objects.filter(tenant=other_tenant).count() == few
    assert (changes_of(tenant), changes_of(other_tenant)) == told
    assert changed(tenant, lambda: make_company(tenant))


@pytest.mark.django_db(transaction=True)
def test_what_is_committed_late_is_noted_late(tenant: Tenant) -> None:
    """The earlier mark of a transaction that ends last is not taken for the later one's."""
    company = make_company(tenant)
    PeopleMark.objects.get_or_create()
    other = connection.copy()
    try:
        other.set_autocommit(False)
        with walls.as_owner(), other.cursor() as cursor:
            cursor.execute("UPDATE companies_company SET name = 'late'")
            company.contacts.update(phone="2")
            told = changes_of(tenant)
            other.commit()
    finally:
        other.close()

    assert told is not None
    assert changes_of(tenant) not in {None, told}


def test_a_table_that_lost_its_notes_gets_them_again(db: None) -> None:
    with connection.cursor() as cursor:
        cursor.execute("DROP TRIGGER note_update ON companies_company")

    change_marks.build_marks(using="default")

    test_all_tables_that_say_so_note_each_kind_of_change(None)
    assert queries(lambda: change_marks.build_marks(using="default")) == 1


# Answers


@pytest.fixture(params=["companies", "import list"])
def path(request: pytest.FixtureRequest, linked: Company) -> str:
    integration = Integration.objects.get()
    return (
        LIST
        if request.param == "companies"
        else f"{V1}/integrations/{integration.pk}/psa-companies/"
    )


def test_a_list_reads_nothing_whose_changes_are_not_noted(api: APIClient, path: str) -> None:
    """What the key of a kept answer holds by itself: who asks, their tenant, the marks."""
    for query in ("", "?search=a", "?linked=true", "?reason=inactive", "?ordering=-mrr"):
        with CaptureQueriesContext(connection) as captured:
            api.get(path + query)
        read = {
            table
            for one in captured
            for table in re.findall(r'(?:FROM|JOIN|INTO|UPDATE) "(\w+)"', one["sql"])
        }
        assert read <= marked_tables() | {
            "tenants_apitoken", "tenants_membership", "tenants_tenant",
            "tenants_changemark", "tenants_peoplemark",
            "shared_cache",  # how often who asks
        }, query  # fmt: skip


def test_a_list_is_sent_as_it_was_until_something_changes(
    api: APIClient, linked: Company, path: str
) -> None:
    first = api.get(path)
    assert queries(lambda: api.get(path)) == 2
    assert api.get(path).content == first.content
    assert api.get(path)["ETag"] == first["ETag"]
    assert api.get(path, headers={"If-None-Match": first["ETag"]}).status_code == 304

    Company.objects.update(name="Renamed")
    PsaCompanyRecord.objects.update(name="Renamed", status="Other")
    after = api.get(path)

    assert b"Renamed" in after.content
    assert after["ETag"] != first["ETag"]
    assert api.get(path, headers={"If-None-Match": first["ETag"]}).status_code == 200


def test_what_is_kept_for_one_is_not_sent_to_another(
    api: APIClient, tenant: Tenant, other_tenant: Tenant, linked: Company
) -> None:
    mine = api.get(LIST).json()["results"]
    viewer = make_api(tenant, "viewer")
    theirs = viewer.get(LIST).json()["results"]

    assert [row["can"] for row in theirs] == [[]]
    assert "sync" in mine[0]["can"]
    assert make_api(other_tenant).get(LIST).json()["results"] == []
    assert api.get(LIST).json()["results"] == mine


def test_another_query_is_another_answer(api: APIClient, linked: Company) -> None:
    assert [row["name"] for row in api.get(LIST).json()["results"]] == ["Acme"]
    assert api.get(LIST, {"search": "zebra"}).json()["results"] == []
    assert api.get(LIST, HTTP_ACCEPT="application/json; indent=2").content.startswith(b"{\n")
    assert not api.get(LIST).content.startswith(b"{\n")


def test_a_pause_that_ends_by_itself_ends_in_a_kept_list(
    api: APIClient, linked: Company, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = timezone.now()
    Integration.objects.update(on_pause_since=now, on_pause_until=now + timedelta(hours=1))
    assert "sync" not in api.get(LIST).json()["results"][0]["can"]

    monkeypatch.setattr(timezone, "now", lambda: now + timedelta(hours=2))

    assert "sync" in api.get(LIST).json()["results"][0]["can"]


def test_a_new_day_is_another_answer(
    api: APIClient, linked: Company, monkeypatch: pytest.MonkeyPatch
) -> None:
    api.get(LIST)
    monkeypatch.setattr(Tenant, "today", lambda _, at=None: timezone.now().date() + timedelta(9))

    assert queries(lambda: api.get(LIST)) > 2


def test_what_was_erased_is_in_no_kept_answer(api: APIClient, linked: Company, alex: User) -> None:
    contact = linked.contacts.get()
    contact.email = "ada@erased.example"
    contact.save()
    mrr = f"{LIST}{linked.pk}/mrr/"
    assert b"ada@erased.example" in api.get(LIST).content
    etag = api.get(mrr)["ETag"]

    erase_contact(contact=contact, actor=alex)

    assert b"ada@erased.example" not in api.get(LIST).content
    assert api.get(mrr)["ETag"] != etag
