"""The report about a figure that a person doubts: what it holds, and the way to our help address.

It is kept as it was shown, and sent by a worker: a mail server that is away delays it, no more.
"""

from __future__ import annotations

import json
import logging
from datetime import timedelta
from smtplib import SMTPException
from typing import Any, Final

from django.conf import settings
from django.core.mail import EmailMessage
from django.core.serializers.json import DjangoJSONEncoder
from django.db import transaction
from django.db.models import QuerySet
from django.utils import timezone

from agreements import mrr
from agreements.decisions import choice_history
from agreements.figures import CompanyFigure
from agreements.models import Agreement, AgreementLine, ChoiceRecord, FigureReport
from agreements.mrr.edition import EDITION
from audit_site import limits
from audit_site.db import walls
from audit_site.errors import DomainError
from audit_site.queue import enqueue
from audit_site.tenants.audit import record_audit
from audit_site.tenants.models import User
from companies.models import Company
from integrations.models import SyncRun

log = logging.getLogger(__name__)
TASK: Final = "agreements.send_reports"
#: What is sent at once; the rest follows at the next stroke of the clock.
MOST_AT_ONCE: Final = 20
#: For so long a mail server that is away is tried, and a report is kept.
KEPT: Final = timedelta(days=7)


def is_mail_configured() -> bool:
    """Whether e-mail leaves this installation."""
    return bool(settings.EMAIL_HOST) or "console" not in settings.EMAIL_BACKEND


def make_report(company: Company, figure: CompanyFigure, run: SyncRun | None) -> FigureReport:
    """Put together what explains a figure, unsaved. `run`: the last one that read the company."""
    content = report_of(company, figure, run)
    text = json.dumps(content, cls=DjangoJSONEncoder, indent=1, ensure_ascii=False)
    return FigureReport(tenant=company.tenant, company=company, as_of=figure.as_of, content=text)


def report_of(company: Company, figure: CompanyFigure, run: SyncRun | None) -> dict[str, Any]:
    """Ledger, stored PSA records, decisions and last run of a company."""
    agreements = [row.agreement for row in figure.agreements]
    lines = {entry.line_ref.pk: entry.line_ref for entry in figure.ledger if entry.line_ref}
    history = choice_history(company.tenant, agreements)
    return {
        "made_at": timezone.now(),
        "edition": EDITION,
        "company": {"id": str(company.pk), "name": company.name},
        "as_of": figure.as_of,
        "totals": figure.totals,
        "ledger": [_entry(row) for row in figure.ledger],
        "psa_records": {
            "agreements": [_stored(row) for row in agreements],
            "lines": [_stored(line) for line in lines.values()],
        },
        "decisions": [_decision(record) for records in history.values() for record in records],
        "sync_run": _run(run) if run else None,
    }


def _stored(row: Agreement | AgreementLine) -> dict[str, Any]:
    """A row as it is stored from the PSA, without what only we need."""
    hidden = {"id", "tenant", "fingerprint", "lines_fingerprint"}
    return {
        field.name: getattr(row, field.attname)
        for field in row._meta.concrete_fields
        if field.name not in hidden
    }


def _entry(row: mrr.LedgerRow) -> dict[str, Any]:
    hidden = {"agreement_ref", "line_ref", "remarks"}
    return {name: getattr(row, name) for name in row.__slots__ if name not in hidden}


def _decision(record: ChoiceRecord) -> dict[str, Any]:
    return {
        "at": record.at,
        "by": record.actor_name,
        "note": record.note,
        "agreement": str(record.agreement_id),
        "line": str(record.line_id) if record.line_id else None,
        "before": record.before,
        "after": record.after,
    }


def _run(run: SyncRun) -> dict[str, Any]:
    return {
        "id": str(run.pk),
        "state": run.state,
        "trigger": run.trigger,
        "finished_at": run.finished_at,
        "counts": run.counts,
        "error": run.error_code,
    }


@transaction.atomic
def send_report(*, report: FigureReport, note: str, actor: User) -> None:
    """Keep a report with what the person says about it, and have a worker send it."""
    if not is_mail_configured():
        raise DomainError(
            "mail_not_configured",
            "This installation sends no e-mail.",
            f"Download the report and send it to {settings.HELP_EMAIL}.",
        )
    limits.spend(report.tenant, limits.REPORTS)
    report.note, report.sent_by = note, actor
    report.save()
    record_audit(
        tenant=report.tenant,
        actor=actor,
        action="company.figure_reported",
        subject=report.company,
        as_of=report.as_of.isoformat(),
    )
    enqueue(TASK)


def send_waiting_reports() -> None:
    """Send what waits, and forget what was sent or can't be. May run at any time, twice as well; a
    worker that dies in between has sent one once or never.
    """
    now = timezone.now()
    old = FigureReport.objects.filter(created_at__lt=now - KEPT)
    for tenant_id in walls.owners_of(old, "send_reports"):
        with walls.within(tenant_id):
            old.filter(tenant=tenant_id).delete()
    waiting = FigureReport.objects.filter(sent_at=None)
    first = walls.first_by_tenant(waiting.order_by("id"), "send_reports", MOST_AT_ONCE)
    for tenant_id, pks in first.items():
        with walls.within(tenant_id):
            rows = waiting.filter(tenant=tenant_id, pk__in=pks).order_by("id")
            if not _send_all(rows.select_related("tenant", "company", "sent_by")):
                return  # the mail server is away: the others would wait for it one by one


def _send_all(waiting: QuerySet[FigureReport]) -> bool:
    """Send a tenant's reports; False when the mail server is away."""
    for report in waiting:
        own = FigureReport.objects.filter(tenant=report.tenant_id, pk=report.pk)
        if not own.filter(sent_at=None).update(sent_at=timezone.now()):
            continue
        try:
            _mail(report).send()
        except (SMTPException, OSError) as error:
            log.warning("mail_not_sent report=%s error=%s", report.pk, type(error).__name__)
            own.update(sent_at=None)
            return False
        except Exception:  # this one report must not hold the others up
            log.exception("report_not_made report=%s", report.pk)
            own.update(sent_at=None)
    return True


def _mail(report: FigureReport) -> EmailMessage:
    """The answer goes to the person who asked, and the subject names no client."""
    sender = report.sent_by
    body = (
        f"{report.note or 'No line was named.'}\n\n"
        f"As of {report.as_of:%d %b %Y}, {report.tenant.name}. The report is attached.\n"
    )
    mail = EmailMessage(
        f"[audIT] MRR of company {report.company_id}",
        body,
        to=[settings.HELP_EMAIL],
        reply_to=[sender.email] if sender else None,
    )
    mail.attach(report.file_name, report.content, "application/json")
    return mail
