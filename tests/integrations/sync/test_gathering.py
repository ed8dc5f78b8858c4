from __future__ import annotations

from collections.abc import Iterable, Iterator

import pytest

from integrations.sync import gathering
from integrations.sync.gathering import Gathering


def joined(one: str, other: str) -> str | None:
    """Texts of one letter join up to three."""
    both = one + other
    return both if len(set(both)) == 1 and len(both) <= 3 else None


def gathered(items: Iterable[str | None]) -> list[str | None]:
    return list(Gathering(joined).of(items))


def test_neighbours_come_together_up_to_what_join_allows() -> None:
    assert gathered(["a", "a", "b", "b", "b", "b", "a"]) == ["aa", "bbb", "b", "a"]
    assert gathered([]) == []


def test_a_wait_is_passed_on_when_nothing_is_held() -> None:
    assert gathered([None, "a", None, "a", None]) == [None, "aa"]


def test_what_is_held_is_given_after_a_while(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gathering, "GATHER_SECONDS", 0.0)

    assert gathered(["a", "a", None, "a"]) == ["a", "a", None, "a"]


def test_what_came_before_an_error_is_given_before_it() -> None:
    def source() -> Iterator[str]:
        yield "a"
        yield "a"
        raise LookupError("page 3")

    items = Gathering(joined).of(source())

    assert next(items) == "aa"
    with pytest.raises(LookupError, match="page 3"):
        next(items)
