"""Home: what needs somebody, what is new, and the MRR; for a new tenant the three first steps."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from django.http import HttpResponse
from django.shortcuts import render

from agreements.figures import Total, tenant_figure
from agreements.models import FigureShown
from agreements.overview import own_first
from agreements.to_check import count_to_check
from audit_site.db.counting import NEW_LIMIT, CappedCount
from audit_site.pages.views import PageRequest, page, tenant_of
from audit_site.tenants.models import Role
from companies.services import Licence, licence
from integrations.connecting.connections_now import ConnectionNow
from integrations.connecting.health import State
from integrations.importing.selectors import count_flagged, new_company_counts
from integrations.web.menu import ConnectionMenu, connection_menu

#: A connection in one of these goes on only when somebody does something, or may stay as it is.
NEEDS_SOMEBODY: Final[frozenset[State]] = frozenset(
    {"limited", "unreachable", "refused", "key_missing", "paused"}
)


@dataclass(frozen=True, slots=True)
class Steps:
    """What a new tenant does first, each ticked by what is there."""

    is_connected: bool
    has_imported: bool
    has_checked: bool

    @property
    def are_done(self) -> bool:
        return self.is_connected and self.has_imported and self.has_checked


@dataclass(frozen=True, slots=True)
class HomePage:
    """What stands on Home.

    `arrived`: what came into the PSAs since this person looked, None = they never looked into any.
    `flagged` audITees and `to_check` agreements need a look. `menu` and `arrived` are of members.
    """

    menu: ConnectionMenu | None
    arrived: CappedCount | None
    flagged: int
    to_check: int
    totals: list[Total]
    licence: Licence
    steps: Steps

    @property
    def connections(self) -> Sequence[ConnectionNow]:
        return self.menu.connections if self.menu else ()

    @property
    def troubled(self) -> list[ConnectionNow]:
        return [one for one in self.connections if one.health.state in NEEDS_SOMEBODY]


@page("GET", section="home")
def home(request: PageRequest) -> HttpResponse:
    shown = home_page(request)
    context: dict[str, Any] = {"home": shown, "licence": shown.licence}
    if shown.menu is not None:
        context |= {"menu": shown.menu, "banners": ()}  # its line says what they would
    return render(request, "home.html", context)


def home_page(request: PageRequest) -> HomePage:
    """Nine statements at the most."""
    tenant = tenant_of(request)
    is_member = request.membership.has_role(Role.MEMBER)
    menu = connection_menu(request, tenant) if is_member else None
    counted = licence(tenant)
    return HomePage(
        menu,
        _arrived(request, menu.connections) if menu else None,
        count_flagged(tenant),
        count_to_check(tenant),
        own_first(tenant, tenant_figure(tenant).totals),
        counted,
        Steps(
            any(one.integration.is_connected for one in menu.connections) if menu else True,
            counted.used > 0,
            FigureShown.objects.for_tenant(tenant).exists(),
        ),
    )


def _arrived(request: PageRequest, connections: Sequence[ConnectionNow]) -> CappedCount | None:
    integrations = [one.integration for one in connections]
    counts = new_company_counts(tenant_of(request), request.user, integrations)
    if not counts:
        return None
    return CappedCount(sum(count.number for count in counts.values()), NEW_LIMIT)
