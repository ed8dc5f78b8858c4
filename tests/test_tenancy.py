"""Every route of the URLconf, asked with another tenant's ids: 404, and nothing changed."""

from __future__ import annotations

import re
from typing import Any

import pytest
from django.apps import apps
from django.test import Client
from django.urls import URLPattern, URLResolver, get_resolver

from agreements.decisions import choose
from audit_site.tenants.models import AuditEvent, BrowserSession, Tenant, TenantOwned, User
from audit_site.tenants.own_address import ask_for_address
from audit_site.tenants.tokens import create_api_token
from integrations.importing.proposing import propose
from integrations.issues.inbox import IssueReport, open_issues, raise_issues
from integrations.models import (
    ConnectionTest,
    LinkBatch,
    PsaCompanyRecord,
    SyncRun,
)
from integrations.words.saying import say_word
from tests.clients import api_of, browser
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
    make_tenant,
)

pytestmark = pytest.mark.once

METHODS = ("get", "post", "patch", "put", "delete")
#: Pages for strangers, which a link of an e-mail opens.
FOR_STRANGERS = ("account/invitation",)
#: Routes of libraries, and what is no address: they know no rows of ours.
NOT_OURS = ("accounts/", "api/v1/schema", "api/v1/docs", "api(/|$)")


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


OURS = [r for r in routes() if "<" in r and not r.startswith(NOT_OURS)]


def snapshot() -> dict[str, list[str]]:
    return {
        model.__name__: sorted(str(sorted(map(_comparable, row.items()), key=str)) for row in rows)
        for model in apps.get_models()
        if issubclass(model, TenantOwned) and model.__name__ not in {"ApiToken", "Membership"}
        for rows in [model.objects.values()]
    }


def _comparable(item: tuple[str, Any]) -> tuple[str, Any]:
    """A column with its value; what PostgreSQL gives as a view of bytes as those bytes."""
    name, value = item
    return name, bytes(value) if isinstance(value, memoryview) else value


@pytest.fixture(scope="module")
def foreign(rows_for_all: None) -> dict[str, dict[str, str]]:
    """Ids of another tenant's rows, for each kind of route."""
    other_tenant = make_tenant(company_limit=100)
    integration = make_integration(other_tenant)
    company = make_company(other_tenant)
    make_link(company, integration)
    agreement = make_agreement(company, integration)
    line = make_line(agreement)
    decision = choose(agreement=agreement, actor=None, changes={"exclude": True}, note="Pilot")
    record = make_psa_company(integration)
    test = ConnectionTest.objects.create(tenant=other_tenant, integration=integration)
    run = SyncRun.objects.create(tenant=other_tenant, integration=integration)
    preview = make_preview(company, integration)
    word, _ = say_word(
        integration=integration, actor=None, kind="cycle", word="Odd", meaning="annual"
    )
    stranger = make_member(other_tenant)
    browser(stranger)
    token, _ = create_api_token(tenant=other_tenant, user=stranger, scopes=["read"], name="Theirs")
    raise_issues(integration, [IssueReport("companies", "too_many_gone", "Most are missing.")], run)
    record_rows = PsaCompanyRecord.objects.filter(pk=record.pk)
    batch = propose(tenant=other_tenant, rows=record_rows, actor=stranger)
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
        "users": {"pk": str(make_member(other_tenant).pk)},
        "people": {"pk": str(make_invitation(other_tenant).pk), "token": "no-such-link"},
        "prove": {"key": str(ask_for_address(user=stranger, email="new@example.com").key)},
        "sessions": {"pk": BrowserSession.objects.get(user=stranger).pk},
        "devices": {"session_id": BrowserSession.objects.get(user=stranger).pk},
        "decisions": {"pk": str(decision.pk if decision else "")},
        "tokens": {"pk": str(token.pk)},
        "link-batches": {"pk": str(LinkBatch.objects.create(tenant=other_tenant).pk)},
        "batches": {"pk": str(batch.pk)},
        "audit-events": {"pk": str(AuditEvent.objects.for_tenant(other_tenant)[0].pk)},
    }


def address(route: str, foreign: dict[str, dict[str, str]]) -> str:
    family = next((name for name in foreign if f"{name}/<" in route), "integrations")
    family = "people" if "<token>" in route else family
    return "/" + re.sub(r"<(\w+)>", lambda m: foreign[family][m[1]], route)


def test_the_walk_finds_the_routes() -> None:
    assert "api/v1/companies/<pk>/mrr/" in OURS
    assert "integrations/<pk>/companies/" in OURS
    assert len(OURS) == 124


@pytest.mark.parametrize("route", OURS)
def test_another_tenants_ids_are_404_and_nothing_changes(
    alex: User, route: str, tenant: Tenant, foreign: dict[str, dict[str, str]]
) -> None:
    if route.startswith("api/"):
        client: Any = api_of(alex)
    else:
        client = Client()
        client.force_login(make_member(tenant))
    before = snapshot()

    answers = {method: getattr(client, method)(address(route, foreign)) for method in METHODS}

    assert {a.status_code for a in answers.values()} <= {404, 405}
    assert 404 in {a.status_code for a in answers.values()}
    assert snapshot() == before


@pytest.mark.parametrize(
    "route",
    [r for r in routes() if not r.startswith((*NOT_OURS, *FOR_STRANGERS, "healthz", "readyz"))],
)
def test_nobody_sees_anything_without_signing_in(
    db: None, route: str, client: Client, foreign: dict[str, dict[str, str]]
) -> None:
    target = address(route, foreign) if "<" in route else f"/{route}"

    answer = client.get(target)

    if route.startswith("api/"):
        assert answer.status_code in {401, 405}
    else:
        assert answer.status_code in {302, 405}
        assert answer.status_code == 405 or answer["Location"].startswith("/accounts/login/")
