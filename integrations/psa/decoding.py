"""From a PSA's JSON to typed records, one by one: a bad record is set aside, the page goes on.

Messages name the field that is wrong and never its value.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import replace
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any, Final, TypeVar

import msgspec

from integrations.psa.contract import RejectedRecord
from integrations.psa.errors import PsaBadResponse
from integrations.psa.http import PsaResponse

RawT = TypeVar("RawT")
RowT = TypeVar("RowT")
RecordT = TypeVar("RecordT")

MOST_ID_LENGTH: Final = 100
MOST_NAME_LENGTH: Final = 255
#: Characters that paste themselves invisibly into PSAs' text fields.
INVISIBLE: Final = dict.fromkeys(map(ord, "\u200b\u200c\u200d\u200e\u200f\u2060\ufeff\x00"))


class RecordUnusableError(Exception):
    """A record that decodes but can't be used; the message names the field.

    `can_mend`: a person can put it right in the PSA.
    """

    def __init__(self, code: str, message: str, *, can_mend: bool = False) -> None:
        super().__init__(message)
        self.code = code
        self.can_mend = can_mend


def decode(response: PsaResponse, kind: type[RawT], psa_name: str) -> RawT:
    """Decode a whole answer; HTML, truncated JSON or another shape is a `bad_response`."""
    return _decoded(
        response, psa_name, lambda content: msgspec.json.decode(content, type=kind, strict=False)
    )


def decode_lowered(response: PsaResponse, kind: type[RawT], psa_name: str) -> RawT:
    """Decode a whole answer whose keys come in varying case: they are lower-cased first."""

    def parse(content: bytes) -> RawT:
        value: RawT = msgspec.convert(lowered(_EXACT.decode(content)), type=kind, strict=False)
        return value

    return _decoded(response, psa_name, parse)


_EXACT = msgspec.json.Decoder(Any, float_hook=Decimal)


def lowered(value: Any) -> Any:
    """The same JSON value with every key in lower case."""
    if isinstance(value, dict):
        return {name.lower(): lowered(item) for name, item in value.items()}
    if isinstance(value, list):
        return [lowered(item) for item in value]
    return value


def _decoded(response: PsaResponse, psa_name: str, parse: Callable[[bytes], RawT]) -> RawT:
    if response.is_html:
        raise PsaBadResponse(
            f"{psa_name} answered with a web page instead of data.",
            "Try again in a few minutes; if it happens again, report it to us.",
            may_pass=True,
        )
    try:
        return parse(response.content)
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


def read_records(
    rows: Iterable[msgspec.Raw],
    kind: type[RawT],
    build: Callable[[RawT], RecordT],
) -> tuple[list[RecordT], list[RejectedRecord]]:
    """Decode each row and build a record of it; return the good ones and what was set aside."""
    return _read(rows, msgspec.json.Decoder(kind).decode, raw_id, build)


def read_lowered(
    rows: Iterable[Any],
    kind: type[RawT],
    build: Callable[[RawT], RecordT],
) -> tuple[list[RecordT], list[RejectedRecord]]:
    """Read rows of an answer that `decode_lowered` decoded, as `read_records` does."""
    return _read(rows, lambda row: msgspec.convert(row, kind), _lowered_id, build)


def _read(
    rows: Iterable[RowT],
    decode_row: Callable[[RowT], RawT],
    id_of: Callable[[RowT], str],
    build: Callable[[RawT], RecordT],
) -> tuple[list[RecordT], list[RejectedRecord]]:
    records: list[RecordT] = []
    rejected: list[RejectedRecord] = []
    for row in rows:
        try:
            records.append(build(decode_row(row)))
        except RecordUnusableError as error:
            message = set_aside(str(error))
            rejected.append(
                RejectedRecord(id_of(row), error.code, message, can_mend=error.can_mend)
            )
        except (msgspec.ValidationError, ValueError) as error:
            external_id = id_of(row)
            code = "invalid_record" if external_id else "missing_id"
            technical = str(error) if isinstance(error, msgspec.ValidationError) else ""
            message = set_aside(_unreadable(technical), technical)
            rejected.append(RejectedRecord(external_id, code, message))
    return records, rejected


def set_aside(sentence: str, detail: str = "") -> str:
    """What to say about a record that can't be used; a technical detail is its second line."""
    told = f"{sentence} The record was set aside; what was stored before was kept."
    return f"{told}\n{detail}" if detail else told


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
    """The calendar date as the PSA wrote it, never moved through a time zone."""
    written = clean(text)
    if not written:
        return None
    match = _DATE.match(written)
    try:
        return date.fromisoformat(match.group() if match else written)
    except ValueError:
        raise RecordUnusableError("invalid_record", f"`{field}` is not a date.") from None


def instant(text: str | None) -> datetime | None:
    """A true moment in UTC; None when it is missing or unreadable (only used as a hint)."""
    try:
        moment = datetime.fromisoformat(clean(text)) if text else None
    except ValueError:
        return None
    if moment is None:
        return None
    return moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)


def of_lines(rejected: Iterable[RejectedRecord]) -> list[RejectedRecord]:
    """Say that these were lines of agreements."""
    return [replace(record, is_line=True) for record in rejected]
