"""What is to be said of where a company's figure comes from, besides its name."""

from __future__ import annotations

from datetime import datetime

from django.utils import timezone
from django.utils.dateformat import format as date_text

from companies.models import Company
from integrations.importing.linking import link_of
from integrations.models import CompanyLink

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


def remarks_on_source(company: Company) -> list[str]:
    """Why the figure may not be what the PSA has now; one query where there is no link."""
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
    lost = (sentence for code, sentence in LOST.items() if code in link.problem_codes)
    return remarks + [sentence.format(name=name) for sentence in lost]


def _of_last_link(company: Company) -> list[str]:
    links = CompanyLink.objects.for_tenant(company.tenant).filter(company=company)
    last = links.select_related("integration").order_by("-unlinked_at").first()
    if last is None:
        return []
    read = _last_read(last.last_synced_at)
    return [
        f"It is no longer linked to {last.integration.name}: agreements stay as they were {read}."
    ]


def _last_read(at: datetime | None) -> str:
    return f"last read on {date_text(timezone.localtime(at), 'j M Y')}" if at else "before any sync"
