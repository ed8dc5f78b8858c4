"""What a sync keeps current for linked companies: agreements and their lines."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec
from django.db.models import Exists, OuterRef, Q, QuerySet
from django.utils import timezone

from agreements.models import Agreement, AgreementLine
from audit_site.db.bulk import AnyOf
from integrations.importing.record_store import Changes, fingerprint, store
from integrations.issues.inbox import IssueReport
from integrations.kinds import AGREEMENTS
from integrations.models import CompanyLink, Integration, PsaCompanyRecord
from integrations.psa.contract import PsaAgreement, PsaAgreementLine, RejectedRecord
from integrations.psa.errors import PsaRefused
from integrations.sync.run_writer import TWO_CLAIMS, RunWriter


@dataclass(slots=True)
class AgreementBatch:
    """The agreements of some companies as one reading showed them, and when it began."""

    external_ids: list[str]
    last_link: str
    began: datetime
    agreements: dict[str, PsaAgreement] = field(default_factory=dict)
    rejected: list[RejectedRecord] = field(default_factory=list)
    refused: PsaRefused | None = None
    unsure: frozenset[str] = frozenset()
    short: tuple[int, int] | None = None

    @property
    def rejected_agreements(self) -> list[RejectedRecord]:
        return [record for record in self.rejected if not record.is_line]

    @property
    def rejected_lines(self) -> list[RejectedRecord]:
        return [record for record in self.rejected if record.is_line]

    @property
    def rejected_ids(self) -> set[str]:
        return {record.external_id for record in self.rejected_agreements if record.external_id}

    @property
    def proves_absence(self) -> bool:
        """Whether what is not among the agreements is gone: not when one came without its id."""
        return all(record.external_id for record in self.rejected_agreements)


def store_agreements(
    writer: RunWriter, links: list[CompanyLink], batch: AgreementBatch
) -> set[UUID]:
    """Store one reading of some companies' agreements, unless a newer one was stored meanwhile.

    What did not come is only noted: whether it is gone shows when all was read (`absences`).
    `links` carry `has_book`: whether their company's MRR was ever worked out. Returns the companies
    whose MRR has to be worked out (anew).
    """
    now = timezone.now()
    links = [link for link in links if link.read_at is None or link.read_at <= batch.began]
    company_of = {link.external_id: link.company_id for link in links}
    incoming = [record for record in batch.agreements.values() if record.company_id in company_of]
    integration = writer.run.integration
    named = AnyOf("external_id", [record.external_id for record in incoming])
    existing = Agreement.objects.filter(
        AnyOf("company_id", company_of.values()) | (Q(integration=integration) & Q(named)),
        tenant=integration.tenant_id,
    )
    if batch.rejected_ids:
        existing = existing.exclude(integration=integration, external_id__in=batch.rejected_ids)
    holders = _holders(incoming, existing, integration)
    _report_claims(writer, incoming, holders)
    values = [
        _agreement_values(
            record,
            integration,
            holders[record.external_id].company_id
            if record.external_id in holders
            else company_of[record.company_id],
        )
        for record in incoming
    ]
    _keep_renewals(values, existing, batch)
    _keep_sure(values, existing.filter(integration=integration), batch)
    kept = _keep_whole(values, existing.filter(integration=integration), batch)
    with_lines = [record for record in incoming if record.external_id not in kept]
    lines = {
        record.external_id: [_line_values(line, at) for at, line in enumerate(record.lines)]
        for record in with_lines
    }
    unsure = bool(batch.rejected_lines)  # one that was set aside may be of any of them
    marks = {
        record.external_id: ""
        if unsure or record.incomplete
        else lines_fingerprint(lines[record.external_id])
        for record in with_lines
    }
    agreements = store(
        Agreement,
        existing=existing,
        incoming=values,
        key=("integration_id", "external_id"),
        now=now,
        owner={"tenant_id": integration.tenant_id},
        extra={"synced_at": now},
        needed=("company_id", "lines_fingerprint"),
        fresh={(integration.pk, id_): {"lines_fingerprint": mark} for id_, mark in marks.items()},
    )
    _note_types(agreements, integration, now)
    writer.add("agreements", agreements, batch.rejected_agreements)
    if batch.proves_absence:
        writer.note_absent("agreements", [row.pk for row in agreements.absent], batch.began)
    touched = {change.row.company_id for change in agreements.written}
    touched |= {  # and whose agreement has moved to another company
        UUID(change.before["company_id"])
        for change in agreements.written
        if change.before and "company_id" in change.before
    }
    touched |= _store_lines(writer, with_lines, lines, marks, agreements, batch, now)
    touched |= {link.company_id for link in links if not link.has_book}  # type: ignore[attr-defined]
    CompanyLink.objects.filter(
        AnyOf("id", [link.pk for link in links]), tenant=integration.tenant_id
    ).update(read_at=batch.began, last_synced_at=now)
    return touched


def _holders(
    incoming: Sequence[PsaAgreement], known: QuerySet[Agreement], integration: Integration
) -> dict[str, CompanyLink]:
    """By agreement that is only claimed: the link of the company with which it stays."""
    claimed = [record.external_id for record in incoming if record.is_claim]
    if not claimed:
        return {}
    rows = known.filter(AnyOf("external_id", claimed), integration=integration, gone_at=None)
    held = dict(rows.values_list("external_id", "company_id"))
    links = CompanyLink.objects.of(integration).in_force().filter(company__in=held.values())
    link_of = {link.company_id: link for link in links.select_related("company")}
    return {id_: link_of[company] for id_, company in held.items() if company in link_of}


def _report_claims(
    writer: RunWriter, incoming: Sequence[PsaAgreement], holders: Mapping[str, CompanyLink]
) -> None:
    """Agreements that more than one company claims are an issue each."""
    integration = writer.run.integration
    psa = integration.psa_info
    claimers = {}
    for record in incoming:
        holder = holders.get(record.external_id)
        ids = {record.company_id, *record.claimed_by, *([holder.external_id] if holder else [])}
        if record.is_claim and len(ids) > 1:
            claimers[record.external_id] = (record, ids)
    if not claimers:
        return
    wanted = {id_ for _, ids in claimers.values() for id_ in ids}
    shown = PsaCompanyRecord.objects.of(integration).filter(external_id__in=wanted)
    names = dict(shown.values_list("external_id", "name"))
    for external_id, (record, ids) in claimers.items():
        holder = holders.get(external_id)
        counted_at = holder.external_id if holder else record.company_id
        both = " and ".join(f"{names.get(id_, 'a company')} ({id_})" for id_ in sorted(ids))
        writer.raise_trouble(
            IssueReport(
                AGREEMENTS.singular,
                TWO_CLAIMS,
                f"{both} both have this {psa.agreement_word} in {psa.name}, and nothing says whose "
                f"it is. It counts once, at {names.get(counted_at, 'a company')} ({counted_at}).",
                f"In {psa.name}, leave it at the one company that it is for, then press Sync Now.",
                external_id=external_id[:100],
                name=record.name,
            )
        )


def _note_types(agreements: Changes[Agreement], integration: Integration, now: datetime) -> None:
    """Remember of agreements whose type has changed what it was, and since when it is another."""
    changed = []
    for change in agreements.written:
        if former := (change.before or {}).get("type"):
            change.row.former_type = former
            change.row.type_changed_on = integration.tenant.today(now)
            changed.append(change.row)
    if changed:
        Agreement.objects.bulk_update(changed, ["former_type", "type_changed_on"])


def _keep_renewals(
    values: Sequence[dict[str, Any]], known: QuerySet[Agreement], batch: AgreementBatch
) -> None:
    """Keep what an agreement renews where the one that may have said so could not be read now.

    Otherwise both would count, and the MRR be twice what it is.
    """
    if not batch.rejected_agreements:
        return
    renewed = {(row.integration_id, row.external_id): row.renews_external_id for row in known}
    for value in values:
        old = renewed.get((value["integration_id"], value["external_id"]), "")
        if not value["renews_external_id"] and (
            old in batch.rejected_ids or not batch.proves_absence
        ):
            value["renews_external_id"] = old


def _keep_sure(
    values: Sequence[dict[str, Any]], known: QuerySet[Agreement], batch: AgreementBatch
) -> None:
    """Keep currencies and cycles that were told by a table which can't be read now."""
    if not batch.unsure:
        return
    rows = {row.external_id: row for row in known}
    for value in values:
        row = rows.get(value["external_id"])
        if row is None:
            continue
        if "currency" in batch.unsure and row.currency:
            value["currency"] = row.currency
        if "cycle" in batch.unsure and row.cycle and row.cycle_label == value["cycle_label"]:
            value["cycle"] = row.cycle


