"""The import lists of a tenant in numbers."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from uuid import UUID

from audit_site.tenants.models import Tenant
from integrations.importing.facets import groups_of
from integrations.importing.table import Tab, rows_of
from integrations.models import Integration


@dataclass(slots=True)
class ListCounts:
    """An import list in numbers: `found` = `importable` + `linked` + `ignored` + all `hidden`.

    Each is what the list shows under the filter of that name, so that companies which the PSA no
    longer has are among them. `hidden` counts by the first reason why one can't be imported, the
    most frequent one first; `unchecked`: a sync has read them and not come to the rules.
    """

    importable: int = 0
    linked: int = 0
    ignored: int = 0
    hidden: Counter[str] = field(default_factory=Counter)

    @property
    def hidden_in_all(self) -> int:
        return self.hidden.total()

    @property
    def found(self) -> int:
        return self.importable + self.linked + self.ignored + self.hidden_in_all


def list_counts(tenant: Tenant, integrations: Iterable[Integration]) -> dict[UUID, ListCounts]:
    """The numbers of each import list, by the integration's id. One statement."""
    lists = list(integrations)
    found = {integration.pk: ListCounts() for integration in lists}
    for group, number in groups_of(rows_of(tenant, lists), ()).items():
        counts = found[group.integration]
        if group.tab == Tab.HIDDEN:
            counts.hidden[group.reason] += number
        else:
            name = {Tab.ADD: "importable", Tab.LINKED: "linked", Tab.IGNORED: "ignored"}[group.tab]
            setattr(counts, name, getattr(counts, name) + number)
    return {pk: _in_order(counts) for pk, counts in found.items()}


def _in_order(counts: ListCounts) -> ListCounts:
    hidden = sorted((+counts.hidden).items(), key=lambda item: (-item[1], item[0]))
    counts.hidden = Counter(dict(hidden))
    return counts
