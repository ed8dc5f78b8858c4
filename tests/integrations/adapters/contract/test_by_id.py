"""One record by its id: there, gone, or refused, which are three different things."""

from __future__ import annotations

from typing import Any, NamedTuple

import pytest

from integrations.kinds import BY_NAME, KindName
from integrations.psa.contract import FoundRecord, PsaAdapter
from tests.integrations.adapters.contract.adapters import (
    COMPANY_KINDS,
    Adapters,
    all_of,
    truth,
)

#: What the sandboxes' own control calls a kind, where it differs.
CONTROL = {"autotask": {"agreements": "contracts"}, "kaseya_bms": {"agreements": "contracts"}}
KINDS: tuple[KindName, ...] = ("companies", "contacts", "agreements")


class Chosen(NamedTuple):
    """A record of a kind, and the company it hangs on."""

    external_id: str
    company_id: str


def choose(make: Adapters, kind: KindName) -> Chosen:
    adapter = make()
    owners = [id_ for id_, row in truth(make).items() if len(row["agreements"]) > 1][3:]
    found = ((id_, listed(adapter, kind, id_)) for id_ in owners)
    company_id, records = next((id_, records) for id_, records in found if records)
    return Chosen(records[0].external_id, company_id)


def listed(adapter: PsaAdapter, kind: KindName, company_id: str) -> list[Any]:
    match kind:
        case "companies":
            everybody = all_of(adapter.companies())
            return [one for one in everybody if one.external_id == company_id]
        case "contacts":
            return all_of(adapter.contacts(company_ids=[company_id]))
    return all_of(adapter.agreements(company_ids=[company_id]))


@pytest.mark.parametrize("kind", KINDS)
def test_a_record_that_is_there_is_found_with_its_company(make: Adapters, kind: KindName) -> None:
    external_id, company_id = choose(make, kind)

    found = make().find(kind, external_id)

    assert found == FoundRecord("" if kind == "companies" else company_id)


@pytest.mark.parametrize("kind", [*KINDS, "lines"])
@pytest.mark.parametrize("unknown", ["999999999", "no such id", ""])
def test_a_record_that_is_not_there_is_gone(make: Adapters, kind: KindName, unknown: str) -> None:
    parent_id = choose(make, "agreements").external_id

    assert make().find(kind, unknown, parent_id=parent_id) is None


@pytest.mark.parametrize("kind", KINDS)
def test_a_record_that_was_deleted_is_gone(make: Adapters, kind: KindName) -> None:
    external_id, company_id = choose(make, kind)
    names = {"companies": COMPANY_KINDS.get(make.psa, "companies"), **CONTROL.get(make.psa, {})}

    make.server.psas[make.psa].change(
        {"do": "delete", "kind": names.get(kind, kind), "id": external_id}
    )

    assert make().find(kind, external_id) is None
    assert external_id not in [one.external_id for one in listed(make(), kind, company_id)]


@pytest.mark.parametrize("kind", KINDS)
def test_a_record_that_is_refused_by_its_id_is_not_gone(make: Adapters, kind: KindName) -> None:
    external_id, company_id = choose(make, kind)
    others = [one.external_id for one in listed(make(), kind, company_id)]
    make.server.faults.switch_on("refused_records", ids=[external_id])

    error = make.error(lambda: make().find(kind, external_id))

    assert (error.code, error.right) == ("permission_denied", BY_NAME[kind].right)
    assert ">" in error.fix
    shown = [one.external_id for one in listed(make(), kind, company_id)]
    assert shown == [id_ for id_ in others if id_ != external_id]
    if kind == "companies":
        assert make.error(lambda: make().company(external_id)).code == "permission_denied"


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("form", ["html", "json", "text"])
def test_what_answers_404_in_front_of_a_record_does_not_make_it_gone(
    make: Adapters, kind: KindName, form: str
) -> None:
    external_id, _ = choose(make, kind)
    adapter = make()
    adapter.authenticate()
    make.server.faults.switch_on("blocked", status=404, form=form)

    error = make.error(lambda: adapter.find(kind, external_id))

    assert error.code in {"psa_unavailable", "bad_response"}


def test_lines_are_found_under_their_agreement(make: Adapters) -> None:
    if make.psa == "kaseya_bms":
        pytest.skip("its contracts have no lines")
    companies = list(truth(make))[2:40]
    agreements = all_of(make().agreements(company_ids=companies))
    with_lines = [one for one in agreements if one.lines][:5]
    assert with_lines
    adapter = make()

    for agreement in with_lines:
        for line in agreement.lines:
            parent_id = agreement.external_id
            assert adapter.find("lines", line.external_id, parent_id=parent_id) == FoundRecord()
    first, parent_id = with_lines[0].lines[0].external_id, with_lines[0].external_id
    gone = f"{first}999999"
    assert adapter.find("lines", gone, parent_id=parent_id) is None
    number = first.rpartition("-")[2]
    make.server.faults.switch_on("refused_records", ids=[number])
    refused = make.error(lambda: adapter.find("lines", first, parent_id=parent_id))
    assert (refused.code, refused.right) == ("permission_denied", "read_lines")


def test_lines_that_are_refused_of_one_agreement_condemn_no_others(make: Adapters) -> None:
    if make.psa == "autotask":
        pytest.skip("its rights are about all lines")
    make.server.forget_requests()
    adapter, right = make(), "read_lines" if make.psa == "connectwise" else "read_agreements"
    assert adapter.probe(right).sees_nothing is False
    probed = str(make.server.requests()[-1]["path"])
    if make.psa == "connectwise":
        probed = next(
            str(r["path"]) for r in make.server.requests() if "/additions" in str(r["path"])
        )
    make.server.faults.switch_on("refused_right", path=probed, times=1)

    finding = make().probe(right)

    assert not finding.sees_nothing
    assert ("additions of some agreements" in finding.message) is (make.psa == "connectwise")
