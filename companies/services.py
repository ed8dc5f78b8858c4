"""Writes on companies. The licence is counted in one place, under the tenant's lock."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from django.conf import settings
from django.db import transaction
from django.utils import timezone

from audit_site.errors import DomainError, FieldErrors
from audit_site.queue import enqueue
from audit_site.tenants.audit import record_audit
from audit_site.tenants.locks import lock_tenant
from audit_site.tenants.models import Tenant, User
from companies.models import ArchivedPeriod, Company, Contact, note_figures_change
from companies.names import keep_former_names
from companies.primary import choose_primary

#: What to do when the licence has no room.
MAKE_ROOM = (
    f"Archive an audITee that you no longer need, or ask us for more: {settings.HELP_EMAIL}."
)
#: What people type of a contact, and what a PSA gives of one.
CONTACT_FIELDS = ("first_name", "last_name", "email", "phone")


@dataclass(frozen=True, slots=True)
class Licence:
    """How many active companies a tenant may have, has, and could still add."""

    limit: int
    used: int

    @property
    def free(self) -> int:
        return max(self.limit - self.used, 0)


def licence(tenant: Tenant) -> Licence:
    """Count the tenant's active companies against its limit."""
    used = Company.objects.for_tenant(tenant).filter(status=Company.Status.ACTIVE).count()
    return Licence(limit=tenant.company_limit, used=used)


def lock_licence(tenant: Tenant) -> Licence:
    """Count under the tenant's lock, so that of many at once none slips over the limit.

    Call it inside the transaction that then creates the companies.
    """
    return licence(lock_tenant(tenant))


def licence_exceeded(limit: int) -> DomainError:
    return DomainError(
        "licence_exceeded",
        f"Your licence covers {limit} audITees, and all of them are in use.",
        MAKE_ROOM,
    )


def has_contact_method(email: str, phone: str) -> bool:
    """Whether a person with these can be reached."""
    return bool(email or phone)


def clean_contact(contact: Mapping[str, str]) -> dict[str, str]:
    """Strip a contact's fields and insist on one contact method."""
    values = {name: (contact.get(name) or "").strip() for name in CONTACT_FIELDS}
    if not has_contact_method(values["email"], values["phone"]):
        raise DomainError(
            "contact_without_method",
            "The primary contact needs an e-mail address or a phone number.",
            "Type one of the two.",
            status=400,
        )
    return values


def clean_name(name: str) -> str:
    name = name.strip()
    if not name:
        raise FieldErrors(
            [{"field": "name", "code": "required", "message": "An audITee needs a name."}]
        )
    return name


def suggestions_may_differ(tenant: Tenant) -> None:
    """Have link suggestions worked out anew, once this is committed: something of what they rest on
    has changed. A lost message costs little: each sync asks for them as well.
    """
    enqueue("integrations.want_suggestions", str(tenant.pk))


@transaction.atomic
def create_company(
    *,
    tenant: Tenant,
    actor: User | None,
    name: str,
    primary_contact: Mapping[str, str],
    type: str = Company.Type.CLIENT,
) -> Company:
    """Create a company that no PSA knows, with its primary contact, if the licence has room."""
    name, contact = clean_name(name), clean_contact(primary_contact)
    allowance = lock_licence(tenant)
    if not allowance.free:
        raise licence_exceeded(allowance.limit)
    company = Company.objects.create(tenant=tenant, name=name, type=type)
    Contact.objects.create(tenant=tenant, company=company, is_primary=True, **contact)
    record_audit(
        tenant=tenant,
        actor=actor,
        action="company.created",
        subject=company,
        after={"name": name, "type": type},
    )
    suggestions_may_differ(tenant)
    return company


