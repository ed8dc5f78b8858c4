"""The connections in the menu of every page."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from django.http import HttpRequest

from audit_site.tenants.models import Tenant
from integrations.connecting.connections_now import ConnectionNow, connections_now

#: So many connections stand in the menu; the list has the others.
MOST_IN_MENU: Final = 8


@dataclass(frozen=True, slots=True)
class MenuRow:
    """A connection in the menu; `is_here`: the page is one of its own."""

    now: ConnectionNow
    is_here: bool


@dataclass(frozen=True, slots=True)
class ConnectionMenu:
    """The connections of a tenant; `is_list_here`: the page is about none that stands in `rows`."""

    connections: list[ConnectionNow]
    rows: list[MenuRow]
    is_list_here: bool

    @property
    def open_issues(self) -> int:
        return sum(one.open_issues for one in self.connections)


def connection_menu(request: HttpRequest, tenant: Tenant) -> ConnectionMenu:
    """One statement."""
    connections = connections_now(tenant)
    is_of_connections = getattr(request, "section", "") == "integrations"
    match = request.resolver_match
    here = match.kwargs.get("pk") if is_of_connections and match else None
    rows = [MenuRow(one, one.integration.pk == here) for one in connections[:MOST_IN_MENU]]
    is_list_here = is_of_connections and not any(row.is_here for row in rows)
    return ConnectionMenu(connections, rows, is_list_here)
