"""Agreements that several companies show, where nothing but their own lists says whose they are.

Such an agreement stays with the company that has it, and an issue names all that claim it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from uuid import UUID

from django.db.models import QuerySet

from agreements.models import Agreement
from audit_site.db.bulk import AnyOf
from audit_site.db.lengths import fitted
from integrations.issues.inbox import IssueReport
from integrations.kinds import AGREEMENTS
from integrations.models import CompanyLink, Integration, Issue, PsaCompanyRecord
from integrations.psa.contract import PsaAgreement, PsaInfo
from integrations.sync.agreement_batch import AgreementBatch
from integrations.sync.journal import TWO_CLAIMS, Journal


@dataclass(frozen=True, slots=True)
class Holder:
    """The linked company that has an agreement: our id of it, and the PSA's."""

    company_id: UUID
    external_id: str


def holders_of(
    batch: AgreementBatch, known: QuerySet[Agreement], integration: Integration
) -> dict[str, Holder]:
    """By external id of the agreements that are only claimed: who has them now.

    `known`: this integration's stored agreements. A company has none any more that the PSA no
    longer shows, or that was asked just now and does not show the agreement.
    """
    claims = {id_: record for id_, record in batch.agreements.items() if record.is_claim}
    if not claims:
        return {}
    rows = known.filter(AnyOf("external_id", claims), gone_at=None)
    held = dict(rows.values_list("external_id", "company_id"))
    links = CompanyLink.objects.of(integration).in_force().filter(company__in=held.values())
    psa_ids = dict(links.values_list("company_id", "external_id"))
    present = PsaCompanyRecord.objects.of(integration).present()
    present = present.filter(external_id__in=psa_ids.values())
    shown = set(present.values_list("external_id", flat=True))
    holders = {
        id_: Holder(company_id, psa_ids.get(company_id, "")) for id_, company_id in held.items()
    }
    return {
        id_: holder
        for id_, holder in holders.items()
        if holder.external_id in shown and _still_claims(holder, claims[id_], batch)
    }


def _still_claims(holder: Holder, record: PsaAgreement, batch: AgreementBatch) -> bool:
    claimers = {record.company_id, *record.claimed_by}
    return holder.external_id in claimers or holder.external_id not in batch.external_ids


def report_claims(
    journal: Journal, records: Sequence[PsaAgreement], holders: Mapping[str, Holder]
) -> None:
    """Inside a page: each agreement that more than one company claims is an issue."""
    claimers = {}
    for record in records:
        holder = holders.get(record.external_id)
        ids = {record.company_id, *record.claimed_by, *([holder.external_id] if holder else [])}
        if record.is_claim and len(ids) > 1:
            claimers[record.external_id] = (record, holder, sorted(ids))
    if not claimers:
        return
    wanted = {id_ for _, _, ids in claimers.values() for id_ in ids}
    shown = PsaCompanyRecord.objects.of(journal.integration).filter(external_id__in=wanted)
    names = {id_: f"{name} ({id_})" for id_, name in shown.values_list("external_id", "name")}
    for record, holder, claiming in claimers.values():
        called = {id_: names.get(id_, f"company {id_}") for id_ in claiming}
        counts_at = called[holder.external_id if holder else record.company_id]
        journal.raise_issue(
            _report(record, [*called.values()], counts_at, journal.integration.psa_info)
        )


def _report(
    record: PsaAgreement, claimers: Sequence[str], counts_at: str, psa: PsaInfo
) -> IssueReport:
    return IssueReport(
        AGREEMENTS.singular,
        TWO_CLAIMS,
        f"{psa.name} shows this {psa.agreement_word} at {' and at '.join(claimers)}, and nothing "
        f"says whose it is. It counts once, at {counts_at}.",
        f"In {psa.name}, leave it at the one that it is for, then press Sync Now.",
        external_id=fitted(Issue, "external_id", record.external_id),
        name=record.name,
    )
