"""The import list in numbers: what each tab shows, and each filter within it.

The database groups the rows once; every number is a sum of groups, so that those of one page agree.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final, NamedTuple
from uuid import UUID

from django.db.models import Count, Q, QuerySet

from audit_site.db.bulk import AnyOf, AskedMany
from audit_site.db.statements import RowStatement, asked_id
from audit_site.tenants.models import Tenant
from integrations.importing.suggested import is_suggested
from integrations.importing.table import UNCHECKED, Filters, Tab, condition, is_linked
from integrations.models import Integration, PsaCompanyRecord

#: Types and statuses are free words of a PSA: so many groups are looked at for them.
MOST_GROUPS: Final = 2000
#: So many words are offered, the most frequent ones.
MOST_OPTIONS: Final = 30
WORDS: Final = ("type", "status")


class Group(NamedTuple):
    """Rows that are alike: on one tab of add, suggested, hidden, linked and ignored.

    `reason` is the first why they can't be added, "" = they can.
    """

    integration: UUID
    tab: Tab
    reason: str
    type: str
    status: str


Groups = Counter[Group]


@dataclass(frozen=True, slots=True)
class Facets:
    """How many rows each tab shows under the filters, and each filter within the tab.

    The most frequent words come first.
    """

    tabs: dict[Tab, int]
    connections: dict[Any, int]
    types: dict[Any, int]
    statuses: dict[Any, int]
    reasons: dict[Any, int]


def facets_of(rows: QuerySet[PsaCompanyRecord], filters: Filters) -> Facets:
    """Count `rows_of` some lists. Two statements; two more where words are by the thousand."""
    wide = Filters(Tab.ALL, search=filters.search, new=filters.new, since=filters.since)
    found = rows.filter(condition(wide))
    groups, exact, narrowed = groups_of(found, WORDS), None, filters
    if len(groups) >= MOST_GROUPS:
        words = Filters(Tab.ALL, type=filters.type, status=filters.status)
        exact = groups_of(found.filter(condition(words)), ())
        narrowed = filters.without("type").without("status")
    certain = groups if exact is None else exact
    tabs = {tab: _total(certain, replace(narrowed, tab=tab)) for tab in Tab}
    return Facets(
        tabs=tabs,
        connections=_sums(certain, narrowed.without("connection"), lambda g: g.integration),
        types=_sums(groups, filters.without("type"), lambda g: g.type),
        statuses=_sums(groups, filters.without("status"), lambda g: g.status),
        reasons=_sums(certain, narrowed.without("reason"), lambda g: g.reason),
    )


def groups_of(rows: QuerySet[PsaCompanyRecord], words: Sequence[str]) -> Groups:
    """How many rows of each group there are, without regard to words that are not named.

    Two statements: linked and suggested rows are counted among all, and moved to where they belong.
    """
    suggested = _counted(rows.filter(is_suggested()), words)
    return _sorted_out(_read(_counted(rows, words)), _read(suggested))


def groups_of_lists(tenant: Tenant, integrations: Iterable[Integration]) -> Groups:
    """As `groups_of` for whole lists, without words. Two statements."""
    ids = [integration.pk for integration in integrations]
    if not ids:
        return Counter()
    return _sorted_out(ALL_ROWS.rows(tenant.pk, ids), SUGGESTED_ROWS.rows(tenant.pk, ids))


def _sorted_out(rows: Iterable[_Counted], suggested: Iterable[_Counted]) -> Groups:
    groups: Groups = Counter()
    for one in rows:
        groups[one.group] += one.number - one.linked
        groups[one.group._replace(tab=Tab.LINKED)] += one.linked
    for one in suggested:
        groups[one.group] -= one.number  # none of them is linked or ignored
        groups[one.group._replace(tab=Tab.SUGGESTED)] += one.number
    return +groups


class _Counted(NamedTuple):
    """How many rows are alike, and how many of them are linked."""

    integration_id: UUID
    importable: bool
    rule_codes: list[str]
    is_ignored: bool
    number: int
    linked: int
    type: str = ""
    status: str = ""

    @property
    def group(self) -> Group:
        codes = [] if self.importable else self.rule_codes or [UNCHECKED]
        tab = Tab.ADD if self.importable else Tab.HIDDEN
        return Group(
            self.integration_id,
            Tab.IGNORED if self.is_ignored else tab,
            next(iter(codes), ""),
            self.type,
            self.status,
        )


def _counted(rows: QuerySet[PsaCompanyRecord], words: Sequence[str]) -> QuerySet[Any, Any]:
    is_ignored: Any = Q(ignored_at__isnull=False)
    columns = ("integration_id", "importable", "rule_codes", *words)
    counted: Any = rows.order_by().values(*columns, is_ignored=is_ignored)
    # of a column that the index holds, so that no row has to be read
    each = "external_id"
    sums = {"number": Count(each), "linked": Count(each, filter=Q(is_linked()))}
    found: QuerySet[Any, Any] = counted.annotate(**sums).order_by("-number")[:MOST_GROUPS]
    return found


def _read(counted: Iterable[dict[str, Any]]) -> Iterable[_Counted]:
    return (_Counted(**one) for one in counted)


def _whole_lists() -> QuerySet[PsaCompanyRecord]:
    return PsaCompanyRecord.objects.filter(
        AnyOf("integration_id", AskedMany(1)), tenant=asked_id(0)
    )


#: The rows of whole import lists, and those of them that a link is suggested for.
ALL_ROWS: Final = RowStatement(_Counted, lambda: _counted(_whole_lists(), ()))
SUGGESTED_ROWS: Final = RowStatement(
    _Counted, lambda: _counted(_whole_lists().filter(is_suggested()), ())
)


def _total(groups: Groups, filters: Filters) -> int:
    return sum(number for group, number in groups.items() if _fits(group, filters))


def _sums(groups: Groups, filters: Filters, of: Callable[[Group], Any]) -> dict[Any, int]:
    """The sums by one property; words that differ in case alone are one."""
    sums: Counter[Any] = Counter()
    spelled: dict[Any, Any] = {}
    for group, number in groups.items():
        if _fits(group, filters) and (value := of(group)):
            key = value.upper() if isinstance(value, str) else value
            sums[key] += number
            spelled.setdefault(key, value)
    return {spelled[key]: number for key, number in sums.most_common(MOST_OPTIONS)}


def _fits(group: Group, filters: Filters) -> bool:
    """Whether rows of a group are shown."""
    return (
        filters.tab in {Tab.ALL, group.tab}
        and filters.connection in {None, group.integration}
        and filters.reason in {"", group.reason}
        and filters.type.upper() in {"", group.type.upper()}
        and filters.status.upper() in {"", group.status.upper()}
    )
