from __future__ import annotations

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from integrations.psa.decoding import raw_id
from integrations.psa.errors import PsaAnswerTooLarge
from integrations.psa.portions import (
    first_id,
    is_stub,
    raw_stub,
    rows_before,
    rows_by_number,
    stub,
)

TOO_LARGE = PsaAnswerTooLarge("x", "y")


@given(
    weights=st.lists(st.integers(1, 40), max_size=120),
    start=st.sampled_from([0, 25, 50, 100]),
    size=st.sampled_from([1, 25, 50, 100]),
)
def test_every_row_comes_once_in_its_order_or_as_a_stub(
    weights: list[int], start: int, size: int
) -> None:
    most = 35

    def ask(step: int, number: int) -> list[int]:
        rows = list(range(len(weights)))[(number - 1) * step : number * step]
        if sum(weights[row] for row in rows) > most:
            raise TOO_LARGE
        return rows

    rows = rows_by_number(ask, lambda at, _: -at - 1, start=start, stop=start + size)

    wanted = range(len(weights))[start : start + size]
    assert rows == [row if weights[row] <= most else -row - 1 for row in wanted]


@pytest.mark.parametrize(
    ("beginning", "found"),
    [
        (b'{"success":true,"error":null,"result":[{"id":34599,"x"', "34599"),
        (b'[ { "Id" : "7", ', "7"),
        (b'{"items":[{"id":12', "12"),
        (b'[{"company":{"id":5},"id":9', ""),
        (b'{"result":[]}', ""),
        (b"", ""),
    ],
)
def test_the_first_record_is_known_by_an_answers_beginning(beginning: bytes, found: str) -> None:
    assert first_id(PsaAnswerTooLarge("x", "y", beginning=beginning)) == found


def test_a_stub_keeps_its_id_and_is_no_record() -> None:
    assert raw_id(raw_stub("7")) == "7"
    assert raw_id(raw_stub("")) == ""
    assert stub("7")["id"] == 7
    assert all(map(is_stub, [stub("7"), stub(""), raw_stub("7"), raw_stub("")]))
    assert not any(map(is_stub, [{"id": 7}, msgspec.Raw(b'{"id": 7}'), None]))


@pytest.mark.parametrize(
    ("read", "page", "found"),
    [(0, 1, (0, 100)), (100, 2, (100, 100)), (60, 3, (60, 30)), (199, 3, (200, 100))],
)
def test_a_server_that_gives_fewer_is_followed(
    read: int, page: int, found: tuple[int, int]
) -> None:
    assert rows_before(read, page, 100) == found
