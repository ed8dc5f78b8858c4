"""One odd value costs at the most its own record."""

from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import msgspec
import pytest

from integrations.psa.contract import RejectedRecord
from integrations.psa.decoding import (
    calendar_date,
    day_after,
    day_before,
    decode,
    decode_lowered,
    instant,
    read_lowered,
    read_records,
)
from integrations.psa.http import PsaResponse

KEPT = "The record was set aside; what was stored before was kept."
NO_NUMBER = RejectedRecord("2", "invalid_record", f"`unitPrice` is not a number. {KEPT}")


class Row(msgspec.Struct, rename="camel"):
    id: int
    unit_price: Decimal | None = None


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("2026-06-15T12:00:00", datetime(2026, 6, 15, 12, tzinfo=UTC)),
        ("2026-06-15T12:00:00-05:00", datetime(2026, 6, 15, 17, tzinfo=UTC)),
        ("0001-01-01T00:00:00", None),
        ("0001-01-01T00:00:00+01:00", None),
        ("9999-12-31T23:59:59-05:00", None),
        ("soon", None),
        (None, None),
    ],
)
def test_a_moment_that_means_none_or_for_ever_is_none(
    text: str | None, moment: datetime | None
) -> None:
    assert instant(text) == moment


def test_days_end_where_the_calendar_does() -> None:
    assert day_before(date(2026, 3, 1)) == date(2026, 2, 28)
    assert day_after(date(2026, 2, 28)) == date(2026, 3, 1)
    assert (day_before(date.min), day_after(date.max)) == (date.min, date.max)
    assert calendar_date("0001-01-01T00:00:00Z", "startDate") is None
    assert calendar_date("9999-12-31T00:00:00Z", "endDate") == date.max


@pytest.mark.parametrize(
    "number", ["NaN", "sNaN", "Infinity", "-Infinity", "1e5000", "1e-5000", "1" * 61]
)
def test_what_is_no_number_sets_its_record_aside(number: str) -> None:
    content = f'[{{"id": 1, "unitPrice": "1.10"}}, {{"id": 2, "unitPrice": "{number}"}}]'
    rows = msgspec.json.decode(content, type=list[msgspec.Raw])
    plain: list[Any] = msgspec.json.decode(content)

    found = read_records(rows, Row, lambda row: row)

    assert found == ([Row(1, Decimal("1.10"))], [NO_NUMBER])
    assert read_lowered(plain, Row, lambda row: row) == found


def test_a_sum_that_can_not_be_done_sets_its_record_aside() -> None:
    rows = msgspec.json.decode('[{"id": 0}, {"id": 2}]', type=list[msgspec.Raw])

    found, rejected = read_records(rows, Row, lambda row: 2 // row.id)

    assert found == [1]
    message = f"Your PSA sent a record in a form that we can't read. {KEPT}"
    assert rejected == [RejectedRecord("0", "invalid_record", message)]


@pytest.mark.parametrize(
    ("written", "name"),
    [
        (r"Cut \ud83d", "Cut \ufffd"),
        (r"Cut \ud83d, and more", "Cut \ufffd, and more"),
        (r"\uDE00 cut", "\ufffd cut"),
        (r"\ud83d\ud83d\ude00", "\ufffd\U0001f600"),
        (r"\ud83d\\ud83d", "\ufffd\\ud83d"),
    ],
)
def test_half_a_character_costs_nothing_but_itself(written: str, name: str) -> None:
    response = PsaResponse(200, {}, f'[{{"name": "{written}"}}, {{"name": "B"}}]'.encode())

    assert decode(response, list[dict[str, str]], "A PSA") == [{"name": name}, {"name": "B"}]
    assert decode_lowered(response, list[dict[str, str]], "A PSA")[0] == {"name": name}
