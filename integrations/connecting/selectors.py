"""Reads over connections."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, TypeVar
from uuid import UUID

from django.db.models import Count, Max, Min, OuterRef, QuerySet, Subquery
from django.utils import timezone

from audit_site.db.statements import ModelStatement, asked_id
from audit_site.tenants.models import Tenant
from integrations.models import CompanyLink, ConnectionTest, Integration, LeasedWork, SyncRun

WorkT = TypeVar("WorkT", ConnectionTest, SyncRun)
#: So many disconnected accounts are shown.
MOST_DISCONNECTED: Final = 100


def list_integrations(tenant: Tenant, *, status: str | None = None) -> QuerySet[Integration]:
    """Integrations, oldest first; disconnected ones only where that status is asked for."""
    rows = Integration.objects.for_tenant(tenant).with_people()
    rows = rows.not_disconnected() if status is None else rows.filter(status=status)
    return rows.order_by("id")


#: One integration of a tenant by its id, also a disconnected one, with the people of its health.
INTEGRATION: Final = ModelStatement[Integration](
    lambda: Integration.objects.filter(tenant=asked_id(0), pk=asked_id(1)).with_people()
)


def next_end_of_pause(tenant: Tenant) -> datetime | None:
    """When the next pause ends by itself: from then on other things may be done."""
    rows = Integration.objects.for_tenant(tenant).filter(on_pause_until__gt=timezone.now())
    ends: datetime | None = rows.aggregate(ends=Min("on_pause_until"))["ends"]
    return ends


@dataclass(frozen=True, slots=True)
class DisconnectedAccount:
    """An account that a person disconnected; so many audITees are still linked to it."""

    integration: Integration
    links: int


def disconnected_accounts(tenant: Tenant) -> list[DisconnectedAccount]:
    """What a tenant has disconnected, the newest first. Two statements."""
    rows = list_integrations(tenant, status=Integration.Status.DISCONNECTED)
    ended = list(rows.order_by("-disconnected_at", "-id")[:MOST_DISCONNECTED])
    links = CompanyLink.objects.for_tenant(tenant).in_force().filter(integration__in=ended)
    counted = links.order_by().values("integration").annotate(number=Count("pk"))
    numbers = dict(counted.values_list("integration", "number"))
    return [DisconnectedAccount(row, numbers.get(row.pk, 0)) for row in ended]


def choices_of_integrations(tenant: Tenant) -> list[tuple[str, str]]:
    """Ids and names of all integrations, also disconnected ones, for a filter."""
    rows = Integration.objects.for_tenant(tenant).order_by("name", "id")
    return [(str(pk), name) for pk, name in rows.values_list("pk", "name")]


@dataclass(frozen=True, slots=True)
class LatestWork:
    """The newest work of each kind for one integration; None = there is none.

    `test` is of the credentials in use, `candidate_test` of the new ones that wait for it or were
    refused, `run` reads everything.
    """

    test: ConnectionTest | None
    candidate_test: ConnectionTest | None
    run: SyncRun | None

    @property
    def works(self) -> tuple[LeasedWork | None, ...]:
        return self.test, self.candidate_test, self.run


def latest_work(tenant: Tenant, integrations: Iterable[Integration]) -> dict[UUID, LatestWork]:
    """The newest work of each of these, by the integration's id. Three statements at the most."""
    by_id = {integration.pk: integration for integration in integrations}
    tests = _newest(tests_of(tenant, is_candidate=False), by_id)
    candidate_tests = _newest(tests_of(tenant, is_candidate=True), by_id)
    runs = _newest(full_runs(tenant), by_id)
    return {
        pk: LatestWork(
            tests.get(pk),
            None if integration.candidate is None else candidate_tests.get(pk),
            runs.get(pk),
        )
        for pk, integration in by_id.items()
    }


#: The newest test of one integration of a tenant: of the credentials in use, of new ones.
TEST: Final = ModelStatement[ConnectionTest](lambda: _newest_of(ConnectionTest, is_candidate=False))
CANDIDATE_TEST: Final = ModelStatement[ConnectionTest](
    lambda: _newest_of(ConnectionTest, is_candidate=True)
)
#: Its newest run over everything.
RUN: Final = ModelStatement[SyncRun](lambda: _newest_of(SyncRun, scope=SyncRun.Scope.ALL))


def _newest_of(model: type[WorkT], **which: Any) -> QuerySet[WorkT]:
    rows: QuerySet[WorkT] = model._default_manager.filter(
        tenant=asked_id(0), integration=asked_id(1), **which
    )
    return rows.order_by("-id")[:1]


def latest_of(integration: Integration) -> LatestWork:
    """As `latest_work`, for one integration."""
    has_candidate = integration.candidate is not None
    return LatestWork(
        _first(TEST, integration),
        _first(CANDIDATE_TEST, integration) if has_candidate else None,
        _first(RUN, integration),
    )


def _first(statement: ModelStatement[WorkT], integration: Integration) -> WorkT | None:
    found = statement.first(integration.tenant_id, integration.pk)
    if found is not None:
        found.integration = integration
    return found


def latest_test(integration: Integration) -> ConnectionTest | None:
    """The newest test of the credentials in use."""
    return _first(TEST, integration)


def latest_runs(tenant: Tenant, integrations: Iterable[Integration]) -> list[SyncRun]:
    """The newest run over everything of each of these that has one. One statement."""
    by_id = {integration.pk: integration for integration in integrations}
    return list(_newest(full_runs(tenant), by_id).values())


def last_successes(tenant: Tenant, integrations: Iterable[Integration]) -> dict[UUID, datetime]:
    """When a run over everything last ended well, by the integration's id. One statement."""
    rows = SyncRun.objects.for_tenant(tenant).filter(
        integration__in=[integration.pk for integration in integrations],
        scope=SyncRun.Scope.ALL,
        state=SyncRun.State.SUCCEEDED,
    )
    newest = rows.order_by().values("integration").annotate(at=Max("finished_at"))
    return dict(newest.values_list("integration", "at"))


def tests_of(tenant: Tenant | OuterRef, *, is_candidate: bool) -> QuerySet[ConnectionTest]:
    """Tests of the keys in use or of new ones, the newest first."""
    rows = ConnectionTest.objects.filter(tenant=tenant, is_candidate=is_candidate)
    return rows.order_by("-id")


def full_runs(tenant: Tenant | OuterRef) -> QuerySet[SyncRun]:
    """Runs over everything, the newest first."""
    return SyncRun.objects.filter(tenant=tenant, scope=SyncRun.Scope.ALL).order_by("-id")


def _newest(rows: QuerySet[WorkT], by_id: dict[UUID, Integration]) -> dict[UUID, WorkT]:
    """The first of the rows of each integration, by the integration's id. One statement."""
    first = rows.filter(integration=OuterRef("pk")).values("pk")[:1]
    firsts = Integration.objects.filter(pk__in=by_id).values_list(Subquery(first))
    found: dict[UUID, WorkT] = {}
    for row in rows.filter(pk__in=firsts):
        row.integration = by_id[row.integration_id]
        found[row.integration_id] = row
    return found
