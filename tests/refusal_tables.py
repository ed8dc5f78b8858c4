"""The adapters' tables of refusals, as they stand in docs/psas.md."""

from __future__ import annotations

import importlib
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from integrations.psa import registry
from integrations.psa.errors import PsaError
from integrations.psa.http import PsaResponse
from integrations.psa.questions import OldPlaceError
from integrations.psa.refusals import RefusalRow, RefusalTable, RefusedAnswer

NAME: Final = "refusals"
DOCUMENT: Final = Path(__file__).resolve().parents[1] / "docs" / "psas.md"
BEGIN, END = f"<!-- {NAME} -->", f"<!-- end of {NAME} -->"
HEAD: Final = "| Status | What is in the answer | Code | What the admin reads |\n|---|---|---|---|"


def tables_of(psa: str) -> dict[str, RefusalTable]:
    """The tables of a PSA, by what is asked."""
    package = registry.get_adapter(psa).__module__.rpartition(".")[0]
    tables: dict[str, RefusalTable] = importlib.import_module(f"{package}.errors").TABLES
    return tables


def text() -> str:
    """All tables in Markdown, in the order of the PSAs' names."""
    return "\n\n".join(
        f"### {info.name}: {question[0].lower()}{question[1:]}\n{HEAD}\n" + "\n".join(_rows(table))
        for info in registry.infos()
        for question, table in tables_of(info.key).items()
    )


def written() -> str:
    """What the document holds between the two marks."""
    return DOCUMENT.read_text().partition(f"{BEGIN}\n")[2].partition(f"\n{END}")[0]


def write() -> None:
    before, _, rest = DOCUMENT.read_text().partition(BEGIN)
    DOCUMENT.write_text(f"{before}{BEGIN}\n{text()}\n{END}{rest.partition(END)[2]}")


def _rows(table: RefusalTable) -> Iterator[str]:
    for row in table:
        error = _error_of(row)
        message = re.sub(r"\(status \d+\)", "(status …)", error.message)
        note = f" ({row.note})" if row.note else ""
        yield f"| {row.status or 'any'} | {_likeness(row)} | `{error.code}` | {message}{note} |"


def _likeness(row: RefusalRow) -> str:
    """What the row asks of an answer besides its status."""
    parts = [f"the code `{row.code}`"] if row.code else []
    parts += [row.shape] if row.shape else []
    parts += ["a web page, or what the PSA does not write"] if row.is_foreign else []
    parts += [" or ".join(f"`{word}`" for word in row.words)] if row.words else []
    return ", ".join(parts) or "anything"


def _error_of(row: RefusalRow) -> PsaError:
    """The error for an answer to a question about companies."""
    status = (row.status or "400").split()[0].replace("xx", "00")
    response = PsaResponse(int(status), {}, b"{}", host="psa.example")
    answer = RefusedAnswer(int(status), right="read_companies", response=response)
    error = row.meaning(answer)
    return error.meant if isinstance(error, OldPlaceError) else error
