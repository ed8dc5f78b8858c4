"""Small functions that make rows. Each takes what matters and fills in the rest."""

from __future__ import annotations

from datetime import date, timedelta
from functools import cache
from itertools import count
from typing import Any

from allauth.account.models import EmailAddress
from django.contrib.auth.hashers import make_password
from django.utils import timezone
from rest_framework.test import APIClient

from agreements.models import Agreement, AgreementLine
from agreements.typed import add_agreement
from audit_site.db.folded_text import folded
from audit_site.tenants.invitations import hash_link
from audit_site.tenants.models import VALID_FOR, Invitation, Membership, Role, Tenant, User
from audit_site.tenants.tokens import ROLE_SCOPES, create_api_token
from companies.models import Company, Contact
from integrations.issues.inbox import IssueReport, open_issues, raise_issues
from integrations.models import (
    CompanyLink,
    Integration,
    Issue,
    LinkPreview,
    PsaCompanyRecord,
    PsaContactRecord,
    SyncEvent,
    SyncRun,
)

PASSWORD = "correct-horse-battery"
_numbers = count(1)


def make_tenant(**over: Any) -> Tenant:
    return Tenant.objects.create(**{"name": f"MSP {next(_numbers)}", **over})


def make_user(*, is_proved: bool = True, **over: Any) -> User:
    """Somebody with an account; `is_proved`: they have proved to read the mail of their address."""
    email = over.pop("email", f"user{next(_numbers)}@example.com")
    user = User.objects.create(email=email, password=_hash_of_password(), **over)
    if is_proved:
        EmailAddress.objects.create(user=user, email=email, verified=True, primary=True)
    return user


@cache
def _hash_of_password() -> str:
    """Worked out once: a hash is made to cost a fifth of a second and a hundred megabytes."""
    return make_password(PASSWORD)


def make_member(tenant: Tenant, role: str = Role.ADMIN, **over: Any) -> User:
    """A member who was seen just now: no request has to note it."""
    user = make_user(**over)
    now = timezone.now()
    Membership.objects.create(tenant=tenant, user=user, role=role, last_seen_at=now)
    return user


def make_invitation(tenant: Tenant, link: str = "", **over: Any) -> Invitation:
    """An open invitation, whose e-mail was sent with this link."""
    number, now = next(_numbers), timezone.now()
    values = {
        "email": f"new{number}@example.com",
        "role": Role.MEMBER,
        "token_hash": hash_link(link or f"link-{number}"),
        "sent_at": now,
        "expires_at": now + VALID_FOR,
    }
    return Invitation.objects.create(tenant=tenant, **{**values, **over})


def make_api(tenant: Tenant, role: str = Role.ADMIN, scopes: list[str] | None = None) -> APIClient:
    """A client of the REST API with a token of a new user in this role."""
    user = make_member(tenant, role)
    chosen = ROLE_SCOPES[role] if scopes is None else scopes
    _, plain = create_api_token(tenant=tenant, user=user, scopes=chosen)
    client = APIClient()
    client.credentials(HTTP_AUTHORIZATION=f"Bearer {plain}")
    client.user = user
    return client


def make_integration(tenant: Tenant, **over: Any) -> Integration:
    number = next(_numbers)
    values = {
        "psa": "connectwise",
        "name": f"ConnectWise {number}",
        "status": Integration.Status.CONNECTED,
        "account_key": f"psa.example|msp{number}",
        "credentials": {"server_url": "https://psa.example", "company_id": f"msp{number}"},
        "connected_at": timezone.now(),
    }
    return Integration.objects.create(tenant=tenant, **{**values, **over})


def make_company(tenant: Tenant, **over: Any) -> Company:
    company = Company.objects.create(tenant=tenant, **{"name": f"Client {next(_numbers)}", **over})
    Contact.objects.create(
        tenant=tenant, company=company, first_name="Ada", email="ada@example.com", is_primary=True
    )
    return company


