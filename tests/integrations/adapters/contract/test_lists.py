"""Where a list ends, and which version of a record counts, whatever a server makes of its pages."""

from __future__ import annotations

from typing import Any

import pytest

from tests.integrations.adapters.contract.adapters import (
    NAMES,
    Adapters,
    all_of,
    ids,
    listing,
    truth,
)


@pytest.mark.parametrize("links", [True, False])
@pytest.mark.parametrize("kind", ["companies", "contacts"])
def test_a_page_shorter_than_asked_ends_no_list(make: Adapters, kind: str, links: bool) -> None:
    before = ids(listing(make(), kind))
    make.server.faults.switch_on("small_pages", most=75, links=links)

    pages = list(listing(make(), kind))

    assert [record.external_id for page in pages for record in page.records] == before
    assert max(len(page.records) for page in pages) == 75
    assert {page.short for page in pages} == {None}


@pytest.mark.parametrize("links", [True, False])
def test_agreements_and_lines_come_in_short_pages_too(make: Adapters, links: bool) -> None:
    chosen = list(truth(make))[:60]
    before = all_of(make().agreements(company_ids=chosen))
    make.server.faults.switch_on("small_pages", most=25, links=links)

    assert all_of(make().agreements(company_ids=chosen)) == before


@pytest.mark.parametrize("kind", ["companies", "contacts"])
def test_a_list_that_ends_before_its_own_count_says_how_much_came(
    make: Adapters, kind: str
) -> None:
    whole = ids(listing(make(), kind))
    path = make.path_of(kind)
    make.server.faults.switch_on("list_ends_early", path=path)

    pages = list(listing(make(), kind))

    came = [record.external_id for page in pages for record in page.records]
    assert came == whole[: len(came)]
    assert 0 < len(came) < len(whole)
    assert [page.short for page in pages if page.short] == [(len(came), len(whole))]
    nameless = [bad for page in pages for bad in page.rejected]
    assert [bad.external_id for bad in nameless] == [""]  # nobody's absence is proved
    assert f"{len(came)} of {len(whole)}" in nameless[0].message


def test_a_list_that_shrinks_meanwhile_ends_where_it_ends(make: Adapters) -> None:
    path = make.path_of("companies")
    make.server.faults.switch_on("shift_page", path=path, times=1)

    pages = list(make().companies())

    assert {page.short for page in pages} == {None}


@pytest.mark.parametrize("older", [True, False])
def test_an_older_version_on_a_later_page_changes_nothing(make: Adapters, older: bool) -> None:
    first = next(iter(make().companies())).records[0]
    path = make.path_of("companies")
    make.server.faults.switch_on("repeated_record", path=path, times=1, older=older)

    found = [
        record for record in all_of(make().companies()) if record.external_id == first.external_id
    ]

    assert {record.name for record in found} == {first.name}


def test_a_newer_version_on_a_later_page_wins(make: Adapters) -> None:
    """The first record is changed while the list is read, and comes once more."""
    adapter = make()
    pages = adapter.companies()
    first = next(pages).records[0]
    path = make.path_of("companies")
    make.server.psas[make.psa].change(
        {"do": "change", "kind": "accounts" if make.psa == "kaseya_bms" else "companies",
         "id": first.external_id, "values": {NAMES[make.psa]: "Made Newer"}}
    )  # fmt: skip
    make.server.faults.switch_on("repeated_record", path=path, times=1, older=False)

    rest: list[Any] = [record for page in pages for record in page.records]

    again = [record.name for record in rest if record.external_id == first.external_id]
    make.server.reset()
    assert again[:1] == ["As It Was Before"]  # what the fault calls it; its stamp is the newer one
