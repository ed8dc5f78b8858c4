"""Erasing a contact: everywhere, for good, and so that its PSA does not bring it back."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from django.db import models, transaction
from django.db.models import Q
from django.utils import timezone

from audit_site.db.slices import SLICE
from audit_site.privacy.traces import Needles, find_traces, take_out
from audit_site.tenants.audit import record_audit
from audit_site.tenants.models import Tenant, User
from companies.models import Company, Contact
from integrations.importing import mirror
from integrations.importing.forgotten import remember_forgotten
from integrations.kinds import COMPANIES, CONTACTS
from integrations.models import (
    CompanyLink,
    Integration,
    Issue,
    PsaCompanyRecord,
    PsaContactRecord,
    SyncEvent,
    SyncRunPage,
    lock_integration,
)
from integrations.sync.linked_companies import apply_companies
from integrations.sync.run_answers import OF_PART, OF_READING

#: A number with fewer digits says nothing about one person.
SHORTEST_NUMBER = 6


@dataclass(frozen=True, slots=True)
class Erased:
    """What the erasure of a contact did: in how many rows it stood."""

    tenant: Tenant
    rows: int
    needles: Needles

    def left_in(self) -> list[str]:
        """Columns in which its e-mail address, number or name stands: another person's."""
        return find_traces(self.tenant, self.needles)


@dataclass(frozen=True, slots=True)
class _Twins:
    """The same person elsewhere: contacts of ours, rows of import lists, and whose they are."""

    external_id: str
    integrations: list[Integration]
    ours: list[Contact]
    theirs: list[PsaContactRecord]


def erase_contact(*, contact: Contact, actor: User | None) -> Erased:
    """Erase a contact of an audITee with all that tells of it.

    What tells of it goes first, in slices; then the contact itself, in one transaction; then once
    more what a sync wrote meanwhile. Where the process dies in between, the contact is still there,
    and is erased by the next try.
    """
    return _carry_out(contact.tenant, [contact], _twins(contact), contact.company, actor)


def erase_shown_contact(*, record: PsaContactRecord, actor: User | None) -> Erased:
    """As `erase_contact`, for one that an import list alone has."""
    integration = record.integration
    linked = CompanyLink.objects.of(integration)
    ours = Contact.objects.for_tenant(record.tenant).filter(
        external_id=record.external_id, company__links__in=linked
    )
    twins = _Twins(record.external_id, [integration], list(ours.distinct()), [record])
    return _carry_out(record.tenant, [], twins, integration, actor)


def _carry_out(
    tenant: Tenant, own: list[Contact], twins: _Twins, subject: models.Model, actor: User | None
) -> Erased:
    people = [*own, *twins.ours]
    rows_of_it: list[Contact | PsaContactRecord] = [*people, *twins.theirs]
    needles = Needles(
        (text for row in rows_of_it for text in _identifying(row)),
        [(row.first_name, row.last_name) for row in rows_of_it if row.last_name],
    )
    rows = take_out(tenant, needles) + _forget_history(twins)
    with transaction.atomic():
        rows += _erase(tenant, people, twins)
        ids = sorted({str(row.pk) for row in people})
        record_audit(
            tenant=tenant,
            actor=actor,
            action="contact.erased",
            subject=subject,
            after={"contacts": ids},
        )
    rows += take_out(tenant, needles) + _forget_history(twins)
    _make_answers_stale(tenant)  # what was read and kept since the first time
    return Erased(tenant, rows, needles)


def _identifying(row: Contact | PsaContactRecord) -> list[str]:
    """Texts that say who somebody is, wherever they stand."""
    name = f"{row.first_name} {row.last_name}".strip() if row.first_name and row.last_name else ""
    digits = sum(character.isdigit() for character in row.phone)
    return [row.email, row.phone if digits >= SHORTEST_NUMBER else "", name]


def _twins(contact: Contact) -> _Twins:
    """Whom the PSAs that this audITee is, or was, linked to show under the same id."""
    tenant, external_id = contact.tenant, contact.external_id
    if not external_id:
        return _Twins("", [], [], [])
    links = CompanyLink.objects.for_tenant(tenant).filter(company=contact.company_id)
    asked = Integration.objects.for_tenant(tenant).filter(links__in=links).distinct().order_by("pk")
    shown = PsaContactRecord.objects.for_tenant(tenant).filter(
        integration__in=asked, external_id=external_id
    )
    others = {row.integration_id for row in shown if not _is_same(contact, row)}
    integrations = [one for one in asked if one.pk not in others]
    linked = CompanyLink.objects.for_tenant(tenant).filter(integration__in=integrations)
    ours = Contact.objects.for_tenant(tenant).filter(
        external_id=external_id, company__links__in=linked
    )
    theirs = [row for row in shown if row.integration_id not in others]
    return _Twins(external_id, integrations, list(ours.distinct()), theirs)


