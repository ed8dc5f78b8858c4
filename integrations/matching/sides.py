"""What is compared, read from the database: names, e-mail addresses and phone numbers."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterable
from dataclasses import dataclass, field
from uuid import UUID

import msgspec
from django.db.models import QuerySet

from audit_site.db.bulk import AnyOf
from audit_site.tenants.models import Tenant
from companies.models import Company, Contact
from integrations.matching.rule import Profile, profile_of
from integrations.models import CompanyLink, Integration, PsaCompanyRecord, PsaContactRecord


@dataclass(slots=True)
class Side:
    """A company as it is stored: its name, and how its people are reached."""

    name: str
    emails: set[str] = field(default_factory=set)
    phones: set[str] = field(default_factory=set)

    def reach(self, email: str, phone: str) -> None:
        if email:
            self.emails.add(email)
        if phone:
            self.phones.add(phone)

    @property
    def profile(self) -> Profile:
        return profile_of(self.name, self.emails, self.phones)

    def values(self) -> tuple[str, list[str], list[str]]:
        return self.name, sorted(self.emails), sorted(self.phones)


def mark_of(ours: Side, theirs: Side) -> str:
    """The same text means that a pair is as it was when it was compared."""
    compared = msgspec.json.encode((ours.values(), theirs.values()))
    return hashlib.blake2b(compared, digest_size=16).hexdigest()


def our_sides(tenant: Tenant, companies: QuerySet[Company]) -> dict[UUID, Side]:
    """AudITees by id. Two statements."""
    sides = {pk: Side(name) for pk, name in companies.values_list("pk", "name")}
    people = Contact.objects.for_tenant(tenant).present().filter(company__in=companies.values("pk"))
    for company_id, email, phone in people.values_list("company_id", "email", "phone"):
        if company_id in sides:  # one that became different in between
            sides[company_id].reach(email, phone)
    return sides


def their_sides(
    integration: Integration, external_ids: Collection[str] | None = None
) -> dict[UUID, Side]:
    """Companies of a PSA that may be linked, by the id of their row; of these, or all. Two
    statements.
    """
    links = CompanyLink.objects.of(integration).in_force()
    rows = PsaCompanyRecord.objects.of(integration).present()
    rows = rows.filter(ignored_at=None, is_deleted=False, is_merged=False, is_own=False)
    people = PsaContactRecord.objects.of(integration).present()
    if external_ids is not None:
        rows = rows.filter(AnyOf("external_id", external_ids))
        people = people.filter(AnyOf("company_external_id", external_ids))
    rows = rows.exclude(external_id__in=links.values("external_id"))
    sides: dict[UUID, Side] = {}
    by_id: dict[str, Side] = {}
    for pk, external_id, name in rows.values_list("pk", "external_id", "name"):
        sides[pk] = by_id[external_id] = Side(name)
    _reach(by_id, people.values_list("company_external_id", "email", "phone"))
    return sides


def _reach(by_id: dict[str, Side], people: Iterable[tuple[str, str, str]]) -> None:
    for external_id, email, phone in people:
        if external_id in by_id:
            by_id[external_id].reach(email, phone)


def linkable(tenant: Tenant) -> QuerySet[Company]:
    """Active audITees without a link."""
    links = CompanyLink.objects.for_tenant(tenant).in_force()
    rows = Company.objects.for_tenant(tenant).filter(status=Company.Status.ACTIVE)
    return rows.exclude(pk__in=links.values("company"))


def movable(source: Integration) -> QuerySet[Company]:
    """Active audITees that are linked to this account."""
    links = CompanyLink.objects.of(source).in_force()
    rows = Company.objects.for_tenant(source.tenant).filter(status=Company.Status.ACTIVE)
    return rows.filter(pk__in=links.values("company"))
