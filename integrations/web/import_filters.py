"""The import list's filters as addresses say them, and as chips and tabs show them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Final
from urllib.parse import urlencode
from uuid import UUID

from django.http import QueryDict
from django.urls import reverse

from audit_site.db.folded_text import storable
from integrations.importing.facets import Facets
from integrations.importing.rules import title_of
from integrations.importing.table import TITLES, Filters, Tab
from integrations.models import Integration

#: An id that no connection has: an address that names what is none finds nothing.
NOBODY: Final = UUID(int=0)


def read_filters(asked: QueryDict) -> Filters:
    """What an address asks for, by the names of `Filters`; `new` is yes or nothing."""
    tab = asked.get("tab", "")
    return Filters(
        tab=Tab(tab) if tab in set(Tab) else Tab.ADD,
        search=storable(asked.get("search", "")).strip(),
        connection=read_id(asked.get("connection", "")),
        type=storable(asked.get("type", "")),
        status=storable(asked.get("status", "")),
        reason=storable(asked.get("reason", "")),
        new=asked.get("new") == "yes",
    )


def read_id(text: str) -> UUID | None:
    if not text:
        return None
    try:
        return UUID(text)
    except ValueError:
        return NOBODY


def query_of(filters: Filters) -> dict[str, str]:
    """The filters as an address names them, and no others."""
    said = {
        "tab": filters.tab.value,
        "search": filters.search,
        "connection": str(filters.connection or ""),
        "type": filters.type,
        "status": filters.status,
        "reason": filters.reason,
        "new": "yes" if filters.new else "",
    }
    return {name: value for name, value in said.items() if value}


def address_of(filters: Filters) -> str:
    return f"{reverse('integrations:import')}?{urlencode(query_of(filters))}"


@dataclass(frozen=True, slots=True)
class TabLink:
    """A tab, how many rows it shows under the filters, and where it is."""

    key: str
    title: str
    number: int
    address: str
    is_here: bool


@dataclass(frozen=True, slots=True)
class Option:
    """One value of a filter, how many rows of the tab have it, and the list with it."""

    label: str
    number: int
    address: str


@dataclass(frozen=True, slots=True)
class Chip:
    """A filter: what it is set to ("" = nothing), the list without it, and its other values."""

    title: str
    chosen: str
    address: str
    options: list[Option]


def tabs_of(filters: Filters, facets: Facets) -> list[TabLink]:
    """All tabs; a reason is only asked for where rows have one."""
    return [
        TabLink(
            tab.value,
            TITLES[tab],
            facets.tabs[tab],
            address_of(replace(filters, tab=tab)),
            tab == filters.tab,
        )
        for tab in Tab
    ]


def chips_of(
    filters: Filters, facets: Facets, integrations: Mapping[UUID, Integration]
) -> list[Chip]:
    """The filters of the list; those that would change nothing are left out."""
    names = {pk: one.name for pk, one in integrations.items()}
    psa = _psa_name(filters, integrations)
    found = [
        _chip("Connection", "connection", filters, facets.connections, names)
        if len(integrations) > 1
        else None,
        _chip("Type", "type", filters, facets.types),
        _chip("Status", "status", filters, facets.statuses),
        _chip(
            "Reason",
            "reason",
            filters,
            facets.reasons,
            {code: title_of(code, psa) for code in facets.reasons},
        ),
    ]
    return [chip for chip in found if chip is not None]


def _psa_name(filters: Filters, integrations: Mapping[UUID, Integration]) -> str:
    """Whose list it is, in a reason's words."""
    names = {one.psa_info.name for one in integrations.values()}
    if filters.connection and filters.connection in integrations:
        names = {integrations[filters.connection].psa_info.name}
    return names.pop() if len(names) == 1 else "the PSA"


def _chip(
    title: str,
    name: str,
    filters: Filters,
    sums: Mapping[Any, int],
    labels: Mapping[Any, str] | None = None,
) -> Chip | None:
    chosen = getattr(filters, name)
    labels = labels or {value: str(value) for value in sums}
    if not chosen and not sums:
        return None
    return Chip(
        title,
        labels.get(chosen, str(chosen)) if chosen else "",
        address_of(filters.without(name)),
        [
            Option(labels.get(value, str(value)), number, _with(filters, name, value))
            for value, number in sums.items()
            if value != chosen
        ],
    )


def _with(filters: Filters, name: str, value: object) -> str:
    change: dict[str, object] = {name: value}
    return address_of(replace(filters, **change))  # type: ignore[arg-type]
