"""What is to be said of a company's figure besides the amount: its source, its age, its sign."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final

from django.utils import timezone

from agreements.figures import Money
from audit_site.pages.written import day_written
from companies.models import Company
from integrations.importing.linking import link_of
from integrations.issues.inbox import KIND_INTEGRATION, open_issues
from integrations.kinds import AGREEMENTS, LINES
from integrations.models import CompanyLink

#: Connections are read every night at least, so an older figure is one that something holds up.
STALE: Final = timedelta(days=2)
#: What issues about agreements that are not shown, or not with all their lines, are about.
MONEY: Final = frozenset({AGREEMENTS.name, AGREEMENTS.right, LINES.name, LINES.right})
#: While what counts today is read and what has ended is not.
ENDED_UNREAD: Final = (
    "Agreements that have ended are not read from {name} yet: until they are, past days and months "
    "show less than there was. Today's figure is whole."
)
#: What a PSA did with a company, by the rule that it breaks since.
LOST = {
    "deleted": (
        "{name} no longer has this company: an agreement that is gone as well counts through the "
        "day before it was found gone."
    ),
    "merged": (
        "{name} has merged this company into another one: what moved there no longer counts here."
    ),
}


def remarks_on_figure(company: Company, totals: Sequence[Money]) -> list[str]:
    """What a person must know to quote a figure; one query."""
    return [*_on_source(company), *_on_amounts(totals)]


def _on_source(company: Company) -> list[str]:
    """Why the figure may not be what the PSA has now."""
    link = link_of(company)
    remarks = _of_link(link) if link else _of_last_link(company)
    if company.status == Company.Status.ARCHIVED:
        remarks.append(
            "It is archived: it does not count in the sum of all audITees, and no sync reads its "
            "agreements."
        )
    return remarks


def _of_link(link: CompanyLink) -> list[str]:
    name, remarks = link.integration.name, []
    if not link.is_active:
        read = _last_read(link.last_synced_at)
        remarks.append(f"{name} is disconnected: this stays as it was {read}.")
    elif link.last_synced_at is None:
        remarks.append(f"No sync has read it from {name} yet.")
    elif link.last_synced_at < timezone.now() - STALE:
        read = _last_read(link.last_synced_at)
        remarks.append(f"{name} was {read}: what changed there since is not in this figure.")
    if link.is_active:
        remarks += _kept_back(link)
    if link.ended_unread:
        remarks.append(ENDED_UNREAD.format(name=name))
    lost = (sentence for code, sentence in LOST.items() if code in link.problem_codes)
    return remarks + [sentence.format(name=name) for sentence in lost]


def _kept_back(link: CompanyLink) -> list[str]:
    """What the PSA shows of its agreements no more, though syncs come to their end."""
    about_money = {"kind": KIND_INTEGRATION, "external_id__in": MONEY}
    return [
        f"Since {_day(issue.first_seen_at)} not all agreements can be read. {issue.message}"
        for issue in open_issues(link.integration).filter(**about_money).order_by("first_seen_at")
    ]


def _of_last_link(company: Company) -> list[str]:
    links = CompanyLink.objects.for_tenant(company.tenant).standing().filter(company=company)
    last = links.select_related("integration").order_by("-unlinked_at").first()
    if last is None:
        return []
    read = _last_read(last.last_synced_at)
    return [
        f"It is no longer linked to {last.integration.name}: agreements stay as they were {read}."
    ]


def _last_read(at: datetime | None) -> str:
    return f"last read on {_day(at)}" if at else "before any sync"


def _day(at: datetime) -> str:
    return day_written(timezone.localtime(at))


def _on_amounts(totals: Sequence[Money]) -> list[str]:
    remarks = []
    below = [total["currency"] for total in totals if total["amount"].startswith("-")]
    if below:
        remarks.append(
            f"It is below zero in {' and '.join(below)}: credits come to more than what is charged."
        )
    if len(totals) > 1:
        names = ", ".join(total["currency"] for total in totals)
        remarks.append(f"It is in {len(totals)} currencies, which are never added up: {names}.")
    return remarks
