"""One page of the import list over all connections, with everything that its template shows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from urllib.parse import urlencode
from uuid import UUID

from django.http import QueryDict

from audit_site.db.counting import NEW_LIMIT, CappedCount, capped_count
from audit_site.tenants.models import Tenant
from integrations.connecting.selectors import latest_runs
from integrations.importing.facets import Facets, facets_of
from integrations.importing.table import (
    TITLES,
    Filters,
    Tab,
    came,
    condition,
    page_of,
    rows_of,
    with_links,
)
from integrations.models import ImportSelection, Integration
from integrations.web.chosen_bar import ChosenBar, chosen_bar
from integrations.web.import_filters import (
    Chip,
    Option,
    TabLink,
    address_of,
    chips_of,
    query_of,
    read_id,
    tabs_of,
)
from integrations.web.run_progress import RunStatus, live_all
from integrations.web.suggested_links import SuggestedLinks, suggested_links
from integrations.web.table_rows import ImportRow, table_rows


@dataclass(frozen=True, slots=True)
class ImportPage:
    """Some rows of the import list under `filters`.

    `previous` and `next` are as in TablePage. `links`: what the tab of suggested links says beside
    its rows, None on others. `arrived`: how many came since the person looked;
    `asks`: the connections that can be asked for what was searched; `elsewhere`: other tabs where
    the search finds something. `runs`: newest runs that are under way, or were not complete.
    """

    filters: Filters
    rows: list[ImportRow]
    previous: UUID | None
    next: UUID | None
    tabs: list[TabLink]
    chips: list[Chip]
    arrived: CappedCount
    bar: ChosenBar
    asks: list[Integration]
    elsewhere: list[Option]
    runs: list[RunStatus]
    links: SuggestedLinks | None
    last_read_at: datetime | None

    @property
    def title(self) -> str:
        return TITLES[self.filters.tab]

    @property
    def query(self) -> dict[str, str]:
        return query_of(self.filters)

    @property
    def said(self) -> str:
        """The filters as the form sends them along."""
        return urlencode(self.query)

    @property
    def without_search(self) -> str:
        return address_of(self.filters.without("search"))

    @property
    def without_new(self) -> str:
        return address_of(self.filters.without("new"))

    @property
    def total(self) -> int:
        return next(tab.number for tab in self.tabs if tab.is_here)

    @property
    def new_address(self) -> str:
        return address_of(replace(self.filters, tab=Tab.ALL, new=True))


def import_page(
    selection: ImportSelection,
    integrations: Sequence[Integration],
    filters: Filters,
    asked: QueryDict,
    free: int,
) -> ImportPage:
    """The page that an address asks for; `after`, `before` or `from` choose the rows."""
    tenant, by_id = selection.tenant, {one.pk: one for one in integrations}
    rows = rows_of(tenant, integrations)
    facets = facets_of(rows, filters)
    shown = page_of(
        tenant,
        with_links(rows.filter(condition(filters))),
        after=read_id(asked.get("after", "")),
        before=read_id(asked.get("before", "")),
        start=asked.get("from", ""),
    )
    return ImportPage(
        filters=filters,
        rows=table_rows(selection, shown.rows, by_id, filters.since),
        previous=shown.previous,
        next=shown.next,
        tabs=tabs_of(filters, facets),
        chips=chips_of(filters, facets, by_id),
        arrived=capped_count(rows.filter(came(filters.since)), NEW_LIMIT),
        bar=chosen_bar(selection, integrations, filters, free, facets),
        asks=_askable(integrations, filters),
        elsewhere=_elsewhere(filters, facets),
        runs=_runs(tenant, _looked_at(integrations, filters)),
        links=suggested_links(tenant, filters) if filters.tab == Tab.SUGGESTED else None,
        last_read_at=_last_read_at(_looked_at(integrations, filters)),
    )


def _looked_at(integrations: Sequence[Integration], filters: Filters) -> list[Integration]:
    """Those whose list is shown."""
    return [one for one in integrations if filters.connection in {None, one.pk}]


def _last_read_at(integrations: Sequence[Integration]) -> datetime | None:
    """Since when at least all of them have been read; None = one was never read."""
    moments = [one.companies_read_at for one in integrations]
    return None if None in moments else min(filter(None, moments), default=None)


def _askable(integrations: Sequence[Integration], filters: Filters) -> list[Integration]:
    return _looked_at(integrations, filters) if filters.search else []


def _elsewhere(filters: Filters, facets: Facets) -> list[Option]:
    """Other tabs that show something under the same filters."""
    return [
        Option(TITLES[tab], facets.tabs[tab], address_of(replace(filters, tab=tab)))
        for tab in Tab
        if tab not in {Tab.ALL, filters.tab} and facets.tabs[tab]
    ]


def _runs(tenant: Tenant, integrations: Sequence[Integration]) -> list[RunStatus]:
    """What is to be said of the newest runs over everything."""
    runs = latest_runs(tenant, integrations)
    return live_all([run for run in runs if run.is_active or run.error_message])