def _keep_whole(
    values: Sequence[dict[str, Any]], known: QuerySet[Agreement], batch: AgreementBatch
) -> set[str]:
    """Keep the lines that were read before the PSA refused them; ids of the agreements that do.

    Of an agreement that has changed since, lines must have been read: else there may be some now.
    """
    if batch.refused is None:
        return set()
    withheld = {record.external_id for record in batch.agreements.values() if record.withheld}
    parts = {value["external_id"]: value for value in values if value["external_id"] in withheld}
    rows = known.filter(AnyOf("external_id", parts), incomplete=False, gone_at=None)
    has_lines = Exists(AgreementLine.objects.filter(agreement=OuterRef("pk"), gone_at=None))
    kept = set()
    for id_, mark, lines in rows.annotate(has_lines=has_lines).values_list(
        "external_id", "fingerprint", "has_lines"
    ):
        if lines or mark == fingerprint({**parts[id_], "incomplete": False}):
            parts[id_]["incomplete"] = False
            kept.add(id_)
    return kept


def lines_fingerprint(lines: Sequence[dict[str, Any]]) -> str:
    """Hash all lines of an agreement: the same text means that none of them has changed."""
    return fingerprint({"lines": lines})


def _store_lines(
    writer: RunWriter,
    incoming: list[PsaAgreement],
    lines: Mapping[str, list[dict[str, Any]]],
    marks: Mapping[str, str],
    agreements: Changes[Agreement],
    batch: AgreementBatch,
    now: datetime,
) -> set[UUID]:
    """Store the lines; return the companies whose lines differed.

    Of agreements whose lines are marked to be as they came, none is read. Where the PSA refused
    some, those that did not come are not taken for gone.
    """
    integration = writer.run.integration
    created = {change.row.pk for change in agreements.written if change.kind == "created"}
    rows = {
        record.external_id: agreements.rows[integration.pk, record.external_id]
        for record in incoming
    }
    if not writer.has_rejections("line"):
        rows = {
            id_: row
            for id_, row in rows.items()
            if row.pk in created or not marks[id_] or row.lines_fingerprint != marks[id_]
        }
    company_of = {row.pk: row.company_id for row in rows.values()}
    changes = store(
        AgreementLine,
        existing=AgreementLine.objects.filter(
            AnyOf("agreement_id", company_of), tenant=integration.tenant_id
        ),
        incoming=[
            {"agreement_id": row.pk, **values} for id_, row in rows.items() for values in lines[id_]
        ],
        key=("agreement_id", "external_id"),
        now=now,
        owner={"tenant_id": integration.tenant_id},
    )
    changes.unchanged += sum(len(found) for id_, found in lines.items() if id_ not in rows)
    writer.add("lines", changes, batch.rejected_lines)
    whole = {
        rows[record.external_id].pk
        for record in incoming
        if record.external_id in rows and not record.incomplete
    }
    absent = [line for line in changes.absent if line.agreement_id in whole]
    writer.note_absent("lines", [line.pk for line in absent], batch.began)
    _mark_lines(rows, marks, {line.agreement_id for line in changes.absent})
    return {company_of[change.row.agreement_id] for change in changes.written}


