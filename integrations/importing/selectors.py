"""Reads over the import list and linked companies."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any, Final, NamedTuple
from uuid import UUID

from django.db.models import (
    Exists,
    OuterRef,
    Prefetch,
    Q,
    QuerySet,
    Subquery,
    UUIDField,
    Value,
)
from django.db.models.functions import Concat, Lower
from django.db.models.lookups import Contains

from audit_site.db.counting import NEW_LIMIT, CappedCount, CountOf, one_each
from audit_site.db.folded_text import Folded, folded, storable
from audit_site.db.json_rows import JsonLength, list_has
from audit_site.db.presence import PRESENT
from audit_site.db.statements import RowStatement, asked_id
from audit_site.tenants.models import Tenant, User
from companies.models import Company, Contact
from integrations.models import (
    CompanyLink,
    ImportListVisit,
    Integration,
    PsaCompanyRecord,
    PsaContactRecord,
)

#: Whoever asks for new companies does not mean those that somebody put aside.
NOT_IGNORED: Final = Q(ignored_at=None)


def list_psa_companies(  # noqa: PLR0913  the one door for whatever is asked of the list
    integration: Integration,
    *,
    search: str = "",
    importable: bool | None = None,
    linked: bool | None = None,
    ignored: bool | None = None,
    status: str = "",
    type: str = "",
    reason: str = "",
    new: bool | None = None,
    since: datetime | None = None,
) -> QuerySet[PsaCompanyRecord]:
    """The import list, annotated for `import_rows` with `linked_company_id`, `_name` and `_status`
    (None = not linked).

    Importable = breaks no rule, is not linked yet and not ignored. Search finds a part of the name,
    without regard to case and accents, or the id. New = came after `since`; None = there is nothing
    new.
    """
    links = CompanyLink.objects.of(integration).in_force()
    links = links.filter(external_id=OuterRef("external_id"))
    rows: QuerySet[PsaCompanyRecord] = integration.psa_companies.filter(
        tenant=integration.tenant_id
    ).annotate(
        linked_company_id=Subquery(links.values("company_id")[:1], output_field=UUIDField()),
        linked_company_name=Subquery(links.values("company__name")[:1]),
        linked_company_status=Subquery(links.values("company__status")[:1]),
    )
    if wanted := folded(storable(search).strip()):
        rows = rows.filter(search_text__contains=wanted)
    rows = _in_state(rows, Exists(links), importable, linked, ignored)
    if status := storable(status):
        rows = rows.filter(status__iexact=status)
    if type := storable(type):
        rows = rows.filter(type__iexact=type)
    if reason == "already_linked":
        rows = rows.filter(Exists(links))
    elif reason:
        rows = rows.filter(list_has("rule_codes", reason))
    if new is not None:
        came = Q(pk__in=[]) if since is None else Q(PRESENT, NOT_IGNORED, first_seen_at__gt=since)
        rows = rows.filter(came) if new else rows.exclude(came)
    return rows.order_by("search_text", "external_id")


def _in_state(
    rows: QuerySet[PsaCompanyRecord],
    is_linked: Exists,
    importable: bool | None,
    linked: bool | None,
    ignored: bool | None,
) -> QuerySet[PsaCompanyRecord]:
    if linked is not None:
        rows = rows.filter(is_linked) if linked else rows.exclude(is_linked)
    if ignored is not None:
        rows = rows.filter(ignored_at__isnull=not ignored)
    if importable is True:
        rows = rows.filter(NOT_IGNORED, importable=True).exclude(is_linked)
    elif importable is False:
        rows = rows.exclude(~is_linked, NOT_IGNORED, importable=True)
    return rows


def integration_with(name: str, integrations: Sequence[Integration]) -> Integration | None:
    """The first with a company of this name that is not linked; the first of all if none has it."""
    for integration in integrations:
        if _of_name(list_psa_companies(integration, linked=False), name).exists():
            return integration
    return next(iter(integrations), None)


def _of_name(rows: QuerySet[PsaCompanyRecord], name: str) -> QuerySet[PsaCompanyRecord]:
    """Those that are called exactly this, without regard to case and accents."""
    begin = f"{folded(storable(name).strip())} "
    whole = Concat(Value(begin), Lower("external_id"))
    return rows.filter(search_text__startswith=begin, search_text=whole)


def is_new(record: PsaCompanyRecord, since: datetime | None) -> bool:
    is_shown = record.gone_at is None and record.ignored_at is None
    return since is not None and record.first_seen_at > since and is_shown


def new_company_counts(
    tenant: Tenant, user: User, integrations: Iterable[Integration]
) -> dict[UUID, CappedCount]:
    """What came into each PSA since this person looked at its import list, by integration.

    Gone and ignored ones don't count; an integration whose list the person never looked at has no
    entry. One statement.
    """
    came = PsaCompanyRecord.objects.present().filter(
        tenant=OuterRef("tenant"),
        integration=OuterRef("integration"),
        first_seen_at__gt=OuterRef("looked_at"),
        ignored_at=None,
    )
    visits = (
        ImportListVisit.objects.for_tenant(tenant)
        .filter(user=user, integration__in=[row.pk for row in integrations])
        .annotate(came=CountOf(one_each(came, NEW_LIMIT)))
    )
    return {
        integration: CappedCount(number, NEW_LIMIT)
        for integration, number in visits.values_list("integration_id", "came")
    }


class _Visit(NamedTuple):
    looked_at: datetime | None


#: When a person looked at an import list last.
VISIT: Final = RowStatement(
    _Visit,
    lambda: ImportListVisit.objects.filter(
        tenant=asked_id(0), integration=asked_id(1), user=asked_id(2)
    ).values_list("looked_at"),
)


def looked_at(integration: Integration, user: User) -> datetime | None:
    """Up to which arrival this person has seen the import list; None = never looked."""
    visit = VISIT.first(integration.tenant_id, integration.pk, user.pk)
    return visit.looked_at if visit else None


def contacts_of(record: PsaCompanyRecord) -> QuerySet[PsaContactRecord]:
    """The contacts of a PSA company that are not gone, as they were found."""
    people = PsaContactRecord.objects.of(record.integration).present()
    return people.filter(company_external_id=record.external_id).order_by("id")


#: How many import rules the PSA company of a link breaks now.
FLAGS: Final = JsonLength("problem_codes")


def count_flagged(tenant: Tenant) -> int:
    """How many active audITees are flagged, since their PSA company breaks an import rule."""
    links = CompanyLink.objects.for_tenant(tenant).in_force()
    flagged = links.annotate(flags=FLAGS).filter(flags__gt=0)
    return flagged.filter(company__status=Company.Status.ACTIVE).count()


def companies_with_links(
    tenant: Tenant,
    *,
    search: str = "",
    status: str | None = None,
    integration: UUID | None = None,
    linked: bool | None = None,
    problem: str = "",
    flagged: bool = False,
    with_people: bool = True,
) -> QuerySet[Company]:
    """Companies with their link and contacts (`linking.link_of`, `primary`, `people`), by name.

    Search finds a part of the name, without regard to case and accents. `integration` = linked to
    it; `problem` = flagged with this code, `flagged` = with any.
    """
    rows = Company.objects.for_tenant(tenant)
    if wanted := folded(storable(search).strip()):
        rows = rows.filter(Contains(Folded("name"), wanted))
    if status:
        rows = rows.filter(status=status)
    links = CompanyLink.objects.for_tenant(tenant).in_force()
    of_company = links.filter(company=OuterRef("pk"))
    if linked is not None:
        rows = rows.filter(Exists(of_company) if linked else ~Exists(of_company))
    if integration is not None:
        rows = rows.filter(Exists(of_company.filter(integration=integration)))
    if flagged:
        rows = rows.filter(Exists(of_company.annotate(flags=FLAGS).filter(flags__gt=0)))
    if problem:
        rows = rows.filter(Exists(of_company.filter(list_has("problem_codes", problem))))
    prefetches: list[Prefetch[Any]] = [
        Prefetch(
            "links",
            links.select_related("integration", "linked_by"),
            to_attr="links_in_force",
        ),
    ]
    if with_people:
        people = Contact.objects.for_tenant(tenant).current()
        prefetches.append(Prefetch("contacts", people, to_attr="people"))
    return rows.order_by("name", "id").prefetch_related(*prefetches)
