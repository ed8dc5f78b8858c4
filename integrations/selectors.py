"""Reads over integrations, the import list, runs and linked companies.

All begin with the tenant.
"""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.db.models import (
    Case,
    Count,
    Exists,
    F,
    IntegerField,
    OuterRef,
    Prefetch,
    Q,
    QuerySet,
    Subquery,
    UUIDField,
    Value,
    When,
)
from django.db.models.functions import Coalesce

from audit_site.tenants.models import Role, Tenant, User
from companies.models import Company, Contact, current_contacts
from integrations.models import (
    CompanyLink,
    ConnectionTest,
    Integration,
    Issue,
    PsaCompanyRecord,
    SyncEvent,
    SyncRun,
)
from integrations.services.import_list import searchable
from integrations.services.import_rules import Reason, explain
from integrations.services.issues import WHOLE, by_state
from integrations.services.psa_access import info_of

COMPANY_KINDS = ("companies", "company")
#: What issues are about, in the order in which people read them: title, and the kinds that it is.
ISSUE_GROUPS: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("The connection", (WHOLE,)),
    ("Companies", COMPANY_KINDS),
    ("Contacts", ("contacts", "contact")),
    ("Agreements", ("agreements", "agreement")),
    ("Lines", ("lines", "line")),
)


def list_integrations(tenant: Tenant, *, status: str | None = None) -> QuerySet[Integration]:
    """Integrations with their newest test, candidate's test and run, and their `open_issues`;

    disconnected ones only if asked.
    """
    rows = Integration.objects.for_tenant(tenant).select_related("tenant")
    if status is None:
        rows = rows.exclude(status=Integration.Status.DISCONNECTED)
    else:
        rows = rows.filter(status=status)
    tests = ConnectionTest.objects.for_tenant(tenant).order_by("-id")
    runs = SyncRun.objects.for_tenant(tenant).filter(scope=SyncRun.Scope.ALL).order_by("-id")
    prefetches: list[Prefetch[Any]] = [
        Prefetch("tests", tests.filter(is_candidate=False)[:1], to_attr="newest_tests"),
        Prefetch("tests", tests.filter(is_candidate=True)[:1], to_attr="newest_candidate_tests"),
        Prefetch("runs", runs[:1], to_attr="newest_runs"),
    ]
    return (
        rows.annotate(open_issues=_open_issues(tenant)).order_by("id").prefetch_related(*prefetches)
    )


def _open_issues(tenant: Tenant) -> Coalesce:
    """How many issues of an integration wait for a person."""
    rows = Issue.objects.for_tenant(tenant).filter(integration=OuterRef("pk"))
    counted = by_state(rows, "open").order_by().values("integration").annotate(number=Count("pk"))
    return Coalesce(Subquery(counted.values("number")), 0, output_field=IntegerField())


def list_psa_companies(
    integration: Integration,
    *,
    search: str = "",
    importable: bool | None = None,
    linked: bool | None = None,
    status: str = "",
) -> QuerySet[PsaCompanyRecord]:
    """The import list, each with `linked_company_id` and `linked_company_name` (None = not linked).

    Importable = breaks no rule and is not linked yet. Search finds a part of the name, without
    regard to case and accents, or the id.
    """
    links = CompanyLink.objects.filter(
        tenant=integration.tenant_id,
        integration=integration,
        external_id=OuterRef("external_id"),
        unlinked_at=None,
    )
    rows = (
        PsaCompanyRecord.objects.filter(tenant=integration.tenant_id, integration=integration)
        .annotate(
            linked_company_id=Subquery(links.values("company_id")[:1], output_field=UUIDField()),
            linked_company_name=Subquery(links.values("company__name")[:1]),
        )
        .select_related("integration")
        .order_by("search_text", "id")
    )
    if search.strip():
        rows = rows.filter(search_text__contains=searchable(search.strip()))
    if linked is not None:
        rows = rows.filter(Exists(links)) if linked else rows.exclude(Exists(links))
    if importable is True:
        rows = rows.filter(importable=True).exclude(Exists(links))
    elif importable is False:
        rows = rows.exclude(~Exists(links), importable=True)
    if status:
        rows = rows.filter(status__iexact=status)
    return rows


def reasons_of(record: PsaCompanyRecord) -> list[Reason]:
    """Why a row of `list_psa_companies` can't be imported, none when it can."""
    name = info_of(record.integration).name
    linked = getattr(record, "linked_company_id", None)
    codes = [*(["already_linked"] if linked else []), *record.rule_codes]
    return [explain(code, name) for code in codes]


