"""Questions as JSON: `{"id", "ask", "book"}` in, `{"id", "answer"}` out. What support staff paste.

A question that can't be understood gets an `error` of its own; a bad value inside an agreement is
left out with its reason, as the definition says.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import MAXYEAR, MINYEAR, UTC, date, datetime
from decimal import Decimal, InvalidOperation
from typing import Any, Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import msgspec

from agreements.mrr import figures
from agreements.mrr.averages import averages
from agreements.mrr.book import UNREADABLE, Agreement, Book, Line, Number, Source, Units
from agreements.mrr.dates import read_calendar_date, read_date, read_month
from agreements.mrr.ledger import ledger, rounding_difference
from agreements.mrr.money import exact_text, is_within_reason
from agreements.mrr.prepared import Prepared
from agreements.mrr.rules import prepare
from agreements.mrr.words import MEANINGS, WordChoice, Words, read_meaning_of, word_key

Json = Any
Sources = Mapping[str, Source]
NO_SOURCES: Final[Sources] = {}


class QuestionError(ValueError):
    """A question that can't be answered; the text says what is wrong with it."""


def answer_all(text: bytes, sources: Sources = NO_SOURCES) -> list[dict[str, Json]]:
    """Answer a JSON array of questions, each on its own. Numbers mean their decimal text.

    `sources`: what there is to know of the agreements' sources; a question does not say it.
    """
    try:
        raw = msgspec.json.decode(text, type=list[msgspec.Raw])
    except (msgspec.DecodeError, RecursionError) as error:
        raise QuestionError(f"This is not a JSON array of questions: {error}.") from None
    return [_answer_raw(question, position, sources) for position, question in enumerate(raw)]


def _answer_raw(raw: msgspec.Raw, position: int, sources: Sources) -> dict[str, Json]:
    name: Json = position
    try:
        question = _decoded(raw)
        name = question.get("id", position) if isinstance(question, dict) else position
        return {"id": name, "answer": answer(question, sources)}
    except QuestionError as error:
        return {"id": name, "error": {"code": "invalid_question", "message": str(error)}}


def _decoded(raw: msgspec.Raw) -> Json:
    try:
        return decimal_json(raw)
    except (msgspec.DecodeError, RecursionError) as error:
        raise QuestionError(f"This can't be read: {error}.") from None


def decimal_json(raw: bytes | msgspec.Raw) -> Json:
    """Decode JSON with every fraction as the decimal it is written as."""
    return msgspec.json.Decoder(float_hook=_decimal).decode(raw)


def _decimal(text: str) -> Decimal:
    try:
        return Decimal(text)
    except InvalidOperation:  # more noughts than a decimal can count
        return UNREADABLE


def answer(question: Json, sources: Sources = NO_SOURCES) -> Json:
    """Answer one question in the shape of the worked examples' `want`."""
    ask = _mapping(_mapping(question, "question").get("ask"), "ask")
    what = ask.get("what")
    if what == "today":
        return _today(ask)
    if not isinstance(what, str) or what not in _ANSWERS:
        known = ", ".join([*_ANSWERS, "today"])
        raise QuestionError(f"`what` is one of {known}.")
    book = prepare(read_book(question.get("book"), sources))
    return _ANSWERS[what](book, ask)


def _mrr(book: list[Prepared], ask: Mapping[str, Json]) -> Json:
    on = _day(ask, "as_of")
    entries = ledger(book, on)
    rows = [entry for entry in entries if entry.kind != "rounding"]
    said = {row.row_id: row.said for row in rows if row.said}
    explains = ask.get("sentences") is True
    return {
        "reasons": {row.row_id: row.reason for row in rows},
        "totals": {
            figure.currency: {
                **_figure(figure),
                "rounding_difference": rounding_difference(entries, figure.currency),
            }
            for figure in figures.mrr(book, on)
        },
        "warnings": {row.row_id: row.warnings for row in rows if row.warnings},
        **({"words": said} if said else {}),
        **({"sentences": {row.row_id: row.sentence for row in rows}} if explains else {}),
    }


def _recognized(book: list[Prepared], ask: Mapping[str, Json]) -> Json:
    months = ask.get("months")
    if not isinstance(months, list):
        raise QuestionError("`months` is a list of months such as 2026-06.")
    return {
        month: _by_currency(figures.recognized(book, _month(month))) for month in map(str, months)
    }


