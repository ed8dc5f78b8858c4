"""Who a company is reached by: a person's choice, which stays until that contact is gone."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from django.db import transaction
from django.utils import timezone

from audit_site.db.bulk import AnyOf, bulk_upsert
from audit_site.errors import DomainError
from audit_site.tenants.audit import record_audit
from audit_site.tenants.models import Tenant, User
from companies.models import Company, Contact, PrimaryChoice


@transaction.atomic
def choose_primary(*, company: Company, contact: Contact, actor: User | None) -> bool:
    """Make a contact the primary one of its company, whatever the PSA says; False = it was so.

    Of two who choose at once the second one's stays. Raises `contact_inactive`,
    `contact_without_method`, or `contact_gone` when it is not there any more.
    """
    lock_companies(company.tenant, [company.pk])
    people = Contact.objects.for_tenant(company.tenant).present().filter(company=company)
    chosen = people.filter(pk=contact.pk).first()
    if chosen is None:
        raise DomainError(
            "contact_gone",
            "This contact is not there any more.",
            "Load the audITee again, and choose another one.",
        )
    refuse_unreachable(chosen)
    rows = PrimaryChoice.objects.for_tenant(company.tenant)
    stored = rows.filter(company=company).first()
    if stored is not None and stored.holds and stored.contact_id == chosen.pk:
        return False
    before = people.filter(is_primary=True).values_list("pk", flat=True).first()
    move_primary(company.tenant, {company.pk: chosen.pk})
    keep_choices(company.tenant, [(company, chosen)], actor)
    record_audit(
        tenant=company.tenant,
        actor=actor,
        action="company.primary_chosen",
        subject=company,
        before={"primary_contact": str(before) if before else None},
        after={"primary_contact": str(chosen.pk)},
    )
    return True


def refuse_unreachable(contact: Contact) -> None:
    """A primary contact is active and can be reached."""
    if not contact.is_active:
        raise DomainError(
            "contact_inactive",
            f"{contact} is inactive.",
            "Make the contact active in the PSA and re-sync, or choose another one.",
            status=400,
        )
    if not contact.can_be_primary:
        raise DomainError(
            "contact_without_method",
            f"{contact.full_name or 'This contact'} has no e-mail address and no phone number.",
            "Add one of the two where the contact comes from, or choose another one.",
            status=400,
        )


def lock_companies(tenant: Tenant, ids: Iterable[UUID]) -> None:
    """Hold companies: nobody else chooses for them meanwhile."""
    rows = Company.objects.for_tenant(tenant).select_for_update(no_key=True)
    list(rows.filter(AnyOf("id", ids)).order_by("id").values_list("id", flat=True))


def move_primary(tenant: Tenant, wanted: dict[UUID, UUID]) -> None:
    """Make these contacts (by company) the primary ones, and no others of the same companies."""
    ours = Contact.objects.for_tenant(tenant).filter(AnyOf("company_id", wanted))
    chosen = list(wanted.values())
    ours.filter(is_primary=True).exclude(AnyOf("id", chosen)).update(is_primary=False)
    ours.filter(AnyOf("id", chosen), is_primary=False).update(is_primary=True)


def keep_choices(
    tenant: Tenant, chosen: Iterable[tuple[Company, Contact]], actor: User | None
) -> None:
    """Remember that a person chose these, each instead of what was chosen before."""
    now, name = timezone.now(), str(actor) if actor else ""
    choices = [
        PrimaryChoice(
            tenant=tenant,
            company=company,
            contact=contact,
            chosen_by=actor,
            chosen_by_name=name,
            chosen_at=now,
        )
        for company, contact in chosen
    ]
    earlier = PrimaryChoice.objects.for_tenant(tenant)
    earlier.filter(AnyOf("company_id", [choice.company_id for choice in choices])).delete()
    bulk_upsert(PrimaryChoice, choices)


def end_choices(tenant: Tenant, contacts: Iterable[UUID], now: datetime) -> None:
    """These contacts are gone: who chose them is told so, and the rule chooses again."""
    rows = PrimaryChoice.objects.for_tenant(tenant).filter(AnyOf("contact_id", contacts))
    rows.filter(gone_at=None).update(gone_at=now)


@dataclass(frozen=True, slots=True)
class Chosen:
    """A contact that a person chose, and whether it is the primary one yet."""

    contact: UUID
    is_primary: bool


def choices_that_hold(tenant: Tenant, companies: Iterable[UUID]) -> dict[UUID, Chosen]:
    """Of these companies, whom a person chose, where that contact is still there."""
    rows = PrimaryChoice.objects.for_tenant(tenant).filter(
        AnyOf("company_id", companies), gone_at=None, contact__gone_at=None
    )
    columns = ("company_id", "contact_id", "contact__is_primary")
    return {
        company_id: Chosen(contact_id, is_primary)
        for company_id, contact_id, is_primary in rows.values_list(*columns)
        if contact_id
    }
