"""Rows of the import list, with all that its table shows of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from audit_site.tenants.models import Tenant
from companies.models import Contact
from integrations.importing import import_rows
from integrations.importing.rules import title_of
from integrations.importing.selection import chosen_among
from integrations.importing.suggested import Suggestion, suggestions_for
from integrations.matching.rows import primary_contacts
from integrations.models import ImportSelection, Integration, PsaCompanyRecord, PsaContactRecord


@dataclass(frozen=True, slots=True)
class ImportRow(import_rows.ImportRow):
    """A row with the contact that would become the audITee's primary one, the audITee that it
    probably is with its own primary contact (None = there is none), and whether it is chosen.
    """

    primary: PsaContactRecord | None
    suggestion: Suggestion | None
    ours: Contact | None
    is_ticked: bool

    @property
    def can_be_ticked(self) -> bool:
        if self.linked is not None:
            return False
        return self.is_ignored or self.record.importable or self.suggestion is not None

    @property
    def short_reason(self) -> str:
        """Why it can't be added, in a few words; "" = it can."""
        if not self.reasons:
            return "" if self.record.importable else title_of("unchecked", "")
        return title_of(self.reasons[0]["code"], self.record.integration.psa_info.name)


def table_rows(
    selection: ImportSelection,
    records: Sequence[PsaCompanyRecord],
    integrations: Mapping[UUID, Integration],
    since: Mapping[UUID, datetime],
) -> list[ImportRow]:
    """Rows with all that is shown of them. Four statements at the most."""
    for record in records:
        record.integration = integrations[record.integration_id]
    primaries, ticked = _primaries(selection.tenant, records), chosen_among(selection, records)
    suggestions = suggestions_for(records)
    ours = primary_contacts(selection.tenant, [one.company_id for one in suggestions.values()])
    found = []
    for record in records:
        (row,) = import_rows.import_rows([record], since.get(record.integration_id))
        primary = primaries.get((record.integration_id, record.primary_contact_id))
        suggestion = None if row.linked else suggestions.get(record.pk)
        found.append(
            ImportRow(
                row.record,
                row.linked,
                row.reasons,
                row.is_new,
                primary,
                suggestion,
                ours.get(suggestion.company_id) if suggestion else None,
                record.pk in ticked,
            )
        )
    return found


def _primaries(
    tenant: Tenant, records: Sequence[PsaCompanyRecord]
) -> dict[tuple[UUID, str], PsaContactRecord]:
    """The contacts that would become primary ones, by integration and id."""
    ids = [record.primary_contact_id for record in records if record.primary_contact_id]
    lists = {record.integration_id for record in records}
    people = PsaContactRecord.objects.for_tenant(tenant)
    people = people.filter(integration__in=lists, external_id__in=ids)
    return {(person.integration_id, person.external_id): person for person in people}
