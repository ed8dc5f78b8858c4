"""Many rows at once: what goes in comes out, and nothing is cut to measure."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.db import DataError, connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from audit_site.db.bulk import AnyOf, bulk_upsert
from audit_site.tenants.models import Tenant
from companies.models import Company
from integrations.models import SyncEvent, SyncRun
from tests.factories import make_company, make_integration

ODD = ['"', "\\", "{}", "a,b", "NULL", "null", "", " ", "'; --", "%s", "é\U0001f600\n\t"]


@pytest.mark.parametrize("text", ODD)
def test_any_text_comes_out_as_it_went_in(tenant: Tenant, text: str) -> None:
    others = [Company(tenant=tenant, name=f"{other}x") for other in ODD]
    bulk_upsert(Company, [Company(tenant=tenant, name=text), *others])

    found = Company.objects.filter(AnyOf("name", [text, "nobody"]))

    assert [company.name for company in found] == [text]
    assert Company.objects.count() == len(ODD) + 1


@pytest.mark.parametrize(
    "value", [None, [], {}, {"a": ['"', "\\", None, 1.5, True, "é"]}, "text", 0, "null"]
)
def test_json_comes_out_as_it_went_in(tenant: Tenant, value: Any) -> None:
    run = SyncRun.objects.create(tenant=tenant, integration=make_integration(tenant))
    event = SyncEvent(tenant=tenant, run=run, kind="company", change="updated", after=value)

    bulk_upsert(SyncEvent, [event, SyncEvent(tenant=tenant, run=run, kind="line", change="gone")])

    kept = SyncEvent.objects.get(pk=event.pk)
    assert (kept.after, kept.before) == (value, None)
    assert SyncEvent.objects.filter(after__isnull=True).count() == (2 if value is None else 1)


def test_a_row_that_is_there_is_rewritten_and_says_when(tenant: Tenant) -> None:
    company = make_company(tenant, name="Before")
    Company.objects.update(updated_at=timezone.now() - timedelta(days=9))
    company.name = "After"
    new = Company(tenant=tenant, name="New")

    with CaptureQueriesContext(connection) as queries:
        bulk_upsert(Company, [company, new])

    assert len(queries) == 1
    rows = {row.pk: row for row in Company.objects.all()}
    assert {pk: row.name for pk, row in rows.items()} == {company.pk: "After", new.pk: "New"}
    assert all(row.updated_at > timezone.now() - timedelta(minutes=1) for row in rows.values())
    new.name = "Newer"
    new.save()  # an instance that was written knows that it is there
    assert Company.objects.count() == 2


def test_what_is_too_long_is_an_error_and_not_cut(tenant: Tenant) -> None:
    long = Company(tenant=tenant, name="x" * 256)

    if connection.vendor == "postgresql":
        with pytest.raises(DataError):
            bulk_upsert(Company, [long])
    else:  # SQLite does not mind length
        bulk_upsert(Company, [long])
        assert len(Company.objects.get().name) == 256


def test_the_character_that_no_database_has_a_place_for_is_an_error(tenant: Tenant) -> None:
    if connection.vendor == "postgresql":
        with pytest.raises(ValueError, match="NUL"):
            bulk_upsert(Company, [Company(tenant=tenant, name="\0")])
    else:
        bulk_upsert(Company, [Company(tenant=tenant, name="\0")])
        assert Company.objects.get().name == "\0"


def test_of_none_the_database_is_not_asked(tenant: Tenant) -> None:
    with CaptureQueriesContext(connection) as queries:
        bulk_upsert(Company, [])
        assert not Company.objects.filter(AnyOf("id", []))

    assert len(queries) == 0


def test_thousands_are_written_whole(tenant: Tenant) -> None:
    bulk_upsert(Company, [Company(tenant=tenant, name=f"{number}") for number in range(6_001)])

    names = Company.objects.values_list("name", flat=True)
    assert sorted(map(int, names)) == list(range(6_001))
