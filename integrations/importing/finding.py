"""Where is a company? Asking the PSA right now, by name and by id, and what stands in the way."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from audit_site import limits
from audit_site.db.folded_text import folded, storable
from companies.services import licence
from integrations.connecting.open_adapter import open_adapter
from integrations.importing.diagnosis import Diagnosis, contacts_of, diagnosis_of
from integrations.importing.import_rows import ImportRow, import_rows
from integrations.importing.said_words import company_words
from integrations.importing.selectors import list_psa_companies
from integrations.models import Integration
from integrations.psa.contract import PsaAdapter, PsaCompany, RejectedRecord
from integrations.psa.decoding import clean

#: More are not shown: a person types more of the name.
MOST_HITS: Final = 10
#: A PSA that does not know the search shows all companies; so many pages are looked through.
MOST_PAGES: Final = 10


@dataclass(frozen=True, slots=True)
class Hit:
    """A company that the PSA has right now.

    `name`, `status`, `type` and `url` are "" where the record can't be read. `row`: as the import
    list has it, None when no sync has seen it yet.
    """

    external_id: str
    name: str
    status: str
    type: str
    url: str
    diagnosis: Diagnosis
    row: ImportRow | None

    @property
    def is_listed(self) -> bool:
        return self.row is not None


@dataclass(frozen=True, slots=True)
class Hits:
    """What the PSA found. `has_more`: it was not looked through to its end."""

    hits: list[Hit]
    has_more: bool = False


def find_companies(*, integration: Integration, text: str) -> Hits:
    """Ask the PSA right now for companies with this id, or with this text in their name.

    An id comes first, then names in the PSA's order, at most `MOST_HITS`. HTTP, outside any
    transaction. Raises PsaError when the PSA can't be asked, and DomainError when disconnected.
    """
    integration.refuse_disconnected()
    wanted = clean(storable(text))
    if not wanted:
        return Hits([])
    limits.spend(integration.tenant, limits.LOOKUPS)
    with open_adapter(integration) as adapter:
        found, has_more = _named(adapter, wanted)
        by_id = adapter.company(wanted)
        if by_id is not None:
            found = [by_id, *(one for one in found if one.external_id != wanted)]
            found, has_more = found[:MOST_HITS], has_more or len(found) > MOST_HITS
        readable = [one.external_id for one in found if isinstance(one, PsaCompany)]
        people = contacts_of(adapter, readable)
    has_room, info = licence(integration.tenant).free > 0, integration.psa_info
    words = company_words(integration)
    rows = _listed(integration, [one.external_id for one in found])
    hits = [
        _hit(
            one,
            diagnosis_of(one, people[one.external_id], info, words, has_room=has_room),
            rows.get(one.external_id),
        )
        for one in found
    ]
    return Hits(hits, has_more)


def _named(adapter: PsaAdapter, text: str) -> tuple[list[PsaCompany | RejectedRecord], bool]:
    """Companies with a text in their name, and whether there may be more of them."""
    found: dict[str, PsaCompany | RejectedRecord] = {}
    for number, page in enumerate(adapter.companies_named(text), start=1):
        for company in page.records:
            if folded(text) in folded(company.name):
                found.setdefault(company.external_id, company)
        if len(found) > MOST_HITS or (number == MOST_PAGES and page.cursor):
            return list(found.values())[:MOST_HITS], True
    return list(found.values()), False


def _listed(integration: Integration, external_ids: Sequence[str]) -> dict[str, ImportRow]:
    """Rows of the import list by id. One statement."""
    records = list_psa_companies(integration).filter(external_id__in=external_ids)
    return {row.record.external_id: row for row in import_rows(records, None)}


def _hit(found: PsaCompany | RejectedRecord, diagnosis: Diagnosis, row: ImportRow | None) -> Hit:
    if isinstance(found, RejectedRecord):
        return Hit(found.external_id, "", "", "", "", diagnosis, row)
    return Hit(found.external_id, found.name, found.status, found.type, found.url, diagnosis, row)
