"""The issues inbox: what a person should know of, once for each cause, until the cause is gone."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass

from django.db import transaction
from django.db.models import F, Q, QuerySet
from django.utils import timezone

from audit_site.db.lengths import fitted
from audit_site.errors import DomainError
from audit_site.tenants.audit import record_audit
from audit_site.tenants.models import User
from integrations import kinds
from integrations.models import Integration, Issue, SyncRun
from integrations.runs import starting

#: The kind of an issue that is about the integration itself, not about one of its records.
KIND_INTEGRATION = "integration"
#: Every word by which an issue may say what it is about.
KINDS = (*kinds.WORDS, KIND_INTEGRATION)


@dataclass(frozen=True, slots=True)
class IssueReport:
    """What is wrong with one record (or with the whole integration: no `external_id`)."""

    kind: str
    code: str
    message: str
    fix: str = ""
    external_id: str = ""
    name: str = ""
    company_external_id: str = ""
    count: int | None = None

    @property
    def cause(self) -> tuple[str, str, str]:
        return self.kind, self.external_id, self.code


def open_issues(integration: Integration) -> QuerySet[Issue]:
    """Issues whose cause is still there, dismissed ones too."""
    return Issue.objects.of(integration).filter(closed_at=None)


def raise_issues(
    integration: Integration, reports: Iterable[IssueReport], run: SyncRun | None = None
) -> None:
    """Open an issue for each report, or note that it was seen again. Three statements at most."""
    found = {report.cause: report for report in reports}
    if not found:
        return
    kinds = {report.kind for report in found.values()}
    ids = {report.external_id for report in found.values()}
    rows = open_issues(integration).filter(kind__in=kinds, external_id__in=ids)
    known = {(row.kind, row.external_id, row.code): row for row in rows}
    again = [(row, found[cause]) for cause, row in known.items() if cause in found]
    _see_again(integration, again, run)
    new = [report for cause, report in found.items() if cause not in known]
    _open(integration, new, run)


def _see_again(
    integration: Integration, pairs: Sequence[tuple[Issue, IssueReport]], run: SyncRun | None
) -> None:
    now = timezone.now()
    for row, report in pairs:
        row.message, row.fix, row.count = report.message, report.fix, report.count
        row.name = fitted(Issue, "name", report.name) or row.name
        row.run, row.last_seen_at = run, now
    rows = [row for row, _ in pairs]
    names = ["message", "fix", "name", "count", "run", "last_seen_at"]
    Issue.objects.bulk_update(rows, names)
    open_issues(integration).filter(pk__in=[row.pk for row in rows]).update(times=F("times") + 1)


def _open(integration: Integration, reports: Sequence[IssueReport], run: SyncRun | None) -> None:
    """Another worker may open the same at this moment: one of the two stays."""
    now = timezone.now()
    rows = [
        Issue(
            tenant_id=integration.tenant_id,
            integration=integration,
            run=run,
            kind=report.kind,
            external_id=report.external_id,
            company_external_id=report.company_external_id,
            code=report.code,
            name=fitted(Issue, "name", report.name),
            message=report.message,
            fix=report.fix,
            count=report.count,
            first_seen_at=now,
            last_seen_at=now,
        )
        for report in reports
    ]
    Issue.objects.bulk_create(rows, ignore_conflicts=True)


def close_issues(
    integration: Integration,
    *,
    kind: str,
    codes: Collection[str] | None = None,
    external_ids: Collection[str] | None = None,
) -> int:
    """Close those whose cause is gone: of a kind, with these codes, about these records.

    Returns how many were closed.
    """
    rows = open_issues(integration).filter(kind=kind)
    if codes is not None:
        rows = rows.filter(code__in=codes)
    if external_ids is not None:
        rows = rows.filter(external_id__in=external_ids)
    return rows.update(closed_at=timezone.now())


@transaction.atomic
def dismiss(issue: Issue, *, actor: User | None) -> Issue:
    """Put an issue aside: it stays quiet as long as its cause lasts, and comes back after it."""
    _refuse_closed(issue)
    rows = Issue.objects.for_tenant(issue.tenant).filter(pk=issue.pk, closed_at=None)
    if rows.filter(dismissed_at=None).update(dismissed_at=timezone.now(), dismissed_by=actor):
        _audit(issue, actor, "issue.dismissed")
    issue.refresh_from_db()
    return issue


@transaction.atomic
def retry(issue: Issue, *, actor: User | None) -> tuple[SyncRun, bool]:
    """Read again what an issue is about: just its PSA company, or everything where none is known.

    Returns the run; False beside it when that reading was under way already.
    """
    _refuse_closed(issue)
    integration = issue.integration
    if issue.company_external_id:
        run, is_new = starting.start_reread(
            integration=integration, external_ids=[issue.company_external_id], actor=actor
        )
    else:
        run, is_new = starting.start_sync_run(integration=integration, actor=actor)
    if is_new:
        _audit(issue, actor, "issue.retried", run)
    return run, is_new


@transaction.atomic
def retry_all(integration: Integration, *, actor: User | None) -> tuple[SyncRun, bool]:
    """Read everything again; False beside the run when one was under way already."""
    run, is_new = starting.start_sync_run(integration=integration, actor=actor)
    if is_new:
        record_audit(
            tenant=integration.tenant,
            actor=actor,
            action="issues.retried",
            subject=integration,
            after={"run": run.pk},
        )
    return run, is_new


@transaction.atomic
def confirm_gone(issue: Issue, *, actor: User | None) -> SyncRun:
    """Say that what the PSA stopped showing is really gone: a new run over everything marks it so.

    DomainError `no_question` for an issue that does not ask this, `run_under_way` when a run is.
    """
    _refuse_closed(issue)
    if not issue.asks_if_gone:
        raise DomainError(
            "no_question",
            "This issue does not ask whether something is gone.",
            "Read it again instead.",
        )
    run, _ = starting.start_sync_run(
        integration=issue.integration,
        actor=actor,
        accept_gone={issue.external_id: issue.count or 0},
    )
    _audit(issue, actor, "issue.gone_confirmed", run)
    return run


def _refuse_closed(issue: Issue) -> None:
    if issue.closed_at is not None:
        raise DomainError(
            "issue_closed", "This issue is closed: its cause is gone.", "There is nothing to do."
        )


def _audit(issue: Issue, actor: User | None, action: str, run: SyncRun | None = None) -> None:
    """The subject is the integration: an issue's name may be a person's, and the trail stays."""
    record_audit(
        tenant=issue.tenant,
        actor=actor,
        action=action,
        subject=issue.integration,
        after={
            "issue": issue.pk,
            "kind": issue.kind,
            "external_id": issue.external_id,
            "code": issue.code,
            **({"run": run.pk} if run else {}),
        },
    )


def by_state(rows: QuerySet[Issue], state: str) -> QuerySet[Issue]:
    """Those that are `open`, `dismissed` or `closed`; all for anything else."""
    wanted = {
        "open": Q(closed_at=None, dismissed_at=None),
        "dismissed": Q(closed_at=None, dismissed_at__isnull=False),
        "closed": Q(closed_at__isnull=False),
    }
    return rows.filter(wanted.get(state, Q()))
