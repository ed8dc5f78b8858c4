from __future__ import annotations

from typing import Any

import pytest

from tests.integrations.adapters.kaseya_bms.answers import (
    ACCOUNTS,
    adapter,
    good,
)


def paged(wire: Any, *pages: tuple[list[int], int | None]) -> None:
    """Answer page after page in the order in which they are asked, whatever their number."""
    for ids, total in pages:
        more = {} if total is None else {"totalRecords": total}
        wire.get(ACCOUNTS, json=good([{"id": id_} for id_ in ids], **more))


def read_ids() -> tuple[list[str], bool]:
    pages = list(adapter().companies())
    proves = not any(record.external_id == "" for page in pages for record in page.rejected)
    return [record.external_id for page in pages for record in page.records], proves


def test_pages_end_with_the_total_and_a_short_page_ends_nothing(wire: Any) -> None:
    paged(wire, ([1, 2], 5), ([3], 5), ([4, 5], 5))

    assert read_ids() == (["1", "2", "3", "4", "5"], True)
    assert [call.request.params["PageNumber"] for call in wire.calls[1:]] == ["1", "2", "3"]
    assert wire.calls[1].request.params["PageSize"] == "100"


@pytest.mark.parametrize("last", [[], [3]])
def test_without_a_total_a_page_that_brings_nothing_new_ends_the_list(
    wire: Any, last: list[int]
) -> None:
    paged(wire, ([1, 2], None), ([3], None), (last, None), ([], None))

    ids, _ = read_ids()

    assert sorted(set(ids)) == ["1", "2", "3"]


def test_a_list_that_moved_is_read_again(wire: Any) -> None:
    """1 was deleted on a page already read: 3 moved from page 2 to page 1; only the total shows it."""
    paged(wire, ([1, 2], 4), ([4], 3), ([], 3), ([2, 3], 3), ([4], 3))

    ids, proves = read_ids()

    assert set(ids) == {"1", "2", "3", "4"}
    assert proves


def test_a_list_that_never_holds_still_proves_no_absence(wire: Any) -> None:
    paged(wire, *[([1, 2], 9), ([3], 8), ([], 8)] * 3)

    ids, proves = read_ids()

    assert set(ids) == {"1", "2", "3"}
    assert not proves


def test_a_list_that_ends_before_its_total_says_how_much_came(wire: Any) -> None:
    paged(wire, ([1, 2], 5), ([3], 5), ([], 5))

    pages = list(adapter().companies())

    assert [page.short for page in pages] == [None, None, (3, 5)]
    assert [bad.external_id for bad in pages[-1].rejected] == [""]
