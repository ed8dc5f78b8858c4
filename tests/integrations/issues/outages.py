"""Outages of an integration, and the mails about them."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from django.core import mail

from integrations.connecting import outage_mails
from integrations.issues.inbox import KIND_INTEGRATION, IssueReport, raise_issues
from integrations.models import Integration

START = datetime(2026, 11, 25, 13, 5, tzinfo=UTC)  # 14:05 in Berlin
SMTP = "django.core.mail.backends.smtp.EmailBackend"


def trouble(code: str = "timeout", **over: Any) -> IssueReport:
    values = {
        "message": "ConnectWise Manage did not answer within 30 seconds.",
        "fix": "Check its status page.",
        **over,
    }
    return IssueReport(KIND_INTEGRATION, code, **values)


def begin(integration: Integration, code: str = "timeout", **over: Any) -> None:
    raise_issues(integration, [trouble(code, **over)])


def mail_admins(integration: Integration, what: str) -> None:
    outage_mails.notify_admins(
        tenant_id=str(integration.tenant_id), integration_id=str(integration.pk), what=what
    )


def subjects() -> list[str]:
    return [message.subject for message in mail.outbox]
