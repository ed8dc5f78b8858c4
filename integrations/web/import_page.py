"""One page of the import list, with everything that its template shows."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime

from django.http import QueryDict

from audit_site.db.counting import CappedCount, capped_count
from integrations.connecting.selectors import latest_run
from integrations.importing import import_rows
from integrations.importing.selectors import (
    count_ignored,
    count_new,
    import_list_page,
    list_psa_companies,
)
from integrations.models import Integration, PsaCompanyRecord, PsaContactRecord
from integrations.web.run_progress import RunStatus, live


@dataclass(frozen=True, slots=True)
class ImportRow(import_rows.ImportRow):
    """A row with the contact that would become the audITee's primary one, where there is one."""

    primary: PsaContactRecord | None


@dataclass(frozen=True, slots=True)
class ImportPage:
    """Some rows of the import list; `total` of all pages fit the filters.

    `previous` and `next` are as in ImportListPage. `arrived`: how many came since the person looked
    at the list, None = they never did. `ignored`: how many are put aside. `status` is that of the
    newest run over everything.
    """

    rows: list[ImportRow]
    previous: str
    next: str
    total: CappedCount
    arrived: CappedCount | None
    ignored: CappedCount
    status: RunStatus | None


def import_page(integration: Integration, asked: QueryDict, since: datetime | None) -> ImportPage:
    """The page that an address asks for: `search`, `importable`, `linked`, `ignored`, `status` and
    `new` narrow the list, `after`, `before` or `from` choose the rows. New is what came after
    `since`. Ignored ones are left out of a list that nothing is searched in.
    """
    search, ignored = asked.get("search", ""), yes_or_no(asked.get("ignored"))
    if ignored is None and not search.strip():
        ignored = False
    listed = list_psa_companies(
        integration,
        search=search,
        importable=yes_or_no(asked.get("importable")),
        linked=yes_or_no(asked.get("linked")),
        ignored=ignored,
        status=asked.get("status", ""),
        new=yes_or_no(asked.get("new")),
        since=since,
    )
    after, before, start = (asked.get(name, "") for name in ("after", "before", "from"))
    shown = import_list_page(integration, listed, after=after, before=before, start=start)
    run = latest_run(integration)
    return ImportPage(
        rows=list(_rows(integration, shown.rows, since)),
        previous=shown.previous,
        next=shown.next,
        total=capped_count(listed),
        arrived=count_new(integration, since),
        ignored=count_ignored(integration),
        status=live(run) if run else None,
    )


def import_row(integration: Integration, external_id: str, since: datetime | None) -> ImportRow:
    """One row, as the list shows it. The company is there."""
    records = list(list_psa_companies(integration).filter(external_id=external_id))
    return next(_rows(integration, records, since))


def yes_or_no(text: str | None) -> bool | None:
    return {"yes": True, "no": False}.get(text or "")


def _rows(
    integration: Integration, records: list[PsaCompanyRecord], since: datetime | None
) -> Iterator[ImportRow]:
    primaries = _primaries(integration, records)
    for row in import_rows.import_rows(records, since):
        primary = primaries.get(row.record.primary_contact_id)
        yield ImportRow(row.record, row.linked, row.reasons, row.is_new, primary)


def _primaries(
    integration: Integration, records: Iterable[PsaCompanyRecord]
) -> dict[str, PsaContactRecord]:
    """The contacts that would become primary ones, by their id."""
    ids = [record.primary_contact_id for record in records if record.primary_contact_id]
    people = PsaContactRecord.objects.of(integration).filter(external_id__in=ids)
    return {person.external_id: person for person in people}
