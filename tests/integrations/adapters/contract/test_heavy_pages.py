"""Pages that are larger than we read: they come in parts, and one record costs no other."""

from __future__ import annotations

from typing import Any

import pytest

from integrations.psa.contract import PsaPage, RejectedRecord
from integrations.psa.portions import TOO_LARGE
from tests.integrations.adapters.contract.adapters import Adapters, listing, truth

MOST_BYTES = 2_000_000


def read(make: Adapters, kind: str) -> list[PsaPage[Any]]:
    adapter = make()
    make.http[-1]._most_bytes = MOST_BYTES
    return list(listing(adapter, kind))


def ids_of(pages: list[PsaPage[Any]]) -> list[str]:
    return [record.external_id for page in pages for record in page.records]


def rejected_of(pages: list[PsaPage[Any]]) -> list[RejectedRecord]:
    return [record for page in pages for record in page.rejected]


@pytest.mark.parametrize("fault", ["", "no_forward_only"])
@pytest.mark.parametrize("kind", ["companies", "contacts"])
def test_a_page_that_is_too_large_is_read_in_parts(make: Adapters, kind: str, fault: str) -> None:
    good = ids_of(read(make, kind))
    heavy = [*good[3:8], *good[130:133]]
    make.server.faults.switch_on("heavy_records", weights=dict.fromkeys(heavy, 900_000))
    if fault:
        make.server.faults.switch_on(fault)

    pages = read(make, kind)

    assert sorted(ids_of(pages)) == sorted(good)
    assert rejected_of(pages) == []
    assert pages[-1].cursor is None


@pytest.mark.parametrize("fault", ["", "no_forward_only", "no_totals"])
@pytest.mark.parametrize("at", [[0], [37], [99, 100], [-1]])
def test_a_record_that_is_too_large_alone_is_set_aside_with_its_id(
    make: Adapters, at: list[int], fault: str
) -> None:
    good = ids_of(read(make, "companies"))
    heavy = [good[position] for position in at]
    make.server.faults.switch_on("heavy_records", weights=dict.fromkeys(heavy, MOST_BYTES))
    if fault:
        make.server.faults.switch_on(fault)

    pages = read(make, "companies")

    assert sorted(ids_of(pages)) == sorted(set(good) - set(heavy))
    assert [(bad.external_id, bad.code) for bad in rejected_of(pages)] == [
        (id_, "invalid_record") for id_ in heavy
    ]
    assert rejected_of(pages)[0].message.startswith(TOO_LARGE)
    assert not [page for page in pages if page.again or page.short]


def test_a_record_too_large_by_its_id_is_there_and_can_not_be_used(make: Adapters) -> None:
    chosen = list(truth(make))[7]
    make.server.faults.switch_on("heavy_records", weights={chosen: MOST_BYTES})
    adapter = make()
    make.http[-1]._most_bytes = MOST_BYTES

    found = adapter.company(chosen)

    if make.psa == "connectwise":  # asked for few members, of which none is heavy
        assert found
    else:
        assert isinstance(found, RejectedRecord)
        assert (found.external_id, found.code) == (chosen, "invalid_record")
