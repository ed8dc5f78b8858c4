"""An unchanged figure costs a 304, and everything that changes one changes its ETag."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from rest_framework.test import APIClient

from agreements import stored_mrr
from audit_site.tenants.models import Tenant
from companies.models import Company
from integrations.models import CompanyLink
from tests.clients import V1
from tests.factories import (
    make_agreement,
    make_company,
    make_integration,
    make_link,
    make_psa_company,
)

NOON = datetime(2026, 6, 15, 12, 0, tzinfo=UTC)


@pytest.fixture
def company(tenant: Tenant) -> Company:
    company = make_company(tenant)
    make_agreement(company, make_integration(tenant), amount="100")
    stored_mrr.refresh(tenant, [company.pk])
    return company


def test_an_unchanged_mrr_costs_a_304_and_computes_nothing(
    api: APIClient, company: Company
) -> None:
    paths = [
        f"{V1}/companies/{company.pk}/mrr/",
        f"{V1}/mrr/",
        f"{V1}/mrr/series/?from=2026-01&to=2026-12",
        f"{V1}/mrr/movement/?from=2026-01-01&to=2026-06-01",
    ]
    for path in paths:
        first = api.get(path)
        with CaptureQueriesContext(connection) as queries:
            again = api.get(path, headers={"If-None-Match": first["ETag"]})
        assert (first.status_code, again.status_code) == (200, 304), path
        assert again.content == b""
        assert again["ETag"] == first["ETag"]
        assert not [q for q in queries if "agreements_agreementline" in q["sql"]]


@pytest.mark.parametrize("what", ["choice", "sync", "day", "archive"])
def test_what_changes_a_figure_changes_its_etag(
    api: APIClient, company: Company, what: str, time_machine: Any
) -> None:
    path = f"{V1}/mrr/" if what == "archive" else f"{V1}/companies/{company.pk}/mrr/"
    etag = api.get(path)["ETag"]

    match what:
        case "choice":
            agreement = company.agreements.get()
            api.patch(f"{V1}/agreements/{agreement.pk}/choices/", {"exclude": True, "note": "No."})
        case "sync":
            company.agreements.update(amount="200")
            stored_mrr.refresh(company.tenant, [company.pk])
        case "day":
            time_machine.move_to(timezone.now() + timedelta(days=1))
        case "archive":
            api.delete(f"{V1}/companies/{company.pk}/")

    again = api.get(path, headers={"If-None-Match": etag})
    assert again.status_code == 200
    assert again["ETag"] != etag


@pytest.mark.parametrize("what", ["link", "unlink", "relink"])
def test_another_source_of_a_figure_changes_its_etag(
    api: APIClient, company: Company, what: str
) -> None:
    path = f"{V1}/companies/{company.pk}/mrr/"
    one, two = make_integration(company.tenant), make_integration(company.tenant)
    link = None if what == "link" else make_link(company, one)
    first = api.get(path)

    match what:
        case "link":
            target = {"integration": str(two.pk), "external_id": make_psa_company(two).external_id}
            assert api.post(f"{V1}/companies/{company.pk}/link/", target).status_code == 200
        case "unlink":
            assert api.post(f"{V1}/companies/{company.pk}/unlink/").status_code == 200
        case "relink":
            CompanyLink.objects.filter(pk=link.pk).update(unlinked_at=timezone.now())
            make_link(company, two)

    again = api.get(path, headers={"If-None-Match": first["ETag"]})
    assert again.status_code == 200
    sources = [answer.json()["source"]["integration"] for answer in (first, again)]
    assert (
        sources
        == {
            "link": [None, str(two.pk)],
            "unlink": [str(one.pk), None],
            "relink": [str(one.pk), str(two.pk)],
        }[what]
    )


def test_what_is_archived_changes_the_etag_whatever_the_clocks_say(
    api: APIClient, company: Company, time_machine: Any
) -> None:
    """Two web servers need not agree on the time."""
    time_machine.move_to(NOON, tick=False)
    other = make_company(company.tenant)
    make_agreement(other, make_integration(company.tenant), amount="7")
    stored_mrr.refresh(company.tenant, [company.pk, other.pk])
    answers: list[Any] = []

    def look(of: Company, status: str, seconds: int) -> None:
        time_machine.move_to(NOON + timedelta(seconds=seconds), tick=False)
        api.patch(f"{V1}/companies/{of.pk}/", {"status": status})
        etag = answers[-1]["ETag"] if answers else ""
        answers.append(api.get(f"{V1}/mrr/", headers={"If-None-Match": etag}))

    look(company, "archived", 2)
    look(other, "archived", 1)
    look(company, "active", 0)
    look(other, "active", 0)
    look(other, "active", 0)

    assert [answer.status_code for answer in answers] == [200, 200, 200, 200, 304]
    totals = [[total["amount"] for total in a.json()["totals"]] for a in answers[:4]]
    assert totals == [["7.00"], [], ["100.00"], ["107.00"]]
