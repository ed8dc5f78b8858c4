"""Why the primary contact of an audITee is the one it is, in a sentence."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Final, TypedDict
from uuid import UUID

from django.db.models import Q
from django.utils import timezone
from django.utils.dateformat import format as date_text

from companies.models import Company, Contact, PrimaryChoice
from integrations.importing.linking import link_of
from integrations.models import CompanyLink, PsaCompanyRecord, PsaContactRecord

#: `kept`: nobody chose it and no rule: it was there before. `typed`: a person typed it in here.
WHY_CODES: Final = ("chosen", "chosen_gone", "psa_default", "first_reachable", "kept", "typed")


class Why(TypedDict):
    code: str
    message: str


@dataclass(frozen=True, slots=True)
class _Defaults:
    """Which contacts PSAs name as their companies' default ones, by integration."""

    of_company: dict[tuple[UUID, str], str]
    flagged: Collection[tuple[UUID, str]]

    def has(self, link: CompanyLink, contact: Contact) -> bool:
        account = link.integration_id
        named = self.of_company.get((account, link.external_id))
        return named == contact.external_id or (account, contact.external_id) in self.flagged


def why_primary(companies: Sequence[Company]) -> dict[UUID, Why]:
    """By company. Companies as `companies_with_links` reads them; three statements at the most."""
    if not companies:
        return {}
    tenant = companies[0].tenant_id
    rows = PrimaryChoice.objects.filter(tenant=tenant, company__in=[row.pk for row in companies])
    choices = {choice.company_id: choice for choice in rows}
    defaults = _defaults(companies)
    found = {company.pk: _why(company, choices.get(company.pk), defaults) for company in companies}
    return {pk: why for pk, why in found.items() if why is not None}


def _defaults(companies: Sequence[Company]) -> _Defaults:
    """What the PSAs of linked companies say; nothing is read where none is linked."""
    linked, people = Q(), Q()
    for company in companies:
        link, primary = link_of(company), company.primary
        if link is None or primary is None or not primary.external_id:
            continue
        linked |= Q(integration=link.integration_id, external_id=link.external_id)
        people |= Q(integration=link.integration_id, external_id=primary.external_id)
    if not linked:
        return _Defaults({}, ())
    tenant = companies[0].tenant_id
    records = PsaCompanyRecord.objects.filter(linked, tenant=tenant)
    contacts = PsaContactRecord.objects.filter(people, tenant=tenant, is_default=True)
    columns = ("integration_id", "external_id", "default_contact_id")
    return _Defaults(
        {(account, id_): chosen for account, id_, chosen in records.values_list(*columns)},
        set(contacts.values_list("integration_id", "external_id")),
    )


def _why(company: Company, choice: PrimaryChoice | None, defaults: _Defaults) -> Why | None:
    primary = company.primary
    if choice is not None and choice.holds and primary and choice.contact_id == primary.pk:
        return {"code": "chosen", "message": f"Chosen{_by(choice)}."}
    rule = _by_rule(company, primary, defaults) if primary else None
    if choice is None or choice.holds:
        return rule
    gone = f"The contact that was chosen{_by(choice)} is gone."
    return {"code": "chosen_gone", "message": f"{gone} {rule['message']}" if rule else gone}


def _by(choice: PrimaryChoice) -> str:
    by = f" by {choice.chosen_by_name}" if choice.chosen_by_name else ""
    return f"{by} on {date_text(timezone.localtime(choice.chosen_at), 'j M Y')}"


def _by_rule(company: Company, primary: Contact, defaults: _Defaults) -> Why:
    link = link_of(company)
    if not primary.external_id:
        return {"code": "typed", "message": "Typed in here."}
    if link is None:
        return {"code": "kept", "message": "It was the primary contact while a PSA was linked."}
    psa = link.integration.psa_info.name
    if not (primary.is_active and primary.has_method):
        message = f"It was the primary contact before; {psa} shows nobody who can be reached."
        return {"code": "kept", "message": message}
    if defaults.has(link, primary):
        return {"code": "psa_default", "message": f"{psa} names it as the default contact."}
    message = f"{psa} names no default contact that can be reached: it is the first who can."
    return {"code": "first_reachable", "message": message}
