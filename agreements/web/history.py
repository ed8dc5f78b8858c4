"""What was known of a company's agreements since when, and what each change made of its MRR."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import Final
from uuid import UUID

from django.http import HttpResponse
from django.shortcuts import render

from agreements.decisions import label_of
from agreements.figures import Total
from agreements.history import ShownVersion, decisions_behind, shown_versions, versions_of
from agreements.models import Agreement, ChoiceRecord
from agreements.web.asked_days import as_text
from agreements.web.company_mrr import find_company
from audit_site.pages.views import PageRequest, page, paged
from companies.models import Company
from integrations.importing.linking import link_of
from integrations.models import SyncRun

#: How many versions a page shows.
PAGE: Final = 25
CAUSES: Final[dict[str, str]] = {
    "sync": "Read from {name}",
    "import": "Imported from {name}",
    "link": "Linked to {name}",
    "unlink": "Unlinked by {name}",
    "undo_link": "Link undone by {name}",
    "choice": "Decided by {name}",
    "manual": "Typed by {name}",
    "rules": "Worked out by newer rules",
    "settings": "Settings changed by {name}",
    "repair": "Worked out again",
}
#: What stands for a name that nobody knows.
NOBODY: Final = "a program"


@dataclass(frozen=True, slots=True)
class Change:
    """From what to what a version changed the MRR of a currency; "" = there was or is none."""

    currency: str
    before: str
    after: str

    @property
    def amount(self) -> str:
        return str(Decimal(self.after or 0) - Decimal(self.before or 0))


@dataclass(frozen=True, slots=True)
class HistoryRow:
    """A version in words; `run` is there as long as the run itself is kept; `decisions` are those
    that made it.
    """

    shown: ShownVersion
    cause: str
    changes: list[Change]
    run: UUID | None
    decisions: list[ChoiceRecord]

    @property
    def known(self) -> str:
        """The moment from which it was known, as an address holds it."""
        return as_text(self.shown.version.known_from)


@page("GET", section="companies")
def company_history(request: PageRequest, pk: UUID) -> HttpResponse:
    """The versions of a company's book, newest first."""
    company = find_company(request, pk)
    found = paged(request, versions_of(company), size=PAGE)
    shown = shown_versions(company, list(found))
    named = {one.version.run for one in shown if one.version.run}
    runs = SyncRun.objects.for_tenant(company.tenant).filter(pk__in=named)
    kept = set(runs.values_list("pk", flat=True))
    decided = decisions_behind(company, [one.version for one in shown])
    rows = [_row(one, kept, decided.get(one.version.pk, [])) for one in shown]
    named_by = {"labels": _labels(company)} if decided else {}
    context = {
        "company": company,
        "link": link_of(company),
        "rows": rows,
        "page": found,
        **named_by,
    }
    return render(request, "agreements/history.html", {**context, **named_by})


def _labels(company: Company) -> dict[str, str]:
    """What the company's agreements are called, by the text of their ids."""
    rows = Agreement.objects.for_tenant(company.tenant).filter(company=company)
    return {str(row.pk): label_of(row) for row in rows}


def _row(shown: ShownVersion, kept_runs: set[UUID], decisions: list[ChoiceRecord]) -> HistoryRow:
    version = shown.version
    text = CAUSES[version.kind].format(name=version.name or NOBODY)
    run = version.run if version.run in kept_runs else None
    return HistoryRow(shown, text, _changes(shown.mrr_before, shown.mrr_after), run, decisions)


def _changes(before: list[Total], after: list[Total]) -> list[Change]:
    """The currencies in which the MRR differs."""
    amounts = [
        {total["currency"]: total["amount"] for total in totals} for totals in (before, after)
    ]
    was, became = amounts
    return [
        Change(currency, was.get(currency, ""), became.get(currency, ""))
        for currency in sorted({*was, *became})
        if was.get(currency) != became.get(currency)
    ]
