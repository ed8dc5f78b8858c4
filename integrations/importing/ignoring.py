"""PSA companies that a person does not want in audIT: not offered until that is taken back."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection
from typing import Any
from uuid import UUID

from django.db import transaction
from django.db.models import Q, QuerySet
from django.utils import timezone

from audit_site.db.bulk import AnyOf
from audit_site.db.folded_text import storable
from audit_site.db.lengths import fitted
from audit_site.errors import DomainError
from audit_site.tenants.audit import record_audit
from audit_site.tenants.models import User
from companies.services import suggestions_may_differ
from integrations.importing.rules import explain
from integrations.importing.selection import MOST_CHOSEN, too_many
from integrations.importing.table import is_linked
from integrations.models import CompanyLink, Integration, PsaCompanyRecord, lock_integration


@transaction.atomic
def ignore_company(*, integration: Integration, external_id: str, actor: User | None) -> None:
    """Put a PSA company aside: it counts neither as new nor among those that can be added.

    Syncs go on reading it. DomainError `unknown_company`; `already_linked` for one that is linked.
    Nothing happens when it is ignored already.
    """
    record = _held(integration, external_id)
    links = CompanyLink.objects.of(integration).in_force().filter(external_id=record.external_id)
    if links.exists():
        raise DomainError(
            "already_linked",
            f"“{record.name}” is linked to an audITee.",
            "Unlink it first if it does not belong there.",
        )
    if record.ignored_at is None:
        record.ignored_at = timezone.now()
        record.ignored_by_name = fitted(PsaCompanyRecord, "ignored_by_name", str(actor or ""))
        _save(record, actor, "ignored")


@transaction.atomic
def unignore_company(*, integration: Integration, external_id: str, actor: User | None) -> None:
    """Take that back; nothing happens when it is not ignored. DomainError `unknown_company`."""
    record = _held(integration, external_id)
    if record.ignored_at is not None:
        record.ignored_at, record.ignored_by_name = None, ""
        _save(record, actor, "unignored")


@transaction.atomic
def ignore_all(*, rows: QuerySet[PsaCompanyRecord], actor: User | None) -> int:
    """Put these companies of one tenant aside; linked ones and ignored ones stay. How many it were.

    DomainError `too_many_chosen`.
    """
    name = fitted(PsaCompanyRecord, "ignored_by_name", str(actor or ""))
    free = rows.filter(~Q(is_linked()), ignored_at=None)
    return _change_all(free, actor, "ignored", ignored_at=timezone.now(), ignored_by_name=name)


@transaction.atomic
def unignore_all(*, rows: QuerySet[PsaCompanyRecord], actor: User | None) -> int:
    """Take that back of these companies of one tenant. How many it were. DomainError
    `too_many_chosen`.
    """
    aside = rows.filter(~Q(is_linked()), ignored_at__isnull=False)
    return _change_all(aside, actor, "unignored", ignored_at=None, ignored_by_name="")


def _change_all(
    rows: QuerySet[PsaCompanyRecord], actor: User | None, what: str, **values: Any
) -> int:
    """Change them list by list, each under its integration's lock. Four statements a list."""
    wanted = list(rows.order_by().values_list("integration_id", "pk")[: MOST_CHOSEN + 1])
    if len(wanted) > MOST_CHOSEN:
        raise too_many(MOST_CHOSEN, "changed at once")
    by_list: dict[UUID, list[UUID]] = defaultdict(list)
    for integration_id, pk in wanted:
        by_list[integration_id].append(pk)
    changed = 0
    for integration in Integration.objects.filter(pk__in=by_list).order_by("pk"):
        held = lock_integration(integration)
        still = rows.filter(AnyOf("id", by_list[integration.pk]))
        ids = sorted(still.order_by().values_list("external_id", flat=True))
        still.order_by().update(**values)
        changed += len(ids)
        if ids:
            record_audit(
                tenant=held.tenant,
                actor=actor,
                action=f"psa_companies.{what}",
                subject=held,
                after={"psa_companies": ids},
            )
    return changed


def end_ignoring(integration: Integration, external_ids: Collection[str]) -> None:
    """What becomes an audITee is not ignored any more."""
    if not external_ids:
        return
    rows = PsaCompanyRecord.objects.of(integration).filter(external_id__in=external_ids)
    rows.exclude(ignored_at=None).update(ignored_at=None, ignored_by_name="")


def _held(integration: Integration, external_id: str) -> PsaCompanyRecord:
    """The record, its integration locked: a sync that writes it at this moment ends before."""
    lock_integration(integration)
    rows = PsaCompanyRecord.objects.of(integration).filter(external_id=storable(external_id))
    record = rows.first()
    if record is None:
        reason = explain("unknown_company", integration.psa_info)
        raise DomainError("unknown_company", reason["message"], reason["fix"], status=404)
    return record


def _save(record: PsaCompanyRecord, actor: User | None, what: str) -> None:
    record.save(update_fields=["ignored_at", "ignored_by_name"])
    record_audit(
        tenant=record.tenant,
        actor=actor,
        action=f"psa_company.{what}",
        subject=record,
        before={"ignored": what == "unignored"},
        after={"ignored": what == "ignored"},
    )
    suggestions_may_differ(record.tenant)
