"""Why the primary contact of an audITee is the one it is, in a sentence."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final, NamedTuple
from uuid import UUID

from django.db.models import Q
from django.utils import timezone
from django.utils.dateformat import format as date_text

from audit_site.db.bulk import AnyOf
from audit_site.db.json_rows import IdText
from companies.models import Company, PrimaryChoice
from integrations.importing.linking import link_of
from integrations.models import CompanyLink, PsaCompanyRecord, PsaContactRecord

#: `kept`: nobody chose it and no rule: it was there before. `typed`: a person typed it in here.
WHY_CODES: Final = ("chosen", "chosen_gone", "psa_default", "first_reachable", "kept", "typed")


@dataclass(frozen=True, slots=True)
class Why:
    """One of `WHY_CODES`, and the same in a sentence."""

    code: str
    message: str


class Primary(NamedTuple):
    """A primary contact, as far as its reason goes; ids are texts.

    `psa`: the name of the PSA that is linked, "" = none is; `is_default`: that names it as the
    default contact of its company.
    """

    id: str
    external_id: str
    can_be_reached: bool
    psa: str = ""
    is_default: bool = False


class Choice(NamedTuple):
    """What a person has chosen, `contact_id` None = it is erased; see `PrimaryChoice`."""

    contact_id: str | None
    by: str
    at: datetime
    gone_at: datetime | None

    @property
    def holds(self) -> bool:
        return self.contact_id is not None and self.gone_at is None


def why_primary(companies: Sequence[Company]) -> dict[UUID, Why]:
    """By company. Companies as `companies_with_links` reads them; three statements at the most."""
    if not companies:
        return {}
    tenant = companies[0].tenant_id
    rows = PrimaryChoice.objects.filter(tenant=tenant, company__in=[row.pk for row in companies])
    columns = (IdText("contact_id"), "chosen_by_name", "chosen_at", "gone_at")
    choices = {pk: Choice(*row) for pk, *row in rows.values_list("company_id", *columns)}
    defaults = _defaults(companies)
    found = {
        company.pk: reason_of(_primary_of(company, defaults), choices.get(company.pk))
        for company in companies
    }
    return {pk: why for pk, why in found.items() if why is not None}


class _Defaults(NamedTuple):
    """Which contacts PSAs name as their companies' default ones, by integration."""

    of_company: Mapping[tuple[UUID, str], str]
    flagged: Collection[tuple[UUID, str]]

    def has(self, link: CompanyLink, contact_id: str) -> bool:
        named = self.of_company.get(link.record)
        return named == contact_id or (link.integration_id, contact_id) in self.flagged


def _defaults(companies: Sequence[Company]) -> _Defaults:
    """What the PSAs of linked companies say; nothing is read where none is linked."""
    records: dict[UUID, set[str]] = defaultdict(set)
    people: dict[UUID, set[str]] = defaultdict(set)
    for company in companies:
        link, primary = link_of(company), company.primary
        if link is None or primary is None or not primary.external_id:
            continue
        records[link.integration_id].add(link.external_id)
        people[link.integration_id].add(primary.external_id)
    if not records:
        return _Defaults({}, ())
    tenant = companies[0].tenant_id
    named = PsaCompanyRecord.objects.filter(_any_of(records), tenant=tenant)
    flagged = PsaContactRecord.objects.filter(_any_of(people), tenant=tenant, is_default=True)
    columns = ("integration_id", "external_id", "default_contact_id")
    return _Defaults(
        {(account, id_): chosen for account, id_, chosen in named.values_list(*columns)},
        set(flagged.values_list("integration_id", "external_id")),
    )


def _any_of(ids: Mapping[UUID, Collection[str]]) -> Q:
    """Whether it is one of these, by integration and the PSA's ids."""
    found = Q()
    for integration, external_ids in ids.items():
        found |= Q(AnyOf("external_id", external_ids), integration=integration)
    return found


def _primary_of(company: Company, defaults: _Defaults) -> Primary | None:
    primary, link = company.primary, link_of(company)
    if primary is None:
        return None
    return Primary(
        str(primary.pk),
        primary.external_id,
        primary.is_active and primary.has_method,
        link.integration.psa_info.name if link else "",
        link is not None and defaults.has(link, primary.external_id),
    )


def reason_of(primary: Primary | None, choice: Choice | None) -> Why | None:
    """Why a primary contact is the one it is, or why there is none. No query."""
    if choice is not None and choice.holds and primary and choice.contact_id == primary.id:
        return Why("chosen", f"Chosen{_by(choice)}.")
    rule = _by_rule(primary) if primary else None
    if choice is None or choice.holds:
        return rule
    gone = f"The contact that was chosen{_by(choice)} is gone."
    return Why("chosen_gone", f"{gone} {rule.message}" if rule else gone)


def _by(choice: Choice) -> str:
    by = f" by {choice.by}" if choice.by else ""
    return f"{by} on {date_text(timezone.localtime(choice.at), 'j M Y')}"


def _by_rule(primary: Primary) -> Why:
    psa = primary.psa
    if not primary.external_id:
        return Why("typed", "Typed in here.")
    if not psa:
        return Why("kept", "It was the primary contact while a PSA was linked.")
    if not primary.can_be_reached:
        message = f"It was the primary contact before; {psa} shows nobody who can be reached."
        return Why("kept", message)
    if primary.is_default:
        return Why("psa_default", f"{psa} names it as the default contact.")
    message = f"{psa} names no default contact that can be reached: it is the first who can."
    return Why("first_reachable", message)
