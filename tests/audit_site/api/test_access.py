"""Who may call what: each endpoint is asked by each caller, and docs/access.md says the answers.

`make access` writes them there.
"""

from __future__ import annotations

import os
from typing import Any

import pytest
from rest_framework.test import APIClient

from audit_site.tenants.audit import record_audit
from audit_site.tenants.models import ApiToken, AuditEvent, BrowserSession, Tenant, User
from integrations.importing.proposing import propose
from integrations.issues.inbox import open_issues
from integrations.models import ConnectionTest, Integration, LinkBatch, PsaCompanyRecord
from integrations.words.saying import say_word
from tests import access_table
from tests.clients import api_of, browser
from tests.factories import (
    make_agreement,
    make_api,
    make_company,
    make_issue,
    make_line,
    make_link,
    make_preview,
    make_run,
)

WRITES = "AUDIT_WRITE_ACCESS_TABLE"


@pytest.fixture
def callers(tenant: Tenant, alex: User, mia: User, vic: User, otto: User) -> dict[str, Any]:
    return {
        "Admin": api_of(alex),
        "Member": api_of(mia),
        "Viewer": api_of(vic),
        "Read-only token": make_api(tenant, "admin", ["read"]),
        "Nobody": APIClient(),
        "Another tenant": api_of(otto),
    }


@pytest.fixture
def ids(tenant: Tenant, connected: Integration, callers: Any) -> dict[str, dict[str, str]]:
    """Ids of the tenant's rows, by the family of their routes."""
    company = make_company(tenant)
    make_link(company, connected)
    agreement = make_agreement(company, connected)
    line = make_line(agreement)
    issue = make_issue(connected, code="too_many_gone")
    word, _ = say_word(
        integration=connected, actor=None, kind="cycle", word="Odd", meaning="annual"
    )
    record_audit(tenant=tenant, actor=None, action="company.changed", subject=company)
    browser(callers["Admin"].user)
    record = PsaCompanyRecord.objects.filter(integration=connected).order_by("external_id")[0]
    rows = PsaCompanyRecord.objects.filter(integration=connected, importable=True)
    batch = propose(tenant=tenant, rows=rows, actor=callers["Admin"].user)
    return {
        "integrations": {
            "pk": str(connected.pk),
            "test_id": str(ConnectionTest.objects.get().pk),
            "external_id": record.external_id,
            "word_id": str(word.pk),
        },
        "issues": {"pk": str(open_issues(connected).get(pk=issue.pk).pk)},
        "sync-runs": {"pk": str(make_run(connected).pk)},
        "companies": {
            "pk": str(company.pk),
            "agreement_id": str(agreement.pk),
            "preview_id": str(make_preview(company, connected).pk),
        },
        "import-batches": {"pk": str(batch.pk)},
        "link-batches": {"pk": str(LinkBatch.objects.create(tenant=tenant).pk)},
        "agreements": {"pk": str(agreement.pk)},
        "agreement-lines": {"pk": str(line.pk)},
        "users": {"pk": str(User.objects.get(email="vic@example.com").pk)},
        "sessions": {"pk": BrowserSession.objects.get().pk},
        "tokens": {"pk": str(ApiToken.objects.filter(tenant=tenant).order_by("id")[0].pk)},
        "audit-events": {"pk": str(AuditEvent.objects.filter(tenant=tenant)[0].pk)},
    }


def test_the_docs_say_how_each_endpoint_answers_each_caller(
    callers: dict[str, APIClient], ids: dict[str, dict[str, str]]
) -> None:
    table = access_table.text(callers, ids)
    if os.environ.get(WRITES):
        access_table.write(table)

    assert access_table.written() == table