@transaction.atomic
def update_company(
    *,
    company: Company,
    actor: User | None,
    owned_by: str = "",
    name: str | None = None,
    primary_contact: Mapping[str, str] | None = None,
    status: str | None = None,
    type: str | None = None,
    primary: Contact | None = None,
) -> Company:
    """Change what was given; `primary` is one of its contacts. `owned_by` names the PSA that owns
    name and contacts, "" = nobody; type and primary contact are ours to choose all the same.

    Raises DomainError `owned_by_psa`, `contact_without_method`, `licence_exceeded` (restoring),
    those of `choose_primary`, or FieldErrors for the name.
    """
    if owned_by and (name is not None or primary_contact is not None):
        raise _owned_by_psa(owned_by)
    before: dict[str, str] = {}
    after: dict[str, Any] = {}
    if name is not None and clean_name(name) != company.name:
        before["name"], after["name"] = company.name, clean_name(name)
        company.name = clean_name(name)
    if type is not None and type != company.type:
        before["type"], after["type"] = company.type, type
        company.type = type
    if primary_contact is not None and (fields := _set_primary_contact(company, primary_contact)):
        after["contact_fields"] = fields  # never what a person is called
    if after:
        own = [name for name in after if name != "contact_fields"]
        if "name" in before:
            keep_former_names(company.tenant, {company.pk: before["name"]})
        company.save(update_fields=[*own, "updated_at"])  # a sync may have written the rest
        record_audit(
            tenant=company.tenant,
            actor=actor,
            action="company.changed",
            subject=company,
            before=before,
            after=after,
        )
        suggestions_may_differ(company.tenant)
    if primary is not None:
        choose_primary(company=company, contact=primary, actor=actor)
    if status == Company.Status.ARCHIVED:
        archive_company(company=company, actor=actor)
    elif status == Company.Status.ACTIVE:
        restore_company(company=company, actor=actor)
    return company


def _owned_by_psa(psa_name: str) -> DomainError:
    return DomainError(
        "owned_by_psa",
        f"Name and contacts of this audITee come from {psa_name}.",
        f"Change them in {psa_name} and re-sync, or unlink the audITee first.",
    )


def _set_primary_contact(company: Company, given: Mapping[str, str]) -> list[str]:
    """Change what was given of the primary contact; create one where there is none.

    Returns which of its fields changed.
    """
    rows = Contact.objects.for_tenant(company.tenant).filter(company=company, is_primary=True)
    stored = rows.values(*CONTACT_FIELDS).first() or {}
    values = clean_contact({**stored, **given})
    changed = [name for name in CONTACT_FIELDS if values[name] != stored.get(name)]
    if changed and not rows.update(**values):
        Contact.objects.create(tenant=company.tenant, company=company, is_primary=True, **values)
    return changed


@transaction.atomic
def archive_company(*, company: Company, actor: User | None) -> None:
    """Free the company's licence; everything about it is kept."""
    if company.status == Company.Status.ARCHIVED:
        return
    company.status, company.archived_at = Company.Status.ARCHIVED, timezone.now()
    company.save(update_fields=["status", "archived_at", "updated_at"])
    ArchivedPeriod.objects.get_or_create(
        tenant_id=company.tenant_id,
        company=company,
        restored_at=None,
        defaults={"archived_at": company.archived_at},
    )
    _record_status(company, actor, "company.archived", Company.Status.ACTIVE)


def _record_status(company: Company, actor: User | None, action: str, before: str) -> None:
    record_audit(
        tenant=company.tenant,
        actor=actor,
        action=action,
        subject=company,
        before={"status": before},
        after={"status": company.status},
    )
    note_figures_change([company.tenant_id])
    suggestions_may_differ(company.tenant)


@transaction.atomic
def restore_company(*, company: Company, actor: User | None) -> None:
    """Bring an archived company back, if the licence has room."""
    allowance = lock_licence(company.tenant)
    company.refresh_from_db(fields=["status"])
    if company.status == Company.Status.ACTIVE:
        return
    if not allowance.free:
        raise licence_exceeded(allowance.limit)
    company.status, company.archived_at = Company.Status.ACTIVE, None
    company.save(update_fields=["status", "archived_at", "updated_at"])
    periods = ArchivedPeriod.objects.for_tenant(company.tenant).filter(company=company)
    periods.filter(restored_at=None).update(restored_at=timezone.now())
    _record_status(company, actor, "company.restored", Company.Status.ARCHIVED)
