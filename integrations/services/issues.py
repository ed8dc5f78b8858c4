"""The issues inbox: what a person should know of, once for each cause, until the cause is gone."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass

from django.db.models import F, Q, QuerySet
from django.utils import timezone

from audit_site.tenants.models import User
from integrations.models import Integration, Issue, SyncRun

#: The kind of an issue that is about the integration itself, not about one of its records.
WHOLE = "integration"


@dataclass(frozen=True, slots=True)
class Trouble:
    """What is wrong with one record (or with the whole integration: no `external_id`)."""

    kind: str
    code: str
    message: str
    fix: str = ""
    external_id: str = ""
    name: str = ""
    company_external_id: str = ""

    @property
    def cause(self) -> tuple[str, str, str]:
        return self.kind, self.external_id, self.code


def open_issues(integration: Integration) -> QuerySet[Issue]:
    """Issues whose cause is still there, dismissed ones too."""
    return Issue.objects.filter(
        tenant=integration.tenant_id, integration=integration, closed_at=None
    )


def raise_issues(
    integration: Integration, troubles: Iterable[Trouble], run: SyncRun | None = None
) -> None:
    """Note troubles: new ones are opened, known ones seen again. Three statements at the most."""
    found = {trouble.cause: trouble for trouble in troubles}
    if not found:
        return
    now = timezone.now()
    kinds = {trouble.kind for trouble in found.values()}
    ids = {trouble.external_id for trouble in found.values()}
    rows = open_issues(integration).filter(kind__in=kinds, external_id__in=ids)
    known = {(row.kind, row.external_id, row.code): row for row in rows}
    again = [row for cause, row in known.items() if cause in found]
    for row in again:
        trouble = found[row.kind, row.external_id, row.code]
        row.message, row.fix = trouble.message, trouble.fix
        row.name = trouble.name or row.name
        row.run, row.last_seen_at = run, now
    Issue.objects.bulk_update(again, ["message", "fix", "name", "run", "last_seen_at"])
    open_issues(integration).filter(pk__in=[row.pk for row in again]).update(times=F("times") + 1)
    Issue.objects.bulk_create(
        [
            Issue(
                tenant_id=integration.tenant_id,
                integration=integration,
                run=run,
                kind=trouble.kind,
                external_id=trouble.external_id,
                company_external_id=trouble.company_external_id,
                code=trouble.code,
                name=trouble.name[:255],
                message=trouble.message,
                fix=trouble.fix,
                first_seen_at=now,
                last_seen_at=now,
            )
            for cause, trouble in found.items()
            if cause not in known
        ],
        ignore_conflicts=True,
    )


def close_issues(
    integration: Integration,
    *,
    kind: str,
    codes: Collection[str] | None = None,
    external_ids: Collection[str] | None = None,
    but: Collection[str] = (),
) -> int:
    """Close those whose cause is gone: of a kind, with these codes, about these records.

    `but`: records that still have it. Returns how many were closed.
    """
    rows = open_issues(integration).filter(kind=kind).exclude(external_id__in=but)
    if codes is not None:
        rows = rows.filter(code__in=codes)
    if external_ids is not None:
        rows = rows.filter(external_id__in=external_ids)
    return rows.update(closed_at=timezone.now())


def dismiss(issue: Issue, *, actor: User | None) -> Issue:
    """Put an issue aside: it stays quiet as long as its cause lasts, and comes back after it."""
    rows = Issue.objects.for_tenant(issue.tenant).filter(pk=issue.pk, closed_at=None)
    rows.filter(dismissed_at=None).update(dismissed_at=timezone.now(), dismissed_by=actor)
    issue.refresh_from_db()
    return issue


def by_state(rows: QuerySet[Issue], state: str) -> QuerySet[Issue]:
    """Those that are `open`, `dismissed` or `closed`; all for anything else."""
    wanted = {
        "open": Q(closed_at=None, dismissed_at=None),
        "dismissed": Q(closed_at=None, dismissed_at__isnull=False),
        "closed": Q(closed_at__isnull=False),
    }
    return rows.filter(wanted.get(state, Q()))
