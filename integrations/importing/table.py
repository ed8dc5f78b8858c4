"""The import list over all connections: its tabs, its filters, and its pages.

Every view is the same set of rows (`rows_of`) under one condition (`condition`), so that a count, a
page and a selection that name the same filters mean the same companies.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import StrEnum
from typing import Any, Final
from uuid import UUID

from django.db.models import Exists, OuterRef, Q, QuerySet, Subquery, UUIDField

from audit_site.db.folded_text import folded, storable
from audit_site.db.presence import PRESENT
from audit_site.tenants.models import Tenant
from integrations.importing.suggested import is_suggested
from integrations.models import CompanyLink, Integration, PsaCompanyRecord

#: Rows of a page.
SIZE: Final = 50
#: What a sync has read whose rules it has not come to.
UNCHECKED: Final = "unchecked"


class Tab(StrEnum):
    """What an import list is looked at for. Each row is on one of these, and on `all`."""

    ADD = "add"
    SUGGESTED = "suggested"
    HIDDEN = "hidden"
    LINKED = "linked"
    IGNORED = "ignored"
    ALL = "all"


TITLES: Final[dict[Tab, str]] = {
    Tab.ADD: "Can be added",
    Tab.SUGGESTED: "Suggested links",
    Tab.HIDDEN: "Hidden",
    Tab.LINKED: "Linked",
    Tab.IGNORED: "Ignored",
    Tab.ALL: "All",
}


@dataclass(frozen=True, slots=True)
class Filters:
    """What narrows the list; "" and None = not.

    `reason` is the first reason why one can't be added. `since`: from when on a company is new, by
    the integration's id.
    """

    tab: Tab = Tab.ADD
    search: str = ""
    connection: UUID | None = None
    type: str = ""
    status: str = ""
    reason: str = ""
    new: bool = False
    since: Mapping[UUID, datetime] = field(default_factory=dict)

    @property
    def is_narrowed(self) -> bool:
        """Whether anything but the tab narrows the list."""
        return self != Filters(tab=self.tab, since=self.since)

    def without(self, name: str) -> Filters:
        """The same without one of its filters."""
        change: dict[str, Any] = {name: getattr(Filters(), name)}
        return replace(self, **change)

    def as_json(self) -> dict[str, Any]:
        """As it is kept; `since` too, so that what was chosen stays the same on another day."""
        return {
            "tab": self.tab.value,
            "search": self.search,
            "connection": str(self.connection or ""),
            "type": self.type,
            "status": self.status,
            "reason": self.reason,
            "new": self.new,
            "since": {str(pk): moment.isoformat() for pk, moment in self.since.items()}
            if self.new
            else {},
        }

    @classmethod
    def from_json(cls, kept: Mapping[str, Any]) -> Filters:
        return cls(
            tab=Tab(kept["tab"]),
            search=kept["search"],
            connection=UUID(kept["connection"]) if kept["connection"] else None,
            type=kept["type"],
            status=kept["status"],
            reason=kept["reason"],
            new=kept["new"],
            since={UUID(pk): datetime.fromisoformat(at) for pk, at in kept["since"].items()},
        )


def is_linked() -> Exists:
    """Whether a link in force ties the company to an audITee."""
    return Exists(_links())


def _links() -> QuerySet[CompanyLink]:
    same = {name: OuterRef(name) for name in ("tenant", "integration", "external_id")}
    return CompanyLink.objects.in_force().filter(**same)


def rows_of(tenant: Tenant, integrations: Iterable[Integration]) -> QuerySet[PsaCompanyRecord]:
    """All companies of these import lists."""
    ids = [integration.pk for integration in integrations]
    return PsaCompanyRecord.objects.for_tenant(tenant).filter(integration__in=ids)


def condition(filters: Filters) -> Q:
    """What is true of the rows that filters let through, tab included."""
    found = _of_tab(filters.tab)
    for part in _parts(filters):
        found &= part
    return found


def _of_tab(tab: Tab) -> Q:
    not_linked, not_ignored = ~Q(is_linked()), Q(ignored_at=None)
    alone = not_ignored & not_linked & ~is_suggested()
    return {
        Tab.ADD: Q(importable=True) & alone,
        Tab.SUGGESTED: not_ignored & not_linked & is_suggested(),
        Tab.HIDDEN: Q(importable=False) & alone,
        Tab.LINKED: Q(is_linked()),
        Tab.IGNORED: Q(ignored_at__isnull=False) & not_linked,
        Tab.ALL: Q(),
    }[tab]


def _parts(filters: Filters) -> list[Q]:
    """Each filter but the tab."""
    found: list[Q] = []
    if wanted := folded(storable(filters.search).strip()):
        found.append(Q(search_text__contains=wanted))
    if filters.connection:
        found.append(Q(integration=filters.connection))
    if word := storable(filters.type):
        found.append(Q(type__iexact=word))
    if word := storable(filters.status):
        found.append(Q(status__iexact=word))
    if filters.reason == UNCHECKED:
        found.append(Q(rule_codes=[]))
    elif filters.reason:
        found.append(Q(rule_codes__0=storable(filters.reason)))
    if filters.new:
        found.append(came(filters.since))
    return found


def came(since: Mapping[UUID, datetime]) -> Q:
    """What came since a person looked at each list, and is there."""
    found = Q(pk__in=[])
    for integration, moment in since.items():
        found |= Q(integration=integration, first_seen_at__gt=moment)
    return Q(PRESENT, found, ignored_at=None)


def selectable() -> Q:
    """What can be ticked: it can be added, linked as suggested, or taken back."""
    ready = Q(importable=True) | Q(ignored_at__isnull=False) | is_suggested()
    return ready & ~Q(is_linked())


def with_links(rows: QuerySet[PsaCompanyRecord]) -> QuerySet[PsaCompanyRecord]:
    """Annotated for `import_rows`: id, name and status of the audITee, None = not linked."""
    links = _links()
    return rows.annotate(
        linked_company_id=Subquery(links.values("company_id")[:1], output_field=UUIDField()),
        linked_company_name=Subquery(links.values("company__name")[:1]),
        linked_company_status=Subquery(links.values("company__status")[:1]),
    )


@dataclass(frozen=True, slots=True)
class TablePage:
    """Some rows in the order of their names.

    The page before it ends before the row `previous`, the next one begins after the row `next`;
    None = there is none.
    """

    rows: list[PsaCompanyRecord]
    previous: UUID | None = None
    next: UUID | None = None


def page_of(
    tenant: Tenant,
    rows: QuerySet[PsaCompanyRecord],
    *,
    after: UUID | None = None,
    before: UUID | None = None,
    start: str = "",
    size: int = SIZE,
) -> TablePage:
    """A page after a row or before one, or from a name on. Three statements at the most.

    The same work wherever in a list of any length. A row that is not there begins the list, a name
    after the last one shows the end.
    """
    ordered = rows.order_by("search_text", "id")
    place = _place_of(tenant, after or before)
    if place is not None and before and not after:
        same, earlier = Q(search_text=place, id__lt=before), Q(search_text__lt=place)
        shown, has_more = _last(ordered.filter(earlier | same, search_text__lte=place), size)
        if has_more:
            return TablePage(shown, shown[0].pk, shown[-1].pk)
    elif place is not None:
        same, later = Q(search_text=place, id__gt=after), Q(search_text__gt=place)
        return _onward(ordered, ordered.filter(later | same, search_text__gte=place), size)
    elif start := folded(storable(start).strip()):
        return _onward(ordered, ordered.filter(search_text__gte=start), size)
    found = list(ordered[: size + 1])
    shown = found[:size]
    return TablePage(shown, None, shown[-1].pk if len(found) > size else None)


def _place_of(tenant: Tenant, pk: UUID | None) -> str | None:
    """Where a row stands in the order; the filters may leave it out by now."""
    if pk is None:
        return None
    found = PsaCompanyRecord.objects.for_tenant(tenant).filter(pk=pk)
    return found.values_list("search_text", flat=True).first()


def _onward(
    rows: QuerySet[PsaCompanyRecord], rest: QuerySet[PsaCompanyRecord], size: int
) -> TablePage:
    """The first of the rest; where nothing is left, the end of all rows."""
    found = list(rest[: size + 1])
    if found:
        shown = found[:size]
        return TablePage(shown, shown[0].pk, shown[-1].pk if len(found) > size else None)
    shown, has_more = _last(rows, size)
    return TablePage(shown, shown[0].pk if has_more else None, None)


def _last(rows: QuerySet[PsaCompanyRecord], size: int) -> tuple[list[PsaCompanyRecord], bool]:
    """The last rows in their order, and whether there are any before them."""
    found = list(rows.reverse()[: size + 1])[::-1]
    return found[-size:], len(found) > size