def _averages(book: list[Prepared], ask: Mapping[str, Json]) -> Json:
    on = _day(ask, "as_of")
    if not MINYEAR < on.year < MAXYEAR:
        raise QuestionError("`as_of` has twelve months of the calendar on either side.")
    windows = averages(book, on)
    return {name: _by_currency(found) for name, found in windows.items()}


def _movement(book: list[Prepared], ask: Mapping[str, Json]) -> Json:
    start, end = _day(ask, "from"), _day(ask, "to")
    if not start < end:
        raise QuestionError("`from` lies before `to`.")
    return {bridge.currency: _bridge(bridge) for bridge in figures.movement(book, start, end)}


def _bridge(bridge: figures.Movement) -> Json:
    """A bridge as it is shown: opening, all classes, closing, and whose MRR moved."""
    shown: dict[str, Json] = {name: _figure(part) for name, part in bridge.parts.items()}
    shown["rounding_difference"] = bridge.rounding_difference
    shown["companies"] = [
        {"company_id": c.company_id, "class": c.kind, "exact": exact_text(c.exact)}
        for c in bridge.companies
    ]
    return shown


def _today(ask: Mapping[str, Json]) -> Json:
    try:
        moment = datetime.fromisoformat(str(ask.get("now_utc")))
        if moment.tzinfo is None:
            moment = moment.replace(tzinfo=UTC)
        local = moment.astimezone(ZoneInfo(str(ask.get("zone"))))
    except (ValueError, OverflowError, ZoneInfoNotFoundError, OSError):
        raise QuestionError("`now_utc` is an instant and `zone` an IANA time zone.") from None
    return {"as_of": local.date().isoformat()}


_ANSWERS: Final[dict[str, Callable[[list[Prepared], Mapping[str, Json]], Json]]] = {
    "mrr": _mrr,
    "recognized": _recognized,
    "averages": _averages,
    "movement": _movement,
}


def _figure(figure: figures.Figure) -> dict[str, str]:
    return {"amount": figure.amount, "exact": exact_text(figure.exact)}


def _by_currency(found: list[figures.Figure]) -> dict[str, dict[str, str]]:
    return {figure.currency: _figure(figure) for figure in found}


# Reading a book


def read_book(raw: Json, sources: Sources = NO_SOURCES) -> Book:
    """Read a book; keys that are not listed in the definition are ignored."""
    book = _mapping(raw, "book")
    agreements = book.get("agreements", [])
    if not isinstance(agreements, list):
        raise QuestionError("`agreements` is a list.")
    currency = book.get("default_currency") or "USD"
    read = [_agreement(_mapping(a, "agreement")) for a in agreements]
    return Book(read, str(currency).upper(), sources, _words(book.get("words") or []))


def _words(raw: Json) -> Words:
    """What people said of words: `[{"kind", "word", "meaning", "account", "by", "on"}]`, of which
    the last three may be absent.
    """
    if not isinstance(raw, list):
        raise QuestionError("`words` is a list.")
    choices = [(_text(_mapping(said, "word"), "account"), _word(said)) for said in raw]
    return {(account, said.kind, word_key(said.word)): said for account, said in choices}


def _word(raw: Mapping[str, Json]) -> WordChoice:
    kind, word = _text(raw, "kind"), _text(raw, "word")
    if kind not in MEANINGS:
        raise QuestionError(f"The `kind` of a word is one of {', '.join(MEANINGS)}.")
    meaning = read_meaning_of(kind, raw.get("meaning"))
    if not word.strip() or meaning is None:
        raise QuestionError(f'The {kind} "{word}" needs a meaning that there is.')
    return WordChoice(kind, word, meaning, _text(raw, "by"), _Dates(raw).read("on"))


