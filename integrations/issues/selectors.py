"""Reads over issues."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django.db.models import (
    Case,
    Count,
    F,
    IntegerField,
    OuterRef,
    Q,
    QuerySet,
    Subquery,
    UUIDField,
    Value,
    When,
)

from audit_site.tenants.models import Tenant
from integrations.issues.inbox import KIND_INTEGRATION, by_state
from integrations.kinds import COMPANIES, KINDS
from integrations.models import (
    CompanyLink,
    Integration,
    Issue,
    PsaCompanyRecord,
)

COMPANY_KINDS = (COMPANIES.name, COMPANIES.singular)
#: What issues are about, in the order in which people read them: title, and the kinds that it is.
ISSUE_GROUPS: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("The connection", (KIND_INTEGRATION,)),
    *((kind.title, (kind.name, kind.singular)) for kind in KINDS),
)


_GROUP = Case(
    *(When(kind__in=kinds, then=Value(n)) for n, (_, kinds) in enumerate(ISSUE_GROUPS)),
    default=Value(len(ISSUE_GROUPS)),
    output_field=IntegerField(),
)


@dataclass(frozen=True, slots=True)
class IssueRow:
    """An issue with the company that it is about.

    `psa_company_id` is its id in the PSA ("" = none is known), `psa_company_name` its name in the
    import list (None = it is not there), `linked_company_*` its audITee (None = not linked).
    `group` is its place in ISSUE_GROUPS, the number of groups where it is in none.
    """

    issue: Issue
    psa_company_id: str
    psa_company_name: str | None
    linked_company_id: UUID | None
    linked_company_name: str | None
    group: int


def issue_rows(issues: Iterable[Issue]) -> list[IssueRow]:
    """Issues of `list_issues` in their order. No query."""
    return [_row(issue) for issue in issues]


def _row(annotated: Any) -> IssueRow:
    """An issue with what `list_issues` annotates."""
    return IssueRow(
        annotated,
        annotated.psa_company_id,
        annotated.psa_company_name,
        annotated.linked_company_id,
        annotated.linked_company_name,
        annotated.group,
    )


def list_issues(
    tenant: Tenant, *, integration: Integration | None = None, state: str = ""
) -> QuerySet[Issue]:
    """Issues, newest first; `state`: open, dismissed, closed, all for anything else.

    Annotated for `issue_rows`.
    """
    same = {
        "tenant": tenant,
        "integration": OuterRef("integration"),
        "external_id": OuterRef("psa_company_id"),
    }
    own_id = When(kind__in=COMPANY_KINDS, company_external_id="", then=F("external_id"))
    links = CompanyLink.objects.in_force().filter(**same)
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
            group=_GROUP,
        )
        .select_related("tenant", "integration__tenant", "dismissed_by")
        .order_by("-id")
    )


def grouped_issues(rows: QuerySet[Issue]) -> QuerySet[Issue]:
    """The same issues in the order of the inbox.

    Open ones first, then by ISSUE_GROUPS (what is about all of a kind before its records), then the
    newest.
    """
    rank = Case(
        When(closed_at__isnull=False, then=Value(2)),
        When(dismissed_at__isnull=False, then=Value(1)),
        default=Value(0),
        output_field=IntegerField(),
    )
    single = Case(
        When(external_id="", then=Value(0)), default=Value(1), output_field=IntegerField()
    )
    return rows.order_by(rank, _GROUP, single, "-id")


def count_issues(integration: Integration) -> dict[str, int]:
    """How many issues an integration has in each state: `{"open", "dismissed", "closed"}`."""
    rows = Issue.objects.of(integration)
    closed, dismissed = Q(closed_at__isnull=False), Q(dismissed_at__isnull=False)
    return rows.aggregate(
        open=Count("pk", filter=~closed & ~dismissed),
        dismissed=Count("pk", filter=~closed & dismissed),
        closed=Count("pk", filter=closed),
    )


def open_issues_of(tenant: Tenant, integrations: Iterable[Integration]) -> dict[UUID, int]:
    """How many issues of each of these wait for a person, by id; those that have none are not in.

    One query.
    """
    rows = Issue.objects.for_tenant(tenant).filter(integration__in=list(integrations))
    counted = by_state(rows, "open").order_by().values("integration").annotate(number=Count("pk"))
    return dict(counted.values_list("integration", "number"))
