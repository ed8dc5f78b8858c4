"""Tables as CSV, for spreadsheets: what somebody typed is never run as a formula there."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Iterator, Sequence
from contextvars import copy_context
from typing import Any, Final

from django.http import HttpResponse, StreamingHttpResponse

#: A cell that begins so would be run as a formula by a spreadsheet.
FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r")
#: Without it spreadsheets take UTF-8 for something else.
MARK: Final = "\ufeff"
CSV: Final = "text/csv; charset=utf-8"


def safe_cell(value: Any) -> str:
    text = "" if value is None else str(value)
    return f"'{text}" if text.startswith(FORMULA_STARTS) else text


def csv_response(
    name: str, header: Sequence[str], rows: Iterable[Sequence[Any]], *, amounts: Sequence[int]
) -> HttpResponse:
    """A CSV download. Columns in `amounts` are numbers of ours and stay as they are."""
    response = HttpResponse(content_type=CSV)
    response["Content-Disposition"] = f'attachment; filename="{name}.csv"'
    response.write(MARK)
    writer = csv.writer(response)
    writer.writerow(header)
    for row in rows:
        writer.writerow(
            [value if at in amounts else safe_cell(value) for at, value in enumerate(row)]
        )
    return response


def csv_stream(
    name: str, header: Sequence[str], rows: Iterable[Sequence[Any]]
) -> StreamingHttpResponse:
    """A CSV download of any length: each row is sent as soon as it is known.

    Rows are asked for after the request has been answered, in the context that it had.
    """
    context = copy_context()
    lines = _lines(header, rows)

    def sent() -> Iterator[str]:
        while (line := context.run(next, lines, None)) is not None:
            yield line

    response = StreamingHttpResponse(sent(), content_type=CSV)
    response["Content-Disposition"] = f'attachment; filename="{name}.csv"'
    return response


class _Line:
    """What csv.writer writes to: it keeps the newest line."""

    text = ""

    def write(self, text: str) -> None:
        self.text = text


def _lines(header: Sequence[str], rows: Iterable[Sequence[Any]]) -> Iterator[str]:
    line = _Line()
    writer = csv.writer(line)
    writer.writerow(header)
    yield MARK + line.text
    for row in rows:
        writer.writerow([safe_cell(value) for value in row])
        yield line.text