def _agreement(raw: Mapping[str, Json]) -> Agreement:
    for key in ("source", "id"):
        if raw.get(key) in (None, ""):
            raise QuestionError(f"Each agreement needs its `{key}`.")
    dates = _Dates(raw)
    lines = raw.get("lines") or []
    if not isinstance(lines, list):
        raise QuestionError("`lines` is a list.")
    agreement = Agreement(
        source=str(raw["source"]),
        id=str(raw["id"]),
        company_id=_text(raw, "company_id"),
        name=_text(raw, "name"),
        currency=_text(raw, "currency"),
        start_date=dates.read("start_date"),
        end_date=dates.read("end_date"),
        no_end=raw.get("no_end") is True,
        cancelled=_flag(raw, "cancelled"),
        cancelled_date=dates.read("cancelled_date"),
        recurring=_flag(raw, "recurring"),
        active=_flag(raw, "active"),
        cycle=raw.get("cycle"),
        amount=number(raw.get("amount")),
        parent_id=_text(raw, "parent_id"),
        renews=_ids(raw, "renews", "renews_id"),
        incomplete=raw.get("incomplete") is True,
        exclude=raw.get("exclude") is True,
        force_include=raw.get("force_include") is True,
        assume_renewal=raw.get("assume_renewal") is True,
        account=_text(raw, "account"),
        type=_text(raw, "type"),
        status=_text(raw, "status"),
        set_aside=raw.get("set_aside") is True,
        counts_from=dates.read("counts_from"),
        inactive_from=dates.read("inactive_from"),
        set_aside_psa=_text(raw, "set_aside_psa"),
        set_aside_since=_Dates(raw).read("set_aside_since"),
        lines=[_line(_mapping(line, "line")) for line in lines],
    )
    agreement.has_unreadable_date = dates.unreadable
    return agreement


def _line(raw: Mapping[str, Json]) -> Line:
    dates = _Dates(raw)
    units = raw.get("units")
    if not isinstance(units, list | None):
        raise QuestionError("`units` is a list.")
    return Line(
        id=_text(raw, "id"),
        kind=_text(raw, "kind") or "addition",
        quantity=number(raw.get("quantity")),
        unit_price=number(raw.get("unit_price")),
        less_included=number(raw.get("less_included")),
        bill=_text(raw, "bill") or "billable",
        start_date=dates.read("start_date"),
        end_date=dates.read("end_date"),
        cycle=raw.get("cycle"),
        product=_text(raw, "product"),
        one_time=_flag(raw, "one_time"),
        exclude=raw.get("exclude") is True,
        units=None if units is None else [_units(_mapping(u, "units")) for u in units],
        usage=raw.get("usage") is True,
        has_unreadable_date=dates.unreadable,
    )


def _units(raw: Mapping[str, Json]) -> Units:
    dates = _Dates(raw)
    units = Units(
        start_date=dates.read("start_date"),
        end_date=dates.read("end_date"),
        units=number(raw.get("units")),
        unit_price=number(raw.get("unit_price")),
        amount=number(raw.get("amount")),
    )
    if dates.unreadable:
        units.amount = UNREADABLE
    return units


def number(value: Json) -> Number:
    """A decimal string or JSON number; what is there and no number is `UNREADABLE`."""
    if value is None or (isinstance(value, str) and not value.strip()):
        return None
    if isinstance(value, bool) or not isinstance(value, int | str | Decimal):
        return UNREADABLE
    try:
        read = Decimal(value)
    except InvalidOperation:
        return UNREADABLE
    return read if is_within_reason(read) else UNREADABLE


class _Dates:
    """Reads the dates of one record and remembers whether one of them could not be read."""

    def __init__(self, raw: Mapping[str, Json]) -> None:
        self._raw = raw
        self.unreadable = False

    def read(self, key: str) -> date | None:
        value = self._raw.get(key)
        if value in (None, ""):
            return None
        try:
            return read_calendar_date(str(value))
        except ValueError:
            self.unreadable = True
            return None


def _mapping(value: Json, what: str) -> Mapping[str, Json]:
    if not isinstance(value, Mapping):
        raise QuestionError(f"A {what} is a JSON object.")
    return value


def _text(raw: Mapping[str, Json], key: str) -> str:
    value = raw.get(key)
    return "" if value is None else str(value)


def _ids(raw: Mapping[str, Json], *keys: str) -> list[str]:
    """A list of ids, or one, under the first of these keys that is there."""
    value: Json = next((raw[key] for key in keys if raw.get(key) is not None), [])
    return [str(id_) for id_ in (value if isinstance(value, list) else [value]) if id_ != ""]


def _flag(raw: Mapping[str, Json], key: str) -> bool | None:
    value = raw.get(key)
    return value if isinstance(value, bool) else None


def _day(ask: Mapping[str, Json], key: str) -> date:
    try:
        return read_date(str(ask.get(key)))
    except ValueError:
        raise QuestionError(f"`{key}` is a date such as 2026-06-15.") from None


def _month(text: str) -> date:
    try:
        return read_month(text)
    except ValueError:
        raise QuestionError("A month is written as 2026-06.") from None


__all__ = ["QuestionError", "answer", "answer_all", "read_book"]
