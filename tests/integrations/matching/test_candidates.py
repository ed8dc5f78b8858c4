"""Which pairs come out of many companies."""

from __future__ import annotations

import pytest

from integrations.matching.candidates import Pair, best_pairs, shared_by
from integrations.matching.rule import SUGGEST_FROM, SURE_FROM, Profile, compare, profile_of
from tests.integrations.matching import pairs


def brief(found: list[Pair[str, str]]) -> list[tuple[str, str, int, int, bool]]:
    return [(one.ours, one.theirs, one.match.score, one.rivals, one.is_sure) for one in found]


def side(**named: Profile | str) -> dict[str, Profile]:
    return {key: profile_of(one) if isinstance(one, str) else one for key, one in named.items()}


AMBER = profile_of("Amber Vet", ["ada@ambervet.com"])


def test_each_side_is_in_one_pair_at_the_most_best_first() -> None:
    ours = side(a=AMBER, b="Amber Vet", c="Zephyr Legal")
    theirs = side(x=AMBER, z="Zephyr Legal Ltd")

    assert brief(best_pairs(ours, theirs)) == [("a", "x", 92, 1, True), ("c", "z", 80, 0, False)]


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        (side(a=AMBER), side(x=AMBER, y=AMBER)),
        (side(a=AMBER, b=AMBER), side(x=AMBER)),
        (side(a="Amber Vet"), side(x="Amber Vet", y="Vet Amber")),
        (side(a="Acme Corp"), side(x="Acme Capital")),
        (side(a="", b="🦊", c="X"), side(x="", y="🦊", z="X")),
        ({}, side(x=AMBER)),
        (side(a=AMBER), {}),
    ],
)
def test_two_equally_good_ones_are_none(
    ours: dict[str, Profile], theirs: dict[str, Profile]
) -> None:
    assert best_pairs(ours, theirs) == []


def test_what_is_near_is_suggested_and_not_sure() -> None:
    ours = side(a=profile_of("Amber Vet", ["a@ambervet.com"], ["2125550142"]))
    theirs = side(
        x=profile_of("Amber Vet", ["b@ambervet.com"], ["2125550142"]),
        y=profile_of("Vet Amber", [], ["2125550142"]),
    )

    # domain 12, number shared 3; order 78, number 3
    assert brief(best_pairs(ours, theirs)) == [("a", "x", 95, 1, True)]
    theirs["y"] = profile_of("Amber Vet", [], ["2125550142"])
    theirs["x"] = profile_of("Amber Vet", ["b@ambervet.com"], [])
    assert brief(best_pairs(ours, theirs)) == []


def test_a_refused_pair_is_left_out_and_the_next_best_comes() -> None:
    ours, theirs = side(a=AMBER), side(x=AMBER, y="Amber Vet")

    assert [(one.ours, one.theirs) for one in best_pairs(ours, theirs)] == [("a", "x")]
    assert [(one.ours, one.theirs) for one in best_pairs(ours, theirs, {("a", "x")})] == [
        ("a", "y")
    ]


def test_nobody_is_missed_by_not_being_compared() -> None:
    world = pairs.make_world(seed=7, pairs=180, strangers=200)
    shared = shared_by(world.ours.values(), world.theirs.values())
    found = {(one.ours, one.theirs) for one in best_pairs(world.ours, world.theirs)}

    good = {
        (a, b): match.score
        for a, ours in world.ours.items()
        for b, theirs in world.theirs.items()
        if (match := compare(ours, theirs, shared)).score >= SUGGEST_FROM
    }
    best = {
        (a, b)
        for (a, b), score in good.items()
        if all(score - other >= 3 for (c, d), other in good.items() if (c == a) != (d == b))
    }
    assert found == best
    assert len(found) > 170


def test_the_published_table_is_what_comes_out_and_none_that_is_sure_is_wrong() -> None:
    world = pairs.make_world()
    table = pairs.table(world)

    assert table == pairs.published(), "python -m tests.integrations.matching.pairs"
    everything = next(row for row in table.splitlines() if row.startswith("| **all** |"))
    assert everything.endswith(" | 0 |")
    sure = [one for one in best_pairs(world.ours, world.theirs) if one.is_sure]
    assert all(world.truth[one.ours] == one.theirs for one in sure)
    assert min(one.match.score for one in sure) >= SURE_FROM
