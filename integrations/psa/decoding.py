"""From a PSA's JSON to typed records, one by one: a bad record is set aside, the page goes on.

Messages name the field that is wrong and never its value.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import replace
from datetime import MAXYEAR, MINYEAR, UTC, date, datetime
from decimal import Decimal
from typing import Any, Final, TypeVar

import msgspec

from agreements.mrr.money import is_within_reason
from integrations.psa.contract import RejectedRecord
from integrations.psa.errors import PsaBadResponse
from integrations.psa.http import PsaResponse
from integrations.psa.portions import TOO_LARGE, is_stub
from integrations.psa.refusals import blocked

RawT = TypeVar("RawT")
RowT = TypeVar("RowT")
RecordT = TypeVar("RecordT")

MOST_ID_LENGTH: Final = 100
MOST_NAME_LENGTH: Final = 255
#: Characters that paste themselves invisibly into PSAs' text fields.
INVISIBLE: Final = dict.fromkeys(
    [
        0, 0xAD, 0x61C, 0x180E, 0xFEFF,
        *range(0x200B, 0x2010), *range(0x202A, 0x202F), *range(0x2060, 0x2065),
        *range(0x2066, 0x206A), *range(0xFFF9, 0xFFFC),
    ]
)  # fmt: skip


class RecordUnusableError(Exception):
    """A record that decodes but can't be used; the message names the field.

    `can_mend`: a person can put it right in the PSA.
    """

    def __init__(self, code: str, message: str, *, can_mend: bool = False) -> None:
        super().__init__(message)
        self.code = code
        self.can_mend = can_mend


#: What makes one record unusable, and none of the others.
UNUSABLE: Final = (RecordUnusableError, ValueError, ArithmeticError)


def decode(response: PsaResponse, kind: type[RawT], psa_name: str) -> RawT:
    """Decode a whole answer; truncated JSON or another shape is a `bad_response`, and a web page an
    outage: something answers in the PSA's place.
    """
    return _decode_answer(
        response, psa_name, lambda content: msgspec.json.decode(content, type=kind, strict=False)
    )


def decode_lowered(response: PsaResponse, kind: type[RawT], psa_name: str) -> RawT:
    """Decode a whole answer whose keys come in varying case: they are lower-cased first."""

    def parse(content: bytes) -> RawT:
        value: RawT = msgspec.convert(lower_keys(_EXACT.decode(content)), type=kind, strict=False)
        return value

    return _decode_answer(response, psa_name, parse)


_EXACT = msgspec.json.Decoder(Any, float_hook=Decimal)


def lower_keys(value: Any) -> Any:
    """The same JSON value with every key in lower case."""
    if isinstance(value, dict):
        return {name.lower(): lower_keys(item) for name, item in value.items()}
    if isinstance(value, list):
        return [lower_keys(item) for item in value]
    return value


def _decode_answer(response: PsaResponse, psa_name: str, parse: Callable[[bytes], RawT]) -> RawT:
    if response.is_html:
        raise blocked(response)
    try:
        return _parse_json(response.content, parse)
    except msgspec.ValidationError as error:
        raise PsaBadResponse(
            f"{psa_name} sent an answer of an unexpected shape: {error}.", "Report it to us."
        ) from None
    except (msgspec.DecodeError, UnicodeDecodeError):
        raise PsaBadResponse(
            f"{psa_name} sent an answer that is cut off or is not JSON.",
            "Try again; if it happens again, report it to us.",
            may_pass=True,
        ) from None


#: `\ud83d` without its other half: what a PSA leaves of an emoji that it cuts in two.
_HALF_A_CHARACTER: Final = re.compile(
    rb"\\\\|\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}"
    rb"|(?P<half>\\u[dD][89a-fA-F][0-9a-fA-F]{2})"
)


def _parse_json(content: bytes, parse: Callable[[bytes], RawT]) -> RawT:
    """Parse an answer; one half of a character in it makes nothing else of it unreadable."""
    try:
        return parse(content)
    except msgspec.ValidationError:
        raise
    except msgspec.DecodeError:
        return parse(
            _HALF_A_CHARACTER.sub(lambda at: rb"\ufffd" if at["half"] else at.group(), content)
        )


def read_records(
    rows: Iterable[msgspec.Raw],
    kind: type[RawT],
    build: Callable[[RawT], RecordT],
) -> tuple[list[RecordT], list[RejectedRecord]]:
    """Decode each row and build a record of it; return the good ones and what was set aside."""
    return _read_rows(rows, msgspec.json.Decoder(kind).decode, raw_id, build)


def read_record(
    row: msgspec.Raw, kind: type[RawT], build: Callable[[RawT], RecordT]
) -> RecordT | RejectedRecord:
    """Decode one row and build a record of it, or say why it can't be used."""
    records, rejected = read_records([row], kind, build)
    return records[0] if records else rejected[0]


def read_lowered(
    rows: Iterable[Any],
    kind: type[RawT],
    build: Callable[[RawT], RecordT],
) -> tuple[list[RecordT], list[RejectedRecord]]:
    """Read rows of an answer that `decode_lowered` decoded, as `read_records` does."""
    return _read_rows(rows, lambda row: msgspec.convert(row, kind), _lowered_id, build)


