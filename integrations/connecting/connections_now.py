"""A tenant's connections as they are at this moment, for what stands on every page: health, and how
many issues are open. One statement, whose SQL is written once.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

import msgspec
from django.db.models import (
    Aggregate,
    Count,
    F,
    IntegerField,
    OuterRef,
    QuerySet,
    Subquery,
    TextField,
)
from django.db.models.functions import Coalesce

from audit_site.db.json_rows import JsonArray
from audit_site.db.statements import ModelStatement, asked_id
from audit_site.tenants.models import Tenant
from integrations.connecting.health import CAUSES, Health, health_of
from integrations.connecting.selectors import LatestWork, full_runs, tests_of
from integrations.issues.inbox import KIND_INTEGRATION, by_state
from integrations.models import ConnectionTest, Integration, Issue, SyncRun

#: What health reads of the newest test, of the newest run, and of what is wrong.
TEST: Final = (
    *("state", "ok", "code", "message", "fix", "checks"),
    *("queued_at", "finished_at", "resume_at"),
)
RUN: Final = (
    *("state", "reading", "counts", "waiting_for", "error_message", "error_fix"),
    *("queued_at", "started_at", "finished_at", "resume_at"),
)
CAUSE: Final = ("code", "message", "fix", "first_seen_at")


@dataclass(frozen=True, slots=True)
class ConnectionNow:
    """A connection with its health; so many of its issues wait for a person."""

    integration: Integration
    health: Health
    open_issues: int


class _Rows(Aggregate):
    """All rows of a `JsonArray` as one text."""

    template = "json_agg((%(expressions)s)::json)::text"
    output_field = TextField()

    def as_sqlite(self, compiler: Any, connection: Any, **more: Any) -> Any:
        template = "json_group_array(json(%(expressions)s))"
        return super().as_sql(compiler, connection, template=template, **more)


def connections_now(tenant: Tenant) -> list[ConnectionNow]:
    """Those that nobody has disconnected, oldest first. One statement."""
    return [_now(integration, tenant) for integration in CONNECTIONS.instances(tenant.pk)]


def _now(row: Any, tenant: Tenant) -> ConnectionNow:
    row.tenant = tenant
    test = _made(ConnectionTest, TEST, row.newest_test, row)
    run = _made(SyncRun, RUN, row.newest_run, row)
    causes = [_row_of(Issue, CAUSE, values) for values in _decoded(row.causes) or ()]
    causes.sort(key=lambda issue: issue.first_seen_at)
    health = health_of(row, LatestWork(test, None, run), causes)
    return ConnectionNow(row, health, row.open_issues)


def _connections() -> QuerySet[Integration]:
    mine = {"tenant": OuterRef("tenant"), "integration": OuterRef("pk")}
    tests = tests_of(OuterRef("tenant"), is_candidate=False).filter(integration=OuterRef("pk"))
    runs = full_runs(OuterRef("tenant")).filter(integration=OuterRef("pk"))
    issues = by_state(Issue.objects.filter(**mine), "open").order_by().values("integration")
    wrong = Issue.objects.filter(
        **mine, kind=KIND_INTEGRATION, code__in=sorted(CAUSES), closed_at=None
    )
    causes = wrong.order_by().values("integration").annotate(rows=_Rows(JsonArray(*map(F, CAUSE))))
    rows = Integration.objects.filter(tenant=asked_id(0)).not_disconnected()
    return (
        rows.select_related("on_pause_by", "disconnected_by")
        .annotate(
            newest_test=Subquery(tests.values_list(JsonArray(*map(F, TEST)))[:1]),
            newest_run=Subquery(runs.values_list(JsonArray(*map(F, RUN)))[:1]),
            causes=Subquery(causes.values("rows")),
            open_issues=Coalesce(
                Subquery(issues.annotate(number=Count("pk")).values("number")),
                0,
                output_field=IntegerField(),
            ),
        )
        .order_by("id")
    )


CONNECTIONS: Final = ModelStatement[Integration](_connections)


def _decoded(text: str | None) -> Any:
    return msgspec.json.decode(text) if text else None


def _made(model: type[Any], names: tuple[str, ...], text: str | None, row: Integration) -> Any:
    """The row that a JSON array holds, of this integration; None = there is none."""
    values = _decoded(text)
    if values is None:
        return None
    made = _row_of(model, names, values)
    made.integration = row
    return made


def _row_of(model: type[Any], names: tuple[str, ...], values: list[Any]) -> Any:
    return model(
        **{
            name: _moment(value) if name.endswith("_at") else value
            for name, value in zip(names, values, strict=True)
        }
    )


def _moment(text: str | None) -> datetime | None:
    """SQLite keeps moments in UTC and does not say so."""
    if text is None:
        return None
    at = datetime.fromisoformat(text)
    return at if at.tzinfo else at.replace(tzinfo=UTC)
