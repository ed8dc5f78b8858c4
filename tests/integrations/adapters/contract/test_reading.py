"""What every adapter reads, whatever its PSA."""

from __future__ import annotations

import sys
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from integrations.psa import registry
from integrations.psa.contract import FoundRecord, PsaAgreement
from integrations.sandbox.server import SandboxServer
from tests.conftest import TODAY
from tests.integrations.adapters.contract.adapters import (
    COMPANY_KINDS,
    NAMES,
    Adapters,
    all_of,
    ids,
    listing,
    truth,
)


def test_two_pages_and_more_give_every_company_once(make: Adapters) -> None:
    pages = list(make().companies())

    assert len(pages) >= 2
    assert [r.external_id for page in pages for r in page.records] == list(truth(make))
    assert all(isinstance(r.external_id, str) for page in pages for r in page.records)
    assert pages[-1].cursor is None
    assert all(page.cursor for page in pages[:-1])
    assert pages[0].total in {None, len(truth(make))}


def test_pages_as_large_as_the_psa_gives_them_hold_every_company_once(psa: str) -> None:
    with SandboxServer(seed=3, companies=1050, today=TODAY, only=psa) as server:
        make = Adapters(server, psa, page_size=sys.maxsize)

        pages = list(make().companies())

        assert len(pages[0].records) == registry.get_adapter(psa).page_size
        assert [r.external_id for page in pages for r in page.records] == list(truth(make))


@pytest.mark.parametrize("kind", ["companies", "contacts"])
def test_a_listing_goes_on_after_a_page_in_another_process(make: Adapters, kind: str) -> None:
    pages = list(listing(make(), kind))
    assert pages[0].cursor

    adapter = make()
    rest = adapter.companies if kind == "companies" else adapter.contacts
    later = list(rest(cursor=pages[0].cursor))

    assert [page.records for page in later] == [page.records for page in pages[1:]]


def test_the_same_data_read_twice_are_the_same_records(make: Adapters) -> None:
    chosen = list(truth(make))[3:20]

    def read() -> list[Any]:
        adapter = make()
        return [
            *all_of(adapter.companies()),
            *all_of(adapter.contacts()),
            *all_of(adapter.agreements(company_ids=chosen)),
        ]

    assert read() == read()


def test_agreements_are_those_of_the_companies_asked_for(make: Adapters) -> None:
    chosen = list(truth(make))[2:40]
    companies = truth(make)
    expected = {id_: set(companies[id_]["agreements"]) for id_ in chosen}

    found: dict[str, set[str]] = {id_: set() for id_ in chosen}
    for agreement in all_of(make().agreements(company_ids=chosen)):
        found[agreement.company_id].add(agreement.external_id)

    assert found == expected
    assert sum(map(len, expected.values())) > 20


def test_an_agreement_names_its_company(make: Adapters) -> None:
    (agreement, *_) = all_of(make().agreements(company_ids=list(truth(make))[2:40]))

    found = make().find("agreements", agreement.external_id)

    assert found == FoundRecord(agreement.company_id)


def test_money_is_exact_and_dates_are_days(make: Adapters) -> None:
    agreements: list[PsaAgreement] = all_of(make().agreements(company_ids=list(truth(make))[:50]))
    amounts: list[Any] = [agreement.amount for agreement in agreements]
    days: list[Any] = [day for a in agreements for day in (a.start_date, a.end_date)]
    for line in (line for agreement in agreements for line in agreement.lines):
        amounts += [line.quantity, line.unit_price, line.less_included]
        for row in line.units or ():
            amounts += [row.units, row.unit_price, row.amount]
            days += [row.start_date, row.end_date]

    assert {type(amount) for amount in amounts} <= {Decimal, type(None)}
    assert {type(day) for day in days} <= {date, type(None)}
    assert any(amount for amount in amounts)


def test_contacts_of_some_companies_are_theirs_alone(make: Adapters) -> None:
    everybody = all_of(make().contacts())
    chosen = set(list(truth(make))[5:12])

    found = all_of(make().contacts(company_ids=sorted(chosen)))

    assert sorted(r.external_id for r in found) == sorted(
        r.external_id for r in everybody if r.company_id in chosen
    )
    assert found


def test_one_company_reads_as_in_the_list(make: Adapters) -> None:
    listed = {record.external_id: record for record in all_of(make().companies())}
    wanted = list(listed)[7]

    assert make().company(wanted) == listed[wanted]


@pytest.mark.parametrize("unknown", ["999999999", "no such id", ""])
def test_an_id_that_is_not_there_is_none(make: Adapters, unknown: str) -> None:
    assert make().company(unknown) is None
    assert all_of(make().agreements(company_ids=[unknown])) == []
    assert all_of(make().contacts(company_ids=[unknown])) == []


def test_only_what_changed_since_is_read(make: Adapters) -> None:
    moment = datetime.now(UTC) - timedelta(minutes=1)
    changed = list(truth(make))[9]
    make.server.psas[make.psa].change(
        {"do": "change", "kind": COMPANY_KINDS.get(make.psa, "companies"), "id": changed}
    )

    assert ids(make().companies(changed_since=moment)) == [changed]
    new = make.server.psas[make.psa].change(
        {
            "do": "add",
            "kind": COMPANY_KINDS.get(make.psa, "companies"),
            "values": {NAMES[make.psa]: "Made A Moment Ago"},
        }
    )
    found = all_of(make().companies(changed_since=moment))
    assert sorted(record.external_id for record in found) == sorted([changed, str(new["id"])])
    assert all(record.changed_at and record.changed_at >= moment for record in found)
