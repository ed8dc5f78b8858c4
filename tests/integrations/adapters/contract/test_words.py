"""Words of a PSA's people: what is understood of them, and what is only handed on."""

from __future__ import annotations

from agreements.mrr.cycles import read_cycle
from agreements.mrr.words import unknown_word
from integrations.psa.contract import PsaAgreement
from tests.integrations.adapters.contract.adapters import Adapters, all_of, truth

ODD_CYCLES = {"autotask": 9, "connectwise": "4-Weekly", "kaseya_bms": "4-Weekly"}


def agreements(make: Adapters) -> list[PsaAgreement]:
    chosen = list(truth(make))[:60]
    return all_of(make().agreements(company_ids=chosen))


def test_words_are_no_way_to_reach_anybody(make: Adapters) -> None:
    make.server.faults.switch_on("odd_contacts")

    people = all_of(make().contacts())

    assert {(person.email, person.phone) for person in people} == {("", "")}


def test_a_cycle_is_known_or_a_word_and_never_a_bare_word(make: Adapters) -> None:
    found = agreements(make)

    cycles = [a.cycle for a in found] + [line.cycle for a in found for line in a.lines]
    assert [c for c in cycles if c and not read_cycle(c) and not unknown_word(c)] == []
    assert all(isinstance(c, dict) or read_cycle(c) for c in cycles if c)


def test_a_cycle_that_no_document_lists_is_handed_on_as_a_word(make: Adapters) -> None:
    make.server.faults.switch_on("odd_words", cycle=ODD_CYCLES[make.psa])

    found = [a.cycle for a in agreements(make) if a.recurring is not False]

    assert {unknown_word(cycle) for cycle in found if cycle != "one_time"} == {
        "period type 9" if make.psa == "autotask" else "4-Weekly"
    }


def test_a_currency_that_is_none_is_handed_on_as_it_stands(make: Adapters) -> None:
    before = {a.external_id for a in agreements(make)}
    make.server.faults.switch_on("odd_words", currency="Gold coins")

    found = agreements(make)

    assert {a.external_id for a in found} == before  # it hides nothing
    assert {a.currency for a in found} == {"Gold coins"}


def test_what_does_not_recur_is_listed_and_its_lines_are_not_asked_for(make: Adapters) -> None:
    others = [a for a in agreements(make) if a.recurring is False]

    assert others
    assert {a.lines for a in others} == {()}
    assert all(a.type for a in others)
