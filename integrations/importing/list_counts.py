"""The import lists of a tenant in numbers."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from uuid import UUID

from audit_site.tenants.models import Tenant
from integrations.importing.facets import groups_of_lists
from integrations.importing.table import Tab
from integrations.models import Integration


@dataclass(slots=True)
class ListCounts:
    """An import list in numbers: `found` is the sum of all others.

    Each is what the list shows on the tab of that name, so that companies which the PSA no longer
    has are among them. `suggested` and `hidden` count by the first reason why one can't be added,
    `hidden` with the most frequent one first; "": it can; `unchecked`: no sync came to the rules.
    """

    addable: int = 0
    linked: int = 0
    ignored: int = 0
    suggested: Counter[str] = field(default_factory=Counter)
    hidden: Counter[str] = field(default_factory=Counter)

    @property
    def hidden_in_all(self) -> int:
        return self.hidden.total()

    @property
    def suggested_in_all(self) -> int:
        return self.suggested.total()

    @property
    def found(self) -> int:
        tabs = (self.addable, self.linked, self.ignored, self.suggested_in_all, self.hidden_in_all)
        return sum(tabs)

    @property
    def importable(self) -> int:
        """How many break no rule, whether an audITee is suggested for them or not."""
        return self.addable + self.suggested[""]

    @property
    def by_rule(self) -> Counter[str]:
        """How many break one, by the first, whether an audITee is suggested for them or not."""
        found = self.hidden + self.suggested
        del found[""]
        return _in_order(found)


def list_counts(tenant: Tenant, integrations: Iterable[Integration]) -> dict[UUID, ListCounts]:
    """The numbers of each import list, by the integration's id. Two statements."""
    lists = list(integrations)
    found = {integration.pk: ListCounts() for integration in lists}
    for group, number in groups_of_lists(tenant, lists).items():
        counts = found[group.integration]
        if group.tab in {Tab.HIDDEN, Tab.SUGGESTED}:
            by_reason = counts.hidden if group.tab == Tab.HIDDEN else counts.suggested
            by_reason[group.reason] += number
        else:
            name = {Tab.ADD: "addable", Tab.LINKED: "linked", Tab.IGNORED: "ignored"}[group.tab]
            setattr(counts, name, getattr(counts, name) + number)
    for counts in found.values():
        counts.hidden = _in_order(counts.hidden)
    return found


def _in_order(by_reason: Counter[str]) -> Counter[str]:
    """The most frequent reason first."""
    found = sorted((+by_reason).items(), key=lambda item: (-item[1], item[0]))
    return Counter(dict(found))
