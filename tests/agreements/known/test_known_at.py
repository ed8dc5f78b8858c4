"""What is asked for as known at a moment is what was answered at that moment."""

from __future__ import annotations

from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from rest_framework.test import APIClient

from agreements import stored_mrr
from agreements.causes import caused_by
from agreements.decisions import choose
from agreements.models import Agreement, AgreementLine, BookPiece, BookVersion, CompanyBook
from agreements.typed import change_agreement, remove_agreement
from audit_site.tenants.models import Tenant
from companies import services
from companies.models import Company
from tests.agreements.known.moments import HOUR, NOON, sync, text
from tests.clients import V1, problem
from tests.factories import (
    make_api,
    make_typed,
)


def test_a_figure_is_told_as_it_was_known(
    line: AgreementLine, api: APIClient, time_machine: Any
) -> None:
    address = f"{V1}/companies/{line.agreement.company_id}/mrr/"
    first = api.get(address).json()
    time_machine.move_to(NOON + HOUR, tick=False)
    sync(line, unit_price="3100")
    second = api.get(address).json()
    time_machine.move_to(NOON + 2 * HOUR, tick=False)

    then = api.get(address, {"known_at": text(NOON + HOUR / 2)}).json()
    now = api.get(address, {"known_at": text(NOON + 2 * HOUR)}).json()

    assert [money["amount"] for money in first["totals"]] == ["150.00"]
    assert [money["amount"] for money in second["totals"]] == ["3150.00"]
    assert then.pop("known_at") == text(NOON + HOUR / 2)
    assert then.pop("is_known") is True
    assert then == first
    assert (now.pop("known_at"), now.pop("is_known")) == (text(NOON + 2 * HOUR), True)
    assert now == second


def test_the_agreements_of_a_company_are_listed_as_they_were_known(
    line: AgreementLine, api: APIClient, time_machine: Any, django_assert_max_num_queries: Any
) -> None:
    company, psas = line.agreement.company, line.agreement
    address = f"{V1}/companies/{company.pk}/agreements/"

    def listed(hours: float, **query: Any) -> list[dict[str, Any]]:
        """As they are then; what can be done with them is of now alone."""
        time_machine.move_to(NOON + hours * HOUR, tick=False)
        found: list[dict[str, Any]] = api.get(address, query).json()["results"]
        return [{**row, "can": []} for row in found]

    first = listed(0.5)
    time_machine.move_to(NOON + HOUR, tick=False)
    typed = make_typed(company, actor=api.user, note="By mail")  # aside: the company is linked
    second = listed(1.5)
    time_machine.move_to(NOON + 2 * HOUR, tick=False)
    change_agreement(
        agreement=typed, actor=api.user, changes={"amount": "600.00", "note": "By phone"}
    )
    sync(line, unit_price="3100")
    third = listed(2.5)
    time_machine.move_to(NOON + 3 * HOUR, tick=False)
    remove_agreement(agreement=typed, actor=api.user)
    Agreement.objects.filter(pk=psas.pk).update(name="Otherwise", status="Ended", active=False)
    stored_mrr.refresh(company.tenant, [company.pk])

    moments = [text(NOON + (hour + 0.5) * HOUR) for hour in range(3)]
    assert [listed(4, known_at=moment) for moment in moments] == [first, second, third]
    assert [row["mrr"]["amount"] for row in third] == ["3150.00", "0.00"]
    assert third[1]["typed"] | {"by": "", "changed_by": ""} == {
        "amount": "600.00", "note": "By phone", "by": "", "at": text(NOON + HOUR),
        "changed_by": "", "changed_at": text(NOON + 2 * HOUR), "set_aside_at": text(NOON + HOUR),
    }  # fmt: skip
    assert listed(4, known_at=text(NOON - HOUR)) == []
    with django_assert_max_num_queries(12):
        page = api.get(address, {"known_at": moments[2], "page_size": 1}).json()
    assert (page["results"][0]["can"], page["previous"]) == ([], None)
    following = api.get(page["next"]).json()
    assert [row["id"] for row in following["results"]] == [str(typed.pk)]
    assert following["next"] is None


