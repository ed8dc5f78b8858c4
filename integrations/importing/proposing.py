"""Imports to review, proposed from what was chosen."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

from django.db import transaction
from django.db.models import QuerySet

from audit_site.db.bulk import AnyOf, bulk_upsert
from audit_site.db.folded_text import storable
from audit_site.errors import DomainError
from audit_site.tenants.models import Tenant, User
from integrations.importing.selection import MOST_CHOSEN, chosen_rows, selection_of, too_many
from integrations.importing.suggested import suggestions_for
from integrations.importing.table import selectable
from integrations.models import ImportBatch, ImportBatchRow, Integration, PsaCompanyRecord

Becomes = ImportBatchRow.Becomes


def propose_selection(
    *, tenant: Tenant, integrations: Sequence[Integration], actor: User
) -> ImportBatch:
    """A batch to review of everything that a person has chosen. DomainError `nothing_chosen`."""
    rows = chosen_rows(selection_of(tenant, actor), integrations)
    return propose(tenant=tenant, rows=rows, actor=actor)


@transaction.atomic
def propose(*, tenant: Tenant, rows: QuerySet[PsaCompanyRecord], actor: User | None) -> ImportBatch:
    """A batch to review of these rows of the import list; what is ignored is left out.

    DomainError `nothing_chosen`, `too_many_chosen`.
    """
    wanted = rows.filter(selectable(), ignored_at=None).order_by("search_text", "id")
    records = list(wanted.only("integration", "external_id", "name")[: MOST_CHOSEN + 1])
    if not records:
        raise DomainError(
            "nothing_chosen",
            "None of the chosen companies can be added or linked.",
            "Tick companies of the import list first.",
            status=400,
        )
    if len(records) > MOST_CHOSEN:
        raise too_many(MOST_CHOSEN, "imported at once")
    suggestions = suggestions_for(records)
    links = {pk: suggested.company_id for pk, suggested in suggestions.items()}
    return _proposed(
        tenant,
        actor,
        [
            (record.integration_id, record.external_id, record.name, links.get(record.pk))
            for record in records
        ],
    )


@transaction.atomic
def propose_ids(
    *, tenant: Tenant, pairs: Sequence[tuple[Integration, str]], actor: User | None
) -> ImportBatch:
    """A batch of companies that are named one by one: each becomes an audITee, or says why not."""
    wanted = dict.fromkeys((one.pk, storable(external_id)) for one, external_id in pairs)
    rows = PsaCompanyRecord.objects.for_tenant(tenant).filter(
        AnyOf("external_id", {external_id for _, external_id in wanted}),
        integration__in={pk for pk, _ in wanted},
    )
    names = {
        (pk, external_id): name
        for pk, external_id, name in rows.values_list("integration_id", "external_id", "name")
    }
    return _proposed(
        tenant,
        actor,
        [(pk, id_, names.get((pk, id_), id_), None) for pk, id_ in wanted],
    )


#: Of a row: its integration, its id and name in the PSA, and the audITee it is to be linked to.
Proposed = tuple[UUID, str, str, UUID | None]


def _proposed(tenant: Tenant, actor: User | None, rows: Sequence[Proposed]) -> ImportBatch:
    batch = ImportBatch.objects.create(tenant=tenant, started_by=actor, total=len(rows))
    bulk_upsert(
        ImportBatchRow,
        [
            ImportBatchRow(
                tenant=tenant,
                batch=batch,
                position=position,
                integration_id=integration,
                external_id=external_id,
                name=name,
                becomes=Becomes.LINK if company else Becomes.NEW,
                company_id=company,
            )
            for position, (integration, external_id, name, company) in enumerate(rows)
        ],
    )
    return batch
