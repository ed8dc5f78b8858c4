"""The PSA's own search by name."""

from __future__ import annotations

import pytest

from tests.integrations.adapters.contract.adapters import (
    COMPANY_KINDS,
    NAMES,
    Adapters,
    all_of,
    truth,
)


def rename(make: Adapters, external_id: str, name: str) -> None:
    make.server.psas[make.psa].change(
        {
            "do": "change",
            "kind": COMPANY_KINDS.get(make.psa, "companies"),
            "id": external_id,
            "values": {NAMES[make.psa]: name},
        }
    )


@pytest.mark.parametrize("typed", ["quokka", "QUOKKA & s", " Quokka & Sons", 'the "Great" Quokka'])
def test_a_company_is_found_by_a_part_of_its_name(make: Adapters, typed: str) -> None:
    wanted = sorted(truth(make))[7]
    rename(make, wanted, 'The "Great" Quokka & Sons (Ltd)')

    make.server.forget_requests()
    found = all_of(make().companies_named(typed))

    assert [(one.external_id, one.name) for one in found] == [
        (wanted, 'The "Great" Quokka & Sons (Ltd)')
    ]


def test_nobody_is_found_by_a_name_that_nobody_has(make: Adapters) -> None:
    assert all_of(make().companies_named("Nobody & Sons")) == []
