"""What the tab of suggested links says beside its rows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from audit_site.tenants.models import Tenant
from integrations.importing.table import Filters
from integrations.matching.rows import SuggestionRow, suggestion_rows
from integrations.matching.selectors import is_matching, list_suggestions
from integrations.models import SuggestionKind

#: So many that a person dismissed are shown, the best first.
MOST_DISMISSED: Final = 50


@dataclass(frozen=True, slots=True)
class SuggestedLinks:
    """Whether suggestions are being worked out (again), the pairs that a person dismissed with how
    many those are, and how many moves to other accounts are proposed.
    """

    is_under_way: bool
    dismissed: list[SuggestionRow]
    dismissed_in_all: int
    moves: int

    @property
    def dismissed_more(self) -> int:
        return self.dismissed_in_all - len(self.dismissed)


def suggested_links(tenant: Tenant, filters: Filters) -> SuggestedLinks:
    """Of the connection that the list is narrowed to, or of all. Six statements at the most."""
    links = list_suggestions(
        tenant, integration=filters.connection, kind=SuggestionKind.LINK, dismissed=True
    )
    return SuggestedLinks(
        is_under_way=is_matching(tenant),
        dismissed=suggestion_rows(tenant, list(links[:MOST_DISMISSED])),
        dismissed_in_all=links.count(),
        moves=list_suggestions(tenant, kind=SuggestionKind.MOVE).count(),
    )
