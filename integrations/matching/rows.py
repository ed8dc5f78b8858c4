"""Suggestions, and links that were made together, as pages show them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from django.db.models import Q

from audit_site.db.bulk import AnyOf
from audit_site.tenants.models import Tenant
from companies.models import Contact
from integrations.models import (
    CompanyLink,
    LinkBatch,
    LinkSuggestion,
    PsaCompanyRecord,
    PsaContactRecord,
)


@dataclass(frozen=True, slots=True)
class SuggestionRow:
    """A suggestion with the primary contact of either side; None = there is none."""

    suggestion: LinkSuggestion
    ours: Contact | None
    theirs: PsaContactRecord | None


def suggestion_rows(tenant: Tenant, rows: Sequence[LinkSuggestion]) -> list[SuggestionRow]:
    """These suggestions in their order. Two statements."""
    ours = primary_contacts(tenant, [row.company_id for row in rows])
    theirs = _primary_of([row.record for row in rows], tenant)
    return [
        SuggestionRow(
            row,
            ours.get(row.company_id),
            theirs.get((row.record.integration_id, row.record.primary_contact_id)),
        )
        for row in rows
    ]


def primary_contacts(tenant: Tenant, company_ids: Sequence[UUID]) -> dict[UUID, Contact]:
    """The primary contacts of these audITees. One statement; none where there are no audITees."""
    if not company_ids:
        return {}
    people = Contact.objects.for_tenant(tenant).present()
    people = people.filter(AnyOf("company_id", company_ids), is_primary=True)
    return {person.company_id: person for person in people}


def _primary_of(
    records: Sequence[PsaCompanyRecord], tenant: Tenant
) -> dict[object, PsaContactRecord]:
    ids = [record.primary_contact_id for record in records if record.primary_contact_id]
    accounts = {record.integration_id for record in records}
    people = PsaContactRecord.objects.for_tenant(tenant).present()
    people = people.filter(AnyOf("external_id", ids), integration__in=accounts)
    return {(person.integration_id, person.external_id): person for person in people}


@dataclass(frozen=True, slots=True)
class BatchRow:
    """A link that was made with others, and the name of the PSA company."""

    link: CompanyLink
    theirs: str

    @property
    def is_undone(self) -> bool:
        return self.link.undone_at is not None

    @property
    def is_ended(self) -> bool:
        return self.link.unlinked_at is not None


def batch_rows(batch: LinkBatch) -> list[BatchRow]:
    """The links of a batch, by name. Two statements."""
    links = CompanyLink.objects.for_tenant(batch.tenant).filter(batch=batch)
    found = list(links.select_related("company", "integration").order_by("company__name", "id"))
    records = PsaCompanyRecord.objects.for_tenant(batch.tenant).filter(
        Q(AnyOf("external_id", [link.external_id for link in found])),
        integration__in={link.integration_id for link in found},
    )
    names = {
        (row.integration_id, row.external_id): row.name
        for row in records.only("integration_id", "external_id", "name")
    }
    return [
        BatchRow(link, names.get((link.integration_id, link.external_id), link.external_id))
        for link in found
    ]
