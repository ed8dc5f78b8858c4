from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from tests.integrations.adapters.contract.adapters import (
    Adapters,
    all_of,
    ids,
    listing,
    path_of_lists,
    truth,
)


def test_members_that_are_null_missing_or_new_change_nothing(make: Adapters) -> None:
    before = [all_of(make().companies()), all_of(make().contacts())]

    make.server.faults.switch_on("explicit_nulls")
    make.server.faults.switch_on("extra_members")

    assert [all_of(make().companies()), all_of(make().contacts())] == before


@pytest.mark.parametrize(
    ("fault", "options"),
    [
        ("pascal_case", {}),
        ("small_pages", {"most": 60}),
        ("no_totals", {}),
        ("wrapped_by_id", {}),
        ("missing_item", {}),
        ("missing_item", {"form": "204"}),
        ("missing_item", {"form": "false"}),
        ("missing_item", {"form": "result"}),
        ("zone_moved", {}),
        ("zone_moved", {"form": "404"}),
        ("zone_moved", {"form": "redirect"}),
    ],
)
def test_what_no_document_settles_is_borne_either_way(
    make: Adapters, fault: str, options: dict[str, Any]
) -> None:
    memory: dict[str, str] = {}
    before = make(memory)
    listed = ids(before.companies())
    one = before.company(listed[7])
    make.server.faults.switch_on(fault, **options)

    adapter = make(memory)

    assert ids(adapter.companies()) == listed
    found = adapter.company(listed[7])
    assert found
    assert one
    assert replace(found, url="") == replace(one, url="")  # its pages move with a zone
    assert adapter.company("999999999") is None


@pytest.mark.parametrize(
    ("how", "code"),
    [("wrong_type", "invalid_record"), ("missing_id", "missing_id"), ("too_long", "too_long")],
)
@pytest.mark.parametrize("kind", ["companies", "contacts"])
def test_one_bad_record_is_set_aside_and_all_others_come(
    make: Adapters, kind: str, how: str, code: str
) -> None:
    good = ids(listing(make(), kind))
    path = make.path_of(kind)
    make.server.faults.switch_on("bad_record", path=path, times=1, how=how)

    pages = list(listing(make(), kind))

    rejected = [record for page in pages for record in page.rejected]
    assert [record.code for record in rejected] == [code]
    assert rejected[0].external_id == ("" if how == "missing_id" else good[1])
    found = [record.external_id for page in pages for record in page.records]
    assert found == [good[0], *good[2:]]


def test_a_bad_agreement_is_set_aside_and_all_others_come(make: Adapters) -> None:
    chosen = [id_ for id_, c in truth(make).items() if len(c["agreements"]) > 1][:1]
    good = ids(make().agreements(company_ids=chosen))
    make.server.faults.switch_on("bad_record", times=None, how="too_long", path=path_of_lists(make))

    pages = list(make().agreements(company_ids=chosen))

    rejected = {r.external_id for page in pages for r in page.rejected if r.code == "too_long"}
    found = {r.external_id for page in pages for r in page.records}
    assert rejected
    assert found == set(good) - rejected
