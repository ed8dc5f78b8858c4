"""A new edition of the rules changes nothing of what was said under the former one."""

from __future__ import annotations

from datetime import date, timedelta
from types import SimpleNamespace
from typing import Any

import msgspec
import pytest
from rest_framework.test import APIClient

from agreements import books, mrr, stored_mrr
from agreements.known import editions
from agreements.known.editions import Rules
from agreements.models import Agreement, AgreementLine, BookVersion, CompanyBook
from agreements.mrr.edition import EDITION
from tests.agreements.known.moments import HOUR, NOON, text
from tests.clients import V1
from tests.factories import make_agreement, make_company, make_line


def changed_engine() -> Any:
    """Rules by which every row counts twice."""

    def prepare(book: mrr.Book) -> list[mrr.Prepared]:
        prepared = mrr.prepare(book)
        for row in (row for item in prepared for row in item.rows):
            row.amount = row.amount and row.amount * 2
        return prepared

    names = {name: getattr(mrr, name) for name in mrr.__all__}
    return SimpleNamespace(**{**names, "prepare": prepare})


def test_yesterday_is_told_by_the_rules_of_yesterday(
    line: AgreementLine, api: APIClient, time_machine: Any
) -> None:
    address = f"{V1}/companies/{line.agreement.company_id}"
    time_machine.move_to(NOON + HOUR, tick=False)
    before = api.get(f"{address}/mrr/").json()
    with editions.in_force(Rules(EDITION + 1, changed_engine())):
        time_machine.move_to(NOON + 2 * HOUR, tick=False)
        assert stored_mrr.pass_days() == 1
        time_machine.move_to(NOON + 3 * HOUR, tick=False)

        then = api.get(f"{address}/mrr/", {"known_at": text(NOON + HOUR)}).json()
        now = api.get(f"{address}/mrr/", {"known_at": text(NOON + 3 * HOUR)}).json()
        newest = api.get(f"{address}/versions/").json()["results"][0]
        query = {"from": "2026-06-01", "to": "2026-06-30", "known_from": text(NOON + HOUR)}
        (bridge,) = api.get(f"{V1}/mrr/movement/", query).json()["currencies"]

    assert then["ledger"] == before["ledger"]
    assert [money["amount"] for money in now["totals"]] == ["300.00"]
    assert newest["cause"]["kind"] == "rules"
    assert [newest[name][0]["amount"] for name in ("mrr_before", "mrr_after")] == [
        "150.00",
        "300.00",
    ]
    assert (bridge["opening"], bridge["restated"], bridge["closing"]) == (
        "150.00",
        "150.00",
        "300.00",
    )
    rows = bridge["companies"][0]["rows"]
    assert {(row["field"], row["before"], row["after"], row["cause"]) for row in rows} == {
        ("rules", str(EDITION), str(EDITION + 1), "rules")
    }


def test_a_tenant_whose_books_are_of_two_editions_is_added_up(
    line: AgreementLine, api: APIClient, time_machine: Any
) -> None:
    other = make_company(line.tenant)
    make_agreement(other, line.agreement.integration, amount="7")
    stored_mrr.refresh(line.tenant, [other.pk])
    with editions.in_force(Rules(EDITION + 1, changed_engine())):
        time_machine.move_to(NOON + HOUR, tick=False)
        stored_mrr.refresh(line.tenant, [line.agreement.company_id])
        CompanyBook.objects.update(kept_edition=EDITION + 1)  # the other one waits elsewhere
        time_machine.move_to(NOON + 2 * HOUR, tick=False)
        known = {"known_at": text(NOON + HOUR)}

        figure = api.get(f"{V1}/mrr/", known).json()
        months = {"from": "2026-06", "to": "2026-06"}
        series = api.get(f"{V1}/mrr/series/", {**months, **known}).json()
        days = {"from": "2024-12-31", "to": "2026-06-15"}
        moved = api.get(f"{V1}/mrr/movement/", {**days, **known}).json()

    assert (figure["totals"][0]["amount"], figure["companies"]) == ("307.00", 2)
    assert series["months"][0]["recognized"][0]["amount"] == "307.00"
    (bridge,) = moved["currencies"]
    assert (bridge["new"], bridge["closing"]) == ("307.00", "307.00")


def test_books_of_a_release_that_kept_none_are_kept_from_now_on(
    line: AgreementLine, api: APIClient, time_machine: Any
) -> None:
    BookVersion.objects.all().delete()
    CompanyBook.objects.update(kept_from=None, kept_digest="", kept_edition=0)
    time_machine.move_to(NOON + HOUR, tick=False)

    assert stored_mrr.pass_days() == 1
    assert stored_mrr.pass_days() == 0

    (version,) = BookVersion.objects.all()
    assert (version.kind, version.known_from) == ("rules", NOON + HOUR)


