"""Rows of every kind that an address can name, and the addresses of all routes with their ids."""

from __future__ import annotations

import re
from typing import Any

from django.urls import URLPattern, URLResolver, get_resolver

from agreements.decisions import choose
from audit_site.tenants.models import AuditEvent, BrowserSession, Tenant
from audit_site.tenants.own_address import ask_for_address
from audit_site.tenants.tokens import create_api_token
from integrations.importing.proposing import propose
from integrations.issues.inbox import IssueReport, open_issues, raise_issues
from integrations.models import ConnectionTest, LinkBatch, PsaCompanyRecord, SyncRun
from integrations.words.saying import say_word
from tests.clients import browser
from tests.factories import (
    make_agreement,
    make_company,
    make_integration,
    make_invitation,
    make_line,
    make_link,
    make_member,
    make_preview,
    make_psa_company,
)

Ids = dict[str, dict[str, str]]


def routes(resolver: Any = None, prefix: str = "") -> list[str]:
    found: list[str] = []
    for entry in (resolver or get_resolver()).url_patterns:
        text = prefix + _plain(str(entry.pattern))
        if isinstance(entry, URLResolver):
            found += routes(entry, text)
        elif isinstance(entry, URLPattern):
            found.append(text)
    return found


def _plain(pattern: str) -> str:
    """A route with its parameters as `<name>`."""
    text = re.sub(r"<\w+:(\w+)>", r"<\1>", pattern)
    text = re.sub(r"\(\?P<(\w+)>[^)]*\)", r"<\1>", text)
    return text.lstrip("^").rstrip("$").replace(r"\Z", "").replace("/?", "/")


def ids_of_every_kind(tenant: Tenant) -> Ids:
    """Makes rows of a tenant; their ids by the part of an address that stands before them."""
    integration = make_integration(tenant)
    company = make_company(tenant)
    make_link(company, integration)
    agreement = make_agreement(company, integration)
    line = make_line(agreement)
    decision = choose(agreement=agreement, actor=None, changes={"exclude": True}, note="Pilot")
    record = make_psa_company(integration)
    test = ConnectionTest.objects.create(tenant=tenant, integration=integration)
    run = SyncRun.objects.create(tenant=tenant, integration=integration)
    preview = make_preview(company, integration)
    word, _ = say_word(
        integration=integration, actor=None, kind="cycle", word="Odd", meaning="annual"
    )
    stranger = make_member(tenant)
    browser(stranger)
    token, _ = create_api_token(tenant=tenant, user=stranger, scopes=["read"], name="Theirs")
    raise_issues(integration, [IssueReport("companies", "too_many_gone", "Most are missing.")], run)
    record_rows = PsaCompanyRecord.objects.filter(pk=record.pk)
    batch = propose(tenant=tenant, rows=record_rows, actor=stranger)
    return {
        "integrations": {
            "pk": str(integration.pk),
            "test_id": str(test.pk),
            "external_id": record.external_id,
            "psa": "no-such-psa",
            "word_id": str(word.pk),
        },
        "import-batches": {"pk": str(batch.pk)},
        "import": {"pk": str(record.pk)},
        "issues": {"pk": str(open_issues(integration).get().pk)},
        "sync-runs": {"pk": str(run.pk)},
        "companies": {
            "pk": str(company.pk),
            "contact_id": str(company.contacts.get().pk),
            "agreement_id": str(agreement.pk),
            "preview_id": str(preview.pk),
        },
        "agreements": {"pk": str(agreement.pk)},
        "agreement-lines": {"pk": str(line.pk)},
        "users": {"pk": str(make_member(tenant).pk)},
        "people": {"pk": str(make_invitation(tenant).pk), "token": "no-such-link"},
        "prove": {"key": str(ask_for_address(user=stranger, email="new@example.com").key)},
        "sessions": {"pk": BrowserSession.objects.get(user=stranger).pk},
        "devices": {"session_id": BrowserSession.objects.get(user=stranger).pk},
        "decisions": {"pk": str(decision.pk if decision else "")},
        "tokens": {"pk": str(token.pk)},
        "link-batches": {"pk": str(LinkBatch.objects.create(tenant=tenant).pk)},
        "batches": {"pk": str(batch.pk)},
        "audit-events": {"pk": str(AuditEvent.objects.for_tenant(tenant)[0].pk)},
    }


def address(route: str, ids: Ids) -> str:
    family = next((name for name in ids if f"{name}/<" in route), "integrations")
    family = "people" if "<token>" in route else family
    return "/" + re.sub(r"<(\w+)>", lambda m: ids[family][m[1]], route)
