"""The report about a figure that a person doubts: what it holds, and the way to our help address.

It is kept as it was shown, and sent by a worker: a mail server that is away delays it, no more.
"""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any, Final

from django.conf import settings
from django.core.mail import EmailMessage
from django.core.serializers.json import DjangoJSONEncoder
from django.db import transaction
from django.utils import timezone

from agreements import mrr
from agreements.decisions import choice_history
from agreements.figures import CompanyFigure
from agreements.models import Agreement, AgreementLine, ChoiceRecord, FigureReport
from agreements.mrr.edition import EDITION
from audit_site import limits
from audit_site.db.slices import delete_everywhere
from audit_site.errors import DomainError
from audit_site.queue import enqueue
from audit_site.tenants.audit import record_audit
from audit_site.tenants.mails import is_mail_configured, subject_of
from audit_site.tenants.models import User
from audit_site.tenants.waiting_mails import Letter, send_waiting
from companies.models import Company
from integrations.models import SyncRun

TASK: Final = "agreements.send_reports"
#: What is sent at once; the rest follows at the next stroke of the clock.
MOST_AT_ONCE: Final = 20


def make_report(company: Company, figure: CompanyFigure, run: SyncRun | None) -> FigureReport:
    """Put together what explains a figure, unsaved. `run`: the last one that read the company."""
    content = report_of(company, figure, run)
    text = json.dumps(content, cls=DjangoJSONEncoder, indent=1, ensure_ascii=False)
    return FigureReport(tenant=company.tenant, company=company, as_of=figure.as_of, content=text)


def report_of(company: Company, figure: CompanyFigure, run: SyncRun | None) -> dict[str, Any]:
    """Ledger, stored PSA records, decisions and last run of a company."""
    agreements = [row.agreement for row in figure.agreements]
    lines = {entry.line_ref.pk: entry.line_ref for entry in figure.ledger if entry.line_ref}
    history = choice_history(company.tenant, agreements, figure.known_at)
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
        "agreement": str(record.agreement_pk),
        "line": str(record.line_pk) if record.line_pk else None,
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
        after={"as_of": report.as_of},
    )
    enqueue(TASK)


def send_waiting_reports() -> None:
    """Send what waits, and forget what was sent or can't be. May run at any time, twice as well; a
    worker that dies in between has sent one once or never.
    """
    forget_reports()
    send_waiting(
        FigureReport.objects.all(),
        lambda report: Letter(make=lambda: _mail(report)),
        name="report",
        reason="send_reports",
        related=("tenant", "company", "sent_by"),
        most_at_once=MOST_AT_ONCE,
    )


def forget_reports() -> None:
    """Delete what was kept for long enough; for so long a mail server that is away is tried."""
    before = timezone.now() - timedelta(days=settings.REPORT_DAYS)
    delete_everywhere(FigureReport.objects.filter(created_at__lt=before), "send_reports")


def _mail(report: FigureReport) -> EmailMessage:
    """The answer goes to the person who asked, and the subject names no client."""
    sender = report.sent_by
    body = (
        f"{report.note or 'No line was named.'}\n\n"
        f"As of {report.as_of:%d %b %Y}, {report.tenant.name}. The report is attached.\n"
    )
    mail = EmailMessage(
        subject_of(f"MRR of company {report.company_id}"),
        body,
        to=[settings.HELP_EMAIL],
        reply_to=[sender.email] if sender else None,
    )
    mail.attach(report.file_name, report.content, "application/json")
    return mail