def make_psa_company(integration: Integration, **over: Any) -> PsaCompanyRecord:
    number = next(_numbers)
    values = {
        "external_id": str(number),
        "name": f"PSA company {number}",
        "status": "Active",
        "importable": True,
        "contact_count": 1,
        "fingerprint": "",
        "seen_at": timezone.now(),
        **over,
    }
    values.setdefault("search_text", folded(f"{values['name']} {values['external_id']}"))
    return PsaCompanyRecord.objects.create(
        tenant=integration.tenant, integration=integration, **values
    )


def make_psa_contact(
    integration: Integration, external_id: str, company_id: str, **over: Any
) -> PsaContactRecord:
    values = {"first_name": "Ada", "email": "ada@example.com", "fingerprint": "", **over}
    return PsaContactRecord.objects.create(
        tenant=integration.tenant,
        integration=integration,
        external_id=external_id,
        company_external_id=company_id,
        **values,
    )


def make_link(company: Company, integration: Integration, **over: Any) -> CompanyLink:
    values = {"external_id": str(next(_numbers)), **over}
    return CompanyLink.objects.create(
        tenant=company.tenant, company=company, integration=integration, **values
    )


def make_preview(company: Company, integration: Integration, **over: Any) -> LinkPreview:
    """A preview of a link that no worker has taken yet."""
    values = {"external_id": str(next(_numbers)), **over}
    return LinkPreview.objects.create(
        tenant=company.tenant, company=company, integration=integration, **values
    )


def make_agreement(company: Company, integration: Integration, **over: Any) -> Agreement:
    values = {
        "external_id": str(next(_numbers)),
        "source": integration.psa,
        "name": "Managed Services",
        "currency": "USD",
        "cycle": "monthly",
        "cycle_label": "Monthly",
        "cancelled": False,
        "amount": "100",
        "start_date": "2025-01-01",
        "fingerprint": "",
        "synced_at": timezone.now(),
        **over,
    }
    return Agreement.objects.create(
        tenant=company.tenant, company=company, integration=integration, **values
    )


def make_typed(company: Company, **over: Any) -> Agreement:
    """An agreement that somebody has typed in: 100.00 a month."""
    values = {
        "name": "Gold support",
        "amount": "1200.00",
        "currency": "USD",
        "billing_cycle": "annual",
        "start_date": date(2026, 1, 1),
    }
    actor = over.pop("actor", None)
    return add_agreement(company=company, actor=actor, values={**values, **over})


def make_line(agreement: Agreement, **over: Any) -> AgreementLine:
    values = {
        "external_id": str(next(_numbers)),
        "kind": "addition",
        "quantity": "2",
        "unit_price": "10",
        "fingerprint": "",
        **over,
    }
    return AgreementLine.objects.create(tenant=agreement.tenant, agreement=agreement, **values)


def make_run(integration: Integration, **over: Any) -> SyncRun:
    """A run that began just now and reads contacts."""
    now = timezone.now()
    values = {
        "state": "running",
        "phase": "contacts",
        "dispatched_at": now,
        "started_at": now,
        "lease_until": now + timedelta(seconds=30),
        **over,
    }
    return SyncRun.objects.create(tenant=integration.tenant, integration=integration, **values)


def make_event(run: SyncRun, change: str, **over: Any) -> SyncEvent:
    return SyncEvent.objects.create(
        tenant=run.tenant, run=run, **{"kind": "company", "change": change, **over}
    )


def make_issue(integration: Integration, run: SyncRun | None = None, **over: Any) -> Issue:
    """An issue as a sync run raises it: of a company that came without a name."""
    values = {
        "kind": "companies",
        "code": "invalid_record",
        "message": "The record is set aside: its name is missing.",
        "fix": "Give it a name in ConnectWise Manage.",
        **over,
    }
    values.setdefault("external_id", str(next(_numbers)))
    trouble = IssueReport(**values)
    raise_issues(integration, [trouble], run)
    kind, external_id, code = trouble.cause
    return open_issues(integration).get(kind=kind, external_id=external_id, code=code)
