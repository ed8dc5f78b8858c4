"""The bar below the import list: what is chosen, and what can be done with it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from integrations.importing.facets import Facets
from integrations.importing.selection import ChosenCounts, count_chosen
from integrations.importing.suggested import is_sure
from integrations.importing.table import Filters, Tab, condition, rows_of
from integrations.models import ImportSelection, Integration


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
