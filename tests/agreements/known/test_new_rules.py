"""The time after a release with other rules: readers are answered, and the clock works books out."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from decimal import Decimal
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from rest_framework.test import APIClient

from agreements import mrr, stored_mrr
from agreements.figures import tenant_figure
from agreements.known import editions
from agreements.known.editions import Rules
from agreements.models import Agreement, AgreementLine, BookPiece, BookVersion, CompanyBook
from agreements.mrr.edition import EDITION
from audit_site.tenants.models import User
from companies.models import Company
from companies.services import archive_company
from tests.agreements.known.moments import HOUR, NOON, text
from tests.agreements.known.test_editions import changed_engine
from tests.clients import V1, browser
from tests.clients import text as html
from tests.factories import make_agreement, make_company

FORMER, NEW = EDITION + 1, EDITION + 2


@pytest.fixture
def other(line: AgreementLine, time_machine: Any) -> Iterator[Company]:
    """A company at 7.00 beside that of `line` at 150.00, and an archived one; all are kept by rules
    by which all counts twice, which a release has just replaced by those of today.
    """
    other, archived = make_company(line.tenant), make_company(line.tenant)
    make_agreement(other, line.agreement.integration, amount="7")
    make_agreement(archived, line.agreement.integration, amount="1000")
    archive_company(company=archived, actor=None)
    with ExitStack() as releases:
        releases.enter_context(editions.in_force(Rules(FORMER, changed_engine())))
        stored_mrr.refresh(line.tenant, [line.agreement.company_id, other.pk, archived.pk])
        releases.enter_context(editions.in_force(Rules(NEW, mrr)))
        time_machine.move_to(NOON + HOUR, tick=False)
        yield other


def total(api: APIClient, **query: str) -> tuple[str, int]:
    found = api.get(f"{V1}/mrr/", query).json()
    return found["totals"][0]["amount"], found["companies"]


def closing(api: APIClient, **query: str) -> str:
    """Of a movement from before anything counted until today; each answer is asked for once."""
    days = {"from": "2024-12-31", "to": "2026-06-15"}
    (bridge,) = api.get(f"{V1}/mrr/movement/", {**days, **query}).json()["currencies"]
    assert bridge["new"] == bridge["closing"]
    return str(bridge["closing"])


def exported(user: User) -> list[str]:
    """The closing of the movement, and a month of the series, as they are downloaded."""
    client = browser(user)
    days = {"from": "2024-12-31", "to": "2026-06-15"}
    moved = html(client.get(reverse("agreements:movement-csv"), days)).splitlines()
    months = html(client.get(reverse("agreements:series-csv"))).splitlines()
    return [moved[-1], next(month for month in months if month.startswith("2026-06"))]


def editions_now() -> list[int]:
    return sorted(CompanyBook.objects.values_list("kept_edition", flat=True))


def test_no_request_works_all_books_out(
    other: Company, line: AgreementLine, api: APIClient, alex: User
) -> None:
    """Who asks for all is answered by the former rules, whole; who asks for one by the new ones."""
    versions = BookVersion.objects.count()
    known = text(NOON + HOUR)

    with CaptureQueriesContext(connection) as queries:
        assert total(api) == ("314.00", 2)
    written = [q["sql"] for q in queries if q["sql"].startswith(("INSERT", "UPDATE"))]
    assert [sql for sql in written if "agreements_" in sql] == []
    assert total(api, known_at=known) == ("314.00", 2)
    (ours,) = tenant_figure(line.tenant, integration_id=line.agreement.integration_id).totals
    assert ours["amount"] == "314.00"
    assert tenant_figure(line.tenant, integration_id=other.pk).totals == []
    months = {"from": "2026-06", "to": "2026-06"}
    (month,) = api.get(f"{V1}/mrr/series/", months).json()["months"]
    assert month["recognized"] == [{"currency": "USD", "amount": "314.00"}]
    assert closing(api) == closing(api, known_from=known) == "314.00"
    assert exported(alex) == [f"closing,,USD,314.00,{known}", f"2026-06,USD,314.00,{known}"]
    assert "The figures of 2 audITees in these sums" in html(browser(alex).get("/mrr/"))
    assert (BookVersion.objects.count(), editions_now()) == (versions, [FORMER] * 3)

    assert api.get(f"{V1}/companies/{other.pk}/mrr/").json()["totals"][0]["amount"] == "7.00"

    assert editions_now() == [FORMER, FORMER, NEW]
    assert total(api) == total(api, known_at=known) == ("307.00", 2)
    CompanyBook.objects.filter(kept_edition=FORMER).update(next_change=NOON.date())
    assert stored_mrr.pass_days() == 2, "the new day comes with the new rules"
    assert stored_mrr.pass_days() == 0
    assert total(api) == total(api, known_at=known) == ("157.00", 2)
    assert "in these sums" not in html(browser(alex).get("/mrr/"))
    assert stored_mrr.verify([line.tenant_id], mend=False) == {}


def test_of_many_marked_books_a_reader_of_all_waits_for_few(
    other: Company,
    line: AgreementLine,
    api: APIClient,
    monkeypatch: pytest.MonkeyPatch,
    time_machine: Any,
) -> None:
    """The others are answered as they are kept, which is what was answered then for ever."""
    monkeypatch.setattr("agreements.stored_mrr.waiting.MOST_FOR_A_READER", 1)
    companies = [other.pk, line.agreement.company_id]
    Agreement.objects.filter(company=other).update(amount=Decimal(8))
    stored_mrr.mark_stale(line.tenant, companies)
    mixed = "308.00" if min(companies) == other.pk else "164.00"

    assert total(api) == (mixed, 2)

    assert editions_now() == [FORMER, FORMER, NEW]
    time_machine.move_to(NOON + 2 * HOUR, tick=False)
    assert total(api) == ("158.00", 2)
    assert total(api, known_at=text(NOON + HOUR)) == (mixed, 2)
    assert stored_mrr.pass_days() == 1, "the archived one"


def test_nothing_is_missing_in_an_export_while_books_are_not_kept_yet(
    other: Company, alex: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As after the first release that keeps books: what can't be asked for again names no moment."""
    BookPiece.objects.all().delete()
    BookVersion.objects.all().delete()
    CompanyBook.objects.update(kept_from=None, kept_digest="", kept_edition=0)
    monkeypatch.setattr("agreements.stored_mrr.waiting.MOST_FOR_A_READER", 0)

    assert exported(alex) == ["closing,,USD,157.00,", "2026-06,USD,157.00,"]

    assert (BookVersion.objects.count(), editions_now()) == (0, [0, 0, 0])
    monkeypatch.undo()
    known = text(NOON + HOUR)
    assert exported(alex) == [f"closing,,USD,157.00,{known}", f"2026-06,USD,157.00,{known}"]


def test_the_clock_goes_on_behind_each_slice_and_each_book_that_fails(
    other: Company,
    line: AgreementLine,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setattr("agreements.stored_mrr.passes.CHUNK", 2)
    tenant, bad = line.tenant, line.agreement.company_id
    more = [make_company(tenant) for _ in range(2)]
    for company in more:
        make_agreement(company, line.agreement.integration, amount="1")
        stored_mrr.refresh(tenant, [company.pk])
    CompanyBook.objects.update(kept_edition=FORMER)
    AgreementLine.objects.filter(pk=line.pk).update(units="no list")  # where nobody notices

    assert stored_mrr.pass_days() == 4

    assert editions_now() == [FORMER, NEW, NEW, NEW, NEW]
    errors = [record.getMessage() for record in caplog.records if record.levelname == "ERROR"]
    assert errors == [f"MRR of company {bad} could not be worked out"]
    AgreementLine.objects.filter(pk=line.pk).update(units=None)
    assert stored_mrr.pass_days() == 1
    assert editions_now() == [NEW] * 5