def _read_rows(
    rows: Iterable[RowT],
    decode_row: Callable[[RowT], RawT],
    id_of: Callable[[RowT], str],
    build: Callable[[RawT], RecordT],
) -> tuple[list[RecordT], list[RejectedRecord]]:
    records: list[RecordT] = []
    rejected: list[RejectedRecord] = []
    for row in rows:
        try:
            if is_stub(row):
                raise RecordUnusableError("invalid_record", TOO_LARGE, can_mend=True)
            records.append(build(_with_numbers(decode_row(row))))
        except UNUSABLE as error:
            rejected.append(set_aside(id_of(row), error))
    return records, rejected


def _with_numbers(raw: RawT) -> RawT:
    """The record as it came, unless a number of it is none."""
    if isinstance(raw, msgspec.Struct):
        for at, value in enumerate(msgspec.structs.astuple(raw)):
            if isinstance(value, Decimal) and not is_within_reason(value):
                name = raw.__struct_encode_fields__[at]
                raise RecordUnusableError("invalid_record", f"`{name}` is not a number.")
    return raw


def set_aside(external_id: str, error: Exception) -> RejectedRecord:
    """Say of a record ("" = it has no id) why it can't be used."""
    if isinstance(error, RecordUnusableError):
        return RejectedRecord(
            external_id, error.code, kept_sentence(str(error)), can_mend=error.can_mend
        )
    code = "invalid_record" if external_id else "missing_id"
    technical = str(error) if isinstance(error, msgspec.ValidationError) else ""
    return RejectedRecord(external_id, code, kept_sentence(_unreadable(technical), technical))


def too_large(external_id: str) -> RejectedRecord:
    """Say of a record that was asked for by its id that it can't be read."""
    return set_aside(external_id, RecordUnusableError("invalid_record", TOO_LARGE, can_mend=True))


def kept_sentence(sentence: str, detail: str = "") -> str:
    """What to say about a record that can't be used; a technical detail is its second line."""
    whole = f"{sentence} The record was set aside; what was stored before was kept."
    return f"{whole}\n{detail}" if detail else whole


_PLACE = re.compile(r" - at `\$\.?(?P<field>[^`]*)`$")
_MISSING = re.compile(r"missing required field `(?P<field>[^`]*)`")


def _unreadable(technical: str) -> str:
    """Say for people what msgspec says for programmers."""
    place, missing = _PLACE.search(technical), _MISSING.search(technical)
    if missing:
        return f"Your PSA sent a record without `{missing['field']}`."
    if place and place["field"]:
        return f"Your PSA sent `{place['field']}` in a form that we can't read."
    return "Your PSA sent a record in a form that we can't read."


def _lowered_id(row: Any) -> str:
    value = row.get("id") if isinstance(row, dict) else None
    return str(value)[:MOST_ID_LENGTH] if isinstance(value, int | str) else ""


def raw_id(row: msgspec.Raw) -> str:
    """The id of a record that may be wrong in any other way; "" when it has none."""
    try:
        fields = msgspec.json.decode(row, type=dict[str, msgspec.Raw])
        value = msgspec.json.decode(fields["id"], type=int | str)
    except (KeyError, msgspec.DecodeError):
        return ""
    return str(value)[:MOST_ID_LENGTH]


def clean(text: str | None) -> str:
    """Trim a text and drop invisible characters; missing, null and "" are alike."""
    return (text or "").translate(INVISIBLE).strip()


def is_plain_text(text: str) -> bool:
    """Whether it holds nothing but characters that keys are made of: visible ASCII, and blanks."""
    return text.isascii() and text.isprintable()


def name_of(text: str | None, field: str) -> str:
    """A cleaned name; longer than we can keep is refused rather than cut."""
    name = clean(text)
    if len(name) > MOST_NAME_LENGTH:
        raise RecordUnusableError(
            "too_long", f"`{field}` is longer than {MOST_NAME_LENGTH} characters.", can_mend=True
        )
    return name


_DATE = re.compile(r"\d{4}-\d{2}-\d{2}")


def calendar_date(text: str | None, field: str) -> date | None:
    """The calendar date as the PSA wrote it, never moved through a time zone.

    Year 1 is how .NET writes "none".
    """
    written = clean(text)
    if not written:
        return None
    match = _DATE.match(written)
    try:
        day = date.fromisoformat(match.group() if match else written)
    except ValueError:
        raise RecordUnusableError("invalid_record", f"`{field}` is not a date.") from None
    return None if day.year == MINYEAR else day


def day_before(day: date) -> date:
    """The day before, on a calendar that has a first day."""
    return date.fromordinal(max(day.toordinal() - 1, date.min.toordinal()))


def day_after(day: date) -> date:
    """The day after, on a calendar that has a last day."""
    return date.fromordinal(min(day.toordinal() + 1, date.max.toordinal()))


def instant(text: str | None) -> datetime | None:
    """A true moment in UTC; None when it is missing or unreadable (only used as a hint).

    The years 1 and 9999 are how .NET writes "none" and "for ever".
    """
    try:
        moment = datetime.fromisoformat(clean(text)) if text else None
    except ValueError:
        return None
    if moment is None or moment.year in {MINYEAR, MAXYEAR}:
        return None
    return moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)


def of_lines(rejected: Iterable[RejectedRecord]) -> list[RejectedRecord]:
    """Say that these were lines of agreements."""
    return [replace(record, is_line=True) for record in rejected]