def list_sync_runs(
    tenant: Tenant,
    *,
    integration: str | UUID | None = None,
    company: str | UUID | None = None,
    state: str | None = None,
) -> QuerySet[SyncRun]:
    """Runs, newest first."""
    rows = SyncRun.objects.for_tenant(tenant).select_related("integration", "company", "started_by")
    wanted = {"integration": integration, "company": company, "state": state}
    return rows.filter(**{name: value for name, value in wanted.items() if value}).order_by("-id")


def list_events(run: SyncRun) -> QuerySet[SyncEvent]:
    """What a run did to each record, in order."""
    return SyncEvent.objects.filter(tenant=run.tenant_id, run=run).order_by("id")


def list_issues(
    tenant: Tenant, *, integration: Integration | None = None, state: str = ""
) -> QuerySet[Issue]:
    """Issues, newest first; `state`: open, dismissed, closed, all for anything else.

    Each with `psa_company_id` (the PSA company that it is about, "" = none is known),
    `linked_company_id` and `linked_company_name` (that company's audITee, None = not linked) and
    `psa_company_name` (its name in the import list, None = unknown there).
    """
    same = {
        "tenant": tenant,
        "integration": OuterRef("integration"),
        "external_id": OuterRef("psa_company_id"),
    }
    own_id = When(kind__in=COMPANY_KINDS, company_external_id="", then=F("external_id"))
    links = CompanyLink.objects.filter(**same, unlinked_at=None)
    records = PsaCompanyRecord.objects.filter(**same)
    rows = Issue.objects.for_tenant(tenant)
    if integration is not None:
        rows = rows.filter(integration=integration)
    return (
        by_state(rows, state)
        .annotate(psa_company_id=Case(own_id, default=F("company_external_id")))
        .annotate(
            linked_company_id=Subquery(links.values("company_id")[:1], output_field=UUIDField()),
            linked_company_name=Subquery(links.values("company__name")[:1]),
            psa_company_name=Subquery(records.values("name")[:1]),
        )
        .select_related("tenant", "integration__tenant", "dismissed_by")
        .order_by("-id")
    )


def grouped_issues(rows: QuerySet[Issue]) -> QuerySet[Issue]:
    """The same issues in the order of the inbox, each with its `group` (place in ISSUE_GROUPS).

    Open ones first, then what they are about (what is about all of a kind before its records),
    then the newest.
    """
    group = Case(
        *(When(kind__in=kinds, then=Value(n)) for n, (_, kinds) in enumerate(ISSUE_GROUPS)),
        default=Value(len(ISSUE_GROUPS)),
        output_field=IntegerField(),
    )
    rank = Case(
        When(closed_at__isnull=False, then=Value(2)),
        When(dismissed_at__isnull=False, then=Value(1)),
        default=Value(0),
        output_field=IntegerField(),
    )
    single = Case(
        When(external_id="", then=Value(0)), default=Value(1), output_field=IntegerField()
    )
    return rows.annotate(group=group).order_by(rank, "group", single, "-id")


def count_issues(integration: Integration) -> dict[str, int]:
    """How many issues an integration has in each state: `{"open", "dismissed", "closed"}`."""
    rows = Issue.objects.filter(tenant=integration.tenant_id, integration=integration)
    closed, dismissed = Q(closed_at__isnull=False), Q(dismissed_at__isnull=False)
    return rows.aggregate(
        open=Count("pk", filter=~closed & ~dismissed),
        dismissed=Count("pk", filter=~closed & dismissed),
        closed=Count("pk", filter=closed),
    )


def count_open_issues(tenant: Tenant) -> int:
    """How many issues of the tenant's connected PSAs wait for a person."""
    rows = by_state(Issue.objects.for_tenant(tenant), "open")
    return rows.exclude(integration__status=Integration.Status.DISCONNECTED).count()


def admins_of(tenant: Tenant) -> list[User]:
    """The people who may connect a PSA, by name."""
    admins = User.objects.filter(
        memberships__tenant=tenant, memberships__role=Role.ADMIN, is_active=True
    )
    return list(admins.order_by("name", "email"))


def companies_with_links(
    tenant: Tenant, *, search: str = "", status: str | None = None
) -> QuerySet[Company]:
    """Companies with their link and contacts (`current_link`, `primary`, `people`), by name."""
    rows = Company.objects.for_tenant(tenant)
    if search.strip():
        rows = rows.filter(name__icontains=search.strip())
    if status:
        rows = rows.filter(status=status)
    links = CompanyLink.objects.for_tenant(tenant).filter(unlinked_at=None)
    people = current_contacts(Contact.objects.for_tenant(tenant))
    return rows.order_by("name", "id").prefetch_related(
        Prefetch("links", links.select_related("integration"), to_attr="current_links"),
        Prefetch("contacts", people, to_attr="current_contacts"),
    )