def _is_same(contact: Contact, shown: PsaContactRecord) -> bool:
    """Whether two rows with one id are one person: another PSA may give the same id to another."""
    pairs = (
        (contact.email.casefold(), shown.email.casefold()),
        (contact.phone, shown.phone),
        (contact.full_name.casefold(), str(shown).casefold()),
    )
    return any(one and one == other for one, other in pairs)


def _erase(tenant: Tenant, people: list[Contact], twins: _Twins) -> int:
    """Inside a transaction: the contact, and that its PSA's id is left out from now on."""
    for integration in twins.integrations:
        locked = lock_integration(integration)
        remember_forgotten(locked, twins.external_id)
        _leave_out(locked, twins)
    rows = Contact.objects.for_tenant(tenant).filter(pk__in=[row.pk for row in people])
    erased, _ = rows.delete()
    _make_answers_stale(tenant)
    return erased + len(twins.theirs)


def _make_answers_stale(tenant: Tenant) -> None:
    """Give what is answered of figures other versions: any may have named the person, and programs
    and processes of ours keep it by its version (`audit_site.api.conditional`).
    """
    Company.objects.for_tenant(tenant).update(updated_at=timezone.now())


def _leave_out(integration: Integration, twins: _Twins) -> None:
    """The import list without this contact, and its companies as they are without it."""
    shown = PsaContactRecord.objects.of(integration).filter(external_id=twins.external_id)
    companies = {row.company_external_id for row in shown} - {""}
    records = PsaCompanyRecord.objects.of(integration)
    for name in ("default_contact_id", "primary_contact_id"):
        named = records.filter(**{name: twins.external_id})
        companies |= set(named.values_list("external_id", flat=True))
        named.update(**{name: ""})
    shown.delete()
    notes = SyncRunPage.objects.filter(tenant=integration.tenant_id, run__integration=integration)
    notes.filter(kind__in=(OF_PART, OF_READING)).delete()  # it is asked for again
    checked = mirror.apply_rules(integration, sorted(companies))
    links = CompanyLink.objects.of(integration).in_force().filter(external_id__in=companies)
    apply_companies(integration, list(links), checked, timezone.now())


def _forget_history(twins: _Twins) -> int:
    """Events and issues about it, by its id: who it was stands in them alone."""
    return sum(_forget_of(integration, twins.external_id) for integration in twins.integrations)


def _forget_of(integration: Integration, external_id: str) -> int:
    events = SyncEvent.objects.filter(
        tenant=integration.tenant_id, run__integration=integration
    ).order_by("pk")
    told = events.filter(kind=CONTACTS.singular, external_id=external_id)
    changed = _in_slices(
        told,
        {"external_id": "", "name": "", "before": None, "after": None, "reason_message": ""},
    )
    chosen = Q(before__default_contact_id=external_id) | Q(after__default_contact_id=external_id)
    for event in events.filter(chosen, kind=COMPANIES.singular):
        event.before, event.after = (
            _without(values, external_id) for values in (event.before, event.after)
        )
        event.save(update_fields=["before", "after"])
        changed += 1
    issues = Issue.objects.of(integration).filter(kind=CONTACTS.singular, external_id=external_id)
    return changed + issues.delete()[0]


def _in_slices(rows: Any, values: dict[str, Any]) -> int:
    changed = 0
    while ids := list(rows.values_list("pk", flat=True)[:SLICE]):
        changed += rows.model.objects.filter(pk__in=ids).update(**values)
    return changed


def _without(values: dict[str, Any] | None, external_id: str) -> dict[str, Any] | None:
    if values is None or values.get("default_contact_id") != external_id:
        return values
    return {**values, "default_contact_id": ""}


def contacts_with(tenant: Tenant, email: str) -> list[Contact]:
    """The tenant's contacts with this e-mail address, whatever its case."""
    rows = Contact.objects.for_tenant(tenant).filter(email__iexact=email)
    return list(rows.select_related("tenant", "company").order_by("pk"))


def shown_with(tenant: Tenant, email: str) -> list[PsaContactRecord]:
    """The contacts of import lists with this e-mail address, whatever its case."""
    rows = PsaContactRecord.objects.for_tenant(tenant).filter(email__iexact=email)
    return list(rows.select_related("tenant", "integration").order_by("pk"))