def test_a_refresh_that_changes_nothing_keeps_nothing(line: AgreementLine) -> None:
    before = BookVersion.objects.count(), BookPiece.objects.count()

    sync(line, unit_price="100")

    assert (BookVersion.objects.count(), BookPiece.objects.count()) == before == (1, 2)


def test_only_the_piece_that_differs_is_kept_anew(line: AgreementLine, time_machine: Any) -> None:
    time_machine.move_to(NOON + HOUR, tick=False)

    sync(line, unit_price="3100")

    assert BookVersion.objects.count() == 2
    pieces = sorted(BookPiece.objects.all(), key=lambda p: (p.agreement is not None, p.known_from))
    frame, first, second = pieces
    assert (frame.agreement, frame.known_to) == (None, None)
    assert (first.known_to, second.known_from) == (NOON + HOUR, NOON + HOUR)
    assert (second.known_to, first.base) == (None, None)


def test_versions_say_what_changed_and_by_how_much(
    line: AgreementLine, api: APIClient, time_machine: Any
) -> None:
    time_machine.move_to(NOON + HOUR, tick=False)
    sync(line, unit_price="3100")
    time_machine.move_to(NOON + 2 * HOUR, tick=False)
    choose(agreement=line.agreement, line=line, actor=api.user, changes={"exclude": True}, note="x")

    answer = api.get(f"{V1}/companies/{line.agreement.company_id}/versions/").json()

    shown = [
        (
            row["known_from"],
            row["known_to"],
            row["cause"]["kind"],
            [money["amount"] for money in row["mrr_before"]],
            [money["amount"] for money in row["mrr_after"]],
        )
        for row in answer["results"]
    ]
    assert shown == [
        (text(NOON + 2 * HOUR), None, "choice", ["3150.00"], ["50.00"]),
        (text(NOON + HOUR), text(NOON + 2 * HOUR), "sync", ["150.00"], ["3150.00"]),
        (text(NOON), text(NOON + HOUR), "sync", [], ["150.00"]),
    ]
    assert answer["results"][0]["cause"] == {
        "kind": "choice",
        "run": None,
        "user": str(api.user.pk),
        "name": str(api.user),
    }
    assert answer["results"][1]["mrr_after"][0]["average"] == {
        "trailing12": "3150.00",
        "forward12": "3150.00",
    }


def test_versions_take_the_same_queries_whatever_their_number(
    line: AgreementLine, api: APIClient, time_machine: Any
) -> None:
    address, counts = f"{V1}/companies/{line.agreement.company_id}/versions/", []
    api.get(address)  # which notes that the token is used
    for number in range(1, 7):
        time_machine.move_to(NOON + number * HOUR, tick=False)
        sync(line, unit_price=str(100 + number))
        with CaptureQueriesContext(connection) as queries:
            api.get(address)
        counts.append(len(queries))

    assert len(set(counts)) == 1


def test_what_is_marked_is_kept_before_anybody_is_answered_from_it(
    line: AgreementLine, api: APIClient, time_machine: Any
) -> None:
    company = line.agreement.company
    address = f"{V1}/companies/{company.pk}/mrr/"
    time_machine.move_to(NOON + HOUR, tick=False)
    AgreementLine.objects.filter(pk=line.pk).update(unit_price="200")
    with caused_by("sync", name="mid-sync"):
        stored_mrr.mark_stale(company.tenant, [company.pk])
    seen = api.get(address).json()
    time_machine.move_to(NOON + 2 * HOUR, tick=False)
    sync(line, unit_price="300")

    then = api.get(address, {"known_at": text(NOON + HOUR + HOUR / 2)}).json()

    assert [money["amount"] for money in seen["totals"]] == ["250.00"]
    assert then["ledger"] == seen["ledger"]
    assert then["totals"] == seen["totals"]
    names = BookVersion.objects.order_by("known_from").values_list("name", flat=True)
    assert [*names] == ["ConnectWise", "mid-sync", "ConnectWise"]


@pytest.mark.parametrize(
    "moment",
    ["2026-06-15", "2026-06-15T12:00:00", "2026-02-30T12:00:00Z", "now", "2026-06-15T13:00:00Z"],
)
@pytest.mark.parametrize("path", ["mrr/", "mrr/series/?from=2026-01&to=2026-02", "company"])
def test_a_moment_that_can_not_be_is_a_400_at_its_field(
    line: AgreementLine, api: APIClient, moment: str, path: str
) -> None:
    if path == "company":
        path = f"companies/{line.agreement.company_id}/mrr/"
    sign = "&" if "?" in path else "?"

    answer = api.get(f"{V1}/{path}{sign}known_at={moment}")

    assert problem(answer) == (400, "invalid_parameter")
    assert [error["field"] for error in answer.json()["errors"]] == ["known_at"]


