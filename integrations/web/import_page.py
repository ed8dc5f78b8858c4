"""One page of the import list over all connections, with everything that its template shows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from urllib.parse import urlencode
from uuid import UUID

from django.http import QueryDict

from audit_site.db.counting import NEW_LIMIT, CappedCount, capped_count
from audit_site.tenants.models import Tenant
from companies.models import Contact
from integrations.connecting.selectors import latest_runs
from integrations.importing import import_rows
from integrations.importing.facets import Facets, facets_of
from integrations.importing.rules import title_of
from integrations.importing.selection import (
    ChosenCounts,
    chosen_among,
    count_chosen,
)
from integrations.importing.suggested import Suggestion, is_sure, suggestions_for
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
from integrations.matching.rows import primary_contacts
from integrations.models import ImportSelection, Integration, PsaCompanyRecord, PsaContactRecord
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


@dataclass(frozen=True, slots=True)
class ImportRow(import_rows.ImportRow):
    """A row with the contact that would become the audITee's primary one, the audITee that it
    probably is with its own primary contact (None = there is none), and whether it is chosen.
    """

    primary: PsaContactRecord | None
    suggestion: Suggestion | None
    ours: Contact | None
    is_ticked: bool

    @property
    def can_be_ticked(self) -> bool:
        if self.linked is not None:
            return False
        return self.is_ignored or self.record.importable or self.suggestion is not None

    @property
    def short_reason(self) -> str:
        """Why it can't be added, in a few words; "" = it can."""
        if not self.reasons:
            return "" if self.record.importable else title_of("unchecked", "")
        return title_of(self.reasons[0]["code"], self.record.integration.psa_info.name)


@dataclass(frozen=True, slots=True)
class ChosenBar:
    """The bar below the table: what is chosen, and whether all that match the filters are; `sure`:
    how many of those are surely an audITee.
    """

    chosen: ChosenCounts
    free: int
    matching: int
    is_all: bool
    sure: int
    tab: Tab

    @property
    def over(self) -> int:
        """How many new ones are more than the licence has room for."""
        return max(self.chosen.new - self.free, 0)

    @property
    def can_review(self) -> bool:
        """Whether there is something to review, or a tab shows what may become that."""
        if self.chosen.total:
            return self.chosen.to_import > 0
        return self.tab in {Tab.ADD, Tab.SUGGESTED, Tab.ALL} and self.matching > 0

    @property
    def says_room(self) -> bool:
        """Whether the licence matters: what is taken back, or is not there, needs no place."""
        return self.can_review or self.chosen.total > 0

    @property
    def is_needed(self) -> bool:
        return self.says_room or self.can_choose_all or self.can_ignore_all

    @property
    def can_choose_all(self) -> bool:
        """Whether every row of the tab can be ticked, and not all of them are chosen."""
        tickable = self.tab in {Tab.ADD, Tab.SUGGESTED, Tab.IGNORED}
        return tickable and self.matching > 0 and not self.is_all

    @property
    def can_choose_sure(self) -> bool:
        """Whether some of what is shown, and not all of it, can be confirmed unread."""
        return 0 < self.sure < self.matching and not self.is_all

    @property
    def can_ignore_all(self) -> bool:
        """Where no row can be ticked, all that the filters show can be put aside at once."""
        return self.tab == Tab.HIDDEN and self.matching > 0


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


def chosen_bar(
    selection: ImportSelection,
    integrations: Sequence[Integration],
    filters: Filters,
    free: int,
    facets: Facets,
) -> ChosenBar:
    """What is chosen by now. Two statements at the most."""
    rule = selection.rule
    is_all = rule is not None and not selection.excepted and _same(rule, filters)
    counts = count_chosen(selection, integrations)
    matching = facets.tabs[filters.tab]
    sure = 0
    if filters.tab == Tab.SUGGESTED and matching:
        rows = rows_of(selection.tenant, integrations).filter(condition(filters))
        sure = rows.filter(is_sure()).count()
    return ChosenBar(counts, free, matching, is_all, sure, filters.tab)


def _same(rule: Mapping[str, object], filters: Filters) -> bool:
    """Whether a selection is of all that these filters show."""
    names = ("tab", "search", "connection", "type", "status", "reason", "new")
    now = filters.as_json()
    return all(rule[name] == now[name] for name in names)


def table_rows(
    selection: ImportSelection,
    records: Sequence[PsaCompanyRecord],
    integrations: Mapping[UUID, Integration],
    since: Mapping[UUID, datetime],
) -> list[ImportRow]:
    """Rows with all that is shown of them. Four statements at the most."""
    for record in records:
        record.integration = integrations[record.integration_id]
    primaries, ticked = _primaries(selection.tenant, records), chosen_among(selection, records)
    suggestions = suggestions_for(records)
    ours = primary_contacts(selection.tenant, [one.company_id for one in suggestions.values()])
    found = []
    for record in records:
        (row,) = import_rows.import_rows([record], since.get(record.integration_id))
        primary = primaries.get((record.integration_id, record.primary_contact_id))
        suggestion = None if row.linked else suggestions.get(record.pk)
        found.append(
            ImportRow(
                row.record,
                row.linked,
                row.reasons,
                row.is_new,
                primary,
                suggestion,
                ours.get(suggestion.company_id) if suggestion else None,
                record.pk in ticked,
            )
        )
    return found


def _primaries(
    tenant: Tenant, records: Sequence[PsaCompanyRecord]
) -> dict[tuple[UUID, str], PsaContactRecord]:
    """The contacts that would become primary ones, by integration and id."""
    ids = [record.primary_contact_id for record in records if record.primary_contact_id]
    lists = {record.integration_id for record in records}
    people = PsaContactRecord.objects.for_tenant(tenant)
    people = people.filter(integration__in=lists, external_id__in=ids)
    return {(person.integration_id, person.external_id): person for person in people}