def _mark_lines(
    rows: Mapping[str, Agreement], marks: Mapping[str, str], more_than_came: set[UUID]
) -> None:
    """Note of agreements that their lines are as they came, unless we have one that did not."""
    differing = []
    for id_, row in rows.items():
        mark = "" if row.pk in more_than_came else marks[id_]
        if row.lines_fingerprint != mark:
            row.lines_fingerprint = mark
            differing.append(row)
    Agreement.objects.bulk_update(differing, ["lines_fingerprint"])


def _agreement_values(
    record: PsaAgreement, integration: Integration, company_id: Any
) -> dict[str, Any]:
    return {
        "integration_id": integration.pk,
        "source": integration.psa,
        "company_id": company_id,
        "external_id": record.external_id,
        "name": record.name,
        "type": record.type[:255],
        "status": record.status[:100],
        "currency": record.currency[:100],
        "start_date": record.start_date,
        "end_date": record.end_date,
        "no_end": record.no_end,
        "cancelled": record.cancelled,
        "cancelled_date": record.cancelled_date,
        "recurring": record.recurring,
        "active": record.active,
        "cycle": record.cycle,
        "cycle_label": record.cycle_label[:100],
        "amount": record.amount,
        "parent_external_id": record.parent_id,
        "renews_external_id": record.renews_id,
        "incomplete": record.incomplete,
        "changed_at": record.changed_at,
    }


def _line_values(line: PsaAgreementLine, position: int) -> dict[str, Any]:
    return {
        "external_id": line.external_id,
        "position": position,
        "kind": line.kind,
        "description": line.description[:255],
        "product": line.product[:255],
        "quantity": line.quantity,
        "unit_price": line.unit_price,
        "less_included": line.less_included,
        "bill": line.bill[:40],
        "start_date": line.start_date,
        "end_date": line.end_date,
        "cycle": line.cycle,
        "one_time": line.one_time,
        "units": msgspec.to_builtins(line.units),
    }