def test_before_anything_was_known_the_answer_is_empty_and_says_so(
    line: AgreementLine, api: APIClient
) -> None:
    before = {"known_at": text(NOON - HOUR)}
    address = f"{V1}/companies/{line.agreement.company_id}/mrr/"

    company = api.get(address, before).json()
    tenant = api.get(f"{V1}/mrr/", before).json()

    assert (company["totals"], company["ledger"], company["is_known"]) == ([], [], False)
    assert (tenant["totals"], tenant["companies"], tenant["is_known"]) == ([], 0, False)


def test_an_archived_company_counts_as_long_as_it_was_active(
    line: AgreementLine, api: APIClient, time_machine: Any
) -> None:
    company: Company = line.agreement.company
    time_machine.move_to(NOON + HOUR, tick=False)
    services.archive_company(company=company, actor=None)
    time_machine.move_to(NOON + 2 * HOUR, tick=False)
    services.restore_company(company=company, actor=None)
    time_machine.move_to(NOON + 3 * HOUR, tick=False)

    def known(hours: float) -> list[str]:
        found = api.get(f"{V1}/mrr/", {"known_at": text(NOON + hours * HOUR)}).json()
        return [money["amount"] for money in found["totals"]]

    assert [known(hours) for hours in (0.5, 1.5, 2.5)] == [["150.00"], [], ["150.00"]]


def test_a_past_moment_has_the_same_etag_for_ever(
    line: AgreementLine, api: APIClient, time_machine: Any
) -> None:
    address = f"{V1}/companies/{line.agreement.company_id}/mrr/?known_at={text(NOON)}"
    first = api.get(address)
    time_machine.move_to(NOON + 30 * HOUR, tick=False)
    sync(line, unit_price="3100")

    assert api.get(address)["ETag"] == first["ETag"]
    assert api.get(address, HTTP_IF_NONE_MATCH=first["ETag"]).status_code == 304


def test_versions_of_another_tenants_company_are_not_found(
    line: AgreementLine, other_tenant: Tenant
) -> None:
    stranger = make_api(other_tenant)
    pk = line.agreement.company_id

    assert stranger.get(f"{V1}/companies/{pk}/versions/").status_code == 404
    assert stranger.get(f"{V1}/companies/{pk}/mrr/?known_at={text(NOON)}").status_code == 404
    assert stranger.get(f"{V1}/mrr/?known_at={text(NOON)}").json()["totals"] == []


def test_what_is_not_kept_as_it_is_is_a_difference_that_is_mended(
    line: AgreementLine, time_machine: Any
) -> None:
    """As somebody leaves it who changes rows past all services."""
    tenant = line.tenant
    assert not stored_mrr.verify([tenant.pk], mend=False)
    AgreementLine.objects.filter(pk=line.pk).update(description="Firewall")
    time_machine.move_to(NOON + HOUR, tick=False)

    assert stored_mrr.verify([tenant.pk], mend=False)[tenant.pk].companies
    assert stored_mrr.verify([tenant.pk], mend=True)[tenant.pk].companies

    assert not stored_mrr.verify([tenant.pk], mend=False)
    kinds = BookVersion.objects.order_by("known_from").values_list("kind", flat=True)
    assert [*kinds] == ["sync", "repair"]


def test_who_mends_books_that_no_release_has_kept_keeps_them_once(
    line: AgreementLine, tenant: Tenant
) -> None:
    BookPiece.objects.all().delete()
    BookVersion.objects.all().delete()
    CompanyBook.objects.update(kept_from=None, kept_digest="", kept_edition=0)

    assert not stored_mrr.verify([tenant.pk], mend=False), "it waits for the clock"
    stored_mrr.verify([tenant.pk], mend=True)
    stored_mrr.verify([tenant.pk], mend=True)

    assert stored_mrr.pass_days() == 0
    assert BookVersion.objects.count() == 1