def test_what_was_kept_is_read_when_the_engine_knows_more_of_an_agreement(
    line: AgreementLine,
) -> None:
    """New columns stand behind the former ones, and in front of what is no column."""
    names = mrr.Agreement.__struct_fields__
    columns = len(books.AGREEMENT.get_source_expressions())
    wider: Any = msgspec.defstruct(
        "Wider",
        [
            *((name, Any, None) for name in names[:columns]),
            ("discount", str, "none"),
            ("lines", list[mrr.Line], []),
            *((name, Any, None) for name in names[columns + 1 :]),
        ],
        array_like=True,
    )
    line.agreement.gone_at = NOON
    line.agreement.save()
    texts: dict[str, books.CompanyText] = {}
    company = str(line.agreement.company_id)
    books.prepare_by_company(
        {company: line.tenant}, {line.tenant_id: date(2026, 6, 15)}, texts=texts
    )
    (agreement,) = texts[company].agreements.values()

    found = msgspec.json.decode(agreement.engine, type=wider)

    assert (found.name, found.discount, found.lines) == ("Managed services", "none", [])
    assert found.cancelled_date == "2026-06-14"


def test_what_edition_6_said_stays_said_when_the_rules_of_today_come(
    line: AgreementLine, api: APIClient, time_machine: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two seats for the rest of the month beside the count of twelve that holds them already."""
    tenant, company = line.tenant, line.agreement.company
    seats = make_agreement(company, line.agreement.integration, amount="0", name="Cloud")
    make_line(seats, quantity="12", unit_price="22", product="M365", external_id="all")
    make_line(seats, quantity="2", unit_price="22", product="M365", external_id="rest",
              start_date="2026-06-14", end_date="2026-06-30")  # fmt: skip
    for number in [number for number in editions.RULES if number > 6]:
        monkeypatch.delitem(editions.RULES, number)
    stored_mrr.refresh(tenant, [company.pk])
    asked = {
        f"{V1}/companies/{company.pk}/mrr/": {"as_of": "2026-06-15"},
        f"{V1}/mrr/": {"as_of": "2026-06-15"},
        f"{V1}/mrr/series/": {"from": "2026-06", "to": "2026-07"},
        f"{V1}/mrr/movement/": {"from": "2026-06-15", "to": "2026-07-01"},
    }
    known = {"known_at": text(NOON + HOUR)}
    time_machine.move_to(NOON + HOUR, tick=False)
    before = {path: api.get(path, {**query, **known}).json() for path, query in asked.items()}
    monkeypatch.undo()
    time_machine.move_to(NOON + 2 * HOUR, tick=False)

    assert stored_mrr.pass_days() == 1

    after = {path: api.get(path, {**query, **known}).json() for path, query in asked.items()}
    now = api.get(f"{V1}/mrr/", {"as_of": "2026-06-15"}).json()["totals"]
    (bridge,) = after[f"{V1}/mrr/movement/"]["currencies"]
    assert after == before
    assert before[f"{V1}/mrr/"]["totals"][0]["amount"] == "458.00"  # 150.00 and 14 seats
    assert bridge["contraction"] == "-44.00"
    assert now[0]["amount"] == "414.00"
    newest = api.get(f"{V1}/companies/{company.pk}/versions/").json()["results"][0]
    figures = [newest[name][0]["amount"] for name in ("mrr_before", "mrr_after")]
    assert (newest["cause"]["kind"], figures) == ("rules", ["458.00", "414.00"])


def test_since_when_an_agreement_is_inactive_is_looked_up_in_its_kept_book(
    line: AgreementLine, time_machine: Any
) -> None:
    tenant, company = line.tenant, line.agreement.company
    time_machine.move_to(NOON + 72 * HOUR, tick=False)
    Agreement.objects.update(active=False)  # by a release that noted no day
    stored_mrr.refresh(tenant, [company.pk])
    CompanyBook.objects.update(kept_edition=EDITION - 1)
    time_machine.move_to(NOON + 240 * HOUR, tick=False)

    assert stored_mrr.pass_days() == 1

    day = (NOON + 72 * HOUR).date()
    assert Agreement.objects.get().inactive_from == day
    book = books.prepare_company(tenant, company.pk)
    days = [day - timedelta(days=1), day]
    assert [[one.amount for one in mrr.mrr(book, on)] for on in days] == [["150.00"], []]
    assert not stored_mrr.verify([tenant.pk], mend=False)
