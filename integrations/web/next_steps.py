"""What there is to do about a connection, the most urgent first."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from django.urls import reverse
from django.utils.http import urlencode

from integrations.connecting.health import State
from integrations.importing.connection_cards import ConnectionRow
from integrations.importing.table import Tab

#: What somebody has to do in Setup while a connection is like this.
IN_SETUP: Final[dict[State, str]] = {
    "refused": "Replace the keys",
    "key_missing": "Open Setup",
    "limited": "See its rights",
    "paused": "Resume it",
}
#: Where in Setup.
PLACES: Final[dict[State, str]] = {
    "refused": "#keys",
    "limited": "#rights",
    "paused": "#pause",
}


@dataclass(frozen=True, slots=True)
class Step:
    """`text` says why ("" = the sentence of its health does), `label` what to press."""

    text: str
    label: str
    address: str


def import_address(row: ConnectionRow, tab: Tab, **more: str) -> str:
    """The import list, narrowed to this connection."""
    asked = {"connection": str(row.integration.pk), "tab": tab.value, **more}
    return f"{reverse('integrations:import')}?{urlencode(asked)}"


def next_steps(row: ConnectionRow) -> list[Step]:
    """None = nothing to do. No query."""
    return [*_mend(row), *_import(row)]


def _mend(row: ConnectionRow) -> Iterator[Step]:
    state, pk = row.health.state, row.integration.pk
    label = IN_SETUP.get(state)
    if label and not (state == "limited" and row.open_issues):
        place = PLACES.get(state, "")
        yield Step("", label, f"{reverse('integrations:setup', args=[pk])}{place}")
    if number := row.open_issues:
        text = f"{number:,} open issue{'' if number == 1 else 's'}"
        yield Step(text, "See what to do", reverse("integrations:issues", args=[pk]))


def _import(row: ConnectionRow) -> Iterator[Step]:
    counts = row.companies
    if counts.addable and not counts.linked:
        noun = "company" if counts.found == 1 else "companies"
        text = f"{counts.found:,} {noun} found, nothing has been imported."
        yield Step(text, "Choose companies", import_address(row, Tab.ADD))
    if row.new_companies and row.new_companies.number:
        text = f"{row.new_companies} new since you last looked"
        address = reverse("integrations:import-list", args=[row.integration.pk])
        yield Step(text, "Look at them", f"{address}?new=yes")
    if counts.suggested_in_all:
        number = counts.suggested_in_all
        text = f"{number:,} suggested link{'' if number == 1 else 's'}"
        yield Step(text, "Confirm them", import_address(row, Tab.SUGGESTED))
