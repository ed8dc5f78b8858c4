"""The health of a connection: one word with its sentence, computed here and shown everywhere.

It follows from the last test, the last run over everything, what is wrong with the integration
right now (its open issues) and the schedule. Nothing is healthy that was not seen to be.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final, Literal
from uuid import UUID

from audit_site.tenants.models import Tenant
from integrations.connecting.selectors import LatestWork
from integrations.issues.inbox import KIND_INTEGRATION
from integrations.issues.outages import OUTAGE_WORDS
from integrations.models import ConnectionTest, Integration, Issue, SyncRun
from integrations.psa.errors import KEYS, OUTAGES
from integrations.runs.schedule import next_at
from integrations.runs.speed import is_waiting

State = Literal[
    "testing",
    "reading",
    "healthy",
    "waiting",
    "limited",
    "unreachable",
    "refused",
    "paused",
    "disconnected",
]
#: State → what pages call it.
TITLES: Final[dict[State, str]] = {
    "testing": "Testing",
    "reading": "Reading",
    "healthy": "Healthy",
    "waiting": "Waiting",
    "limited": "Limited",
    "unreachable": "Unreachable",
    "refused": "Refused",
    "paused": "Paused",
    "disconnected": "Disconnected",
}
#: Codes of issues about an integration with which it works in part only.
LIMITS: Final = frozenset({"permission_denied", "records_withheld", "too_many_gone"})


@dataclass(frozen=True, slots=True)
class Health:
    """`since` = from when on it is so (None = not known), `until` = when it is tried again, or a
    pause ends (None = nothing says when).
    """

    state: State
    message: str
    fix: str = ""
    since: datetime | None = None
    until: datetime | None = None

    @property
    def title(self) -> str:
        return TITLES[self.state]

    @property
    def is_out_of_use(self) -> bool:
        """Whether it is not read now: a test that passed before says nothing about that."""
        return self.state in {"unreachable", "refused", "paused", "disconnected"}


def open_causes(tenant: Tenant, integrations: Iterable[Integration]) -> dict[UUID, list[Issue]]:
    """What is wrong with each of these as a whole, oldest first, by id. One statement."""
    rows = Issue.objects.for_tenant(tenant).filter(
        integration__in=[integration.pk for integration in integrations],
        kind=KIND_INTEGRATION,
        code__in=OUTAGES | KEYS | LIMITS,
        closed_at=None,
    )
    found: dict[UUID, list[Issue]] = defaultdict(list)
    for issue in rows.order_by("first_seen_at"):
        found[issue.integration_id].append(issue)
    return found


def health_now(integration: Integration, latest: LatestWork) -> Health:
    """As `health_of`, for one integration alone. One statement."""
    causes = open_causes(integration.tenant, [integration])
    return health_of(integration, latest, causes.get(integration.pk, ()))


def health_of(integration: Integration, latest: LatestWork, causes: Sequence[Issue]) -> Health:
    """How a connection is right now. No query; `causes` are its `open_causes`."""
    return (
        _disconnected(integration)
        or _paused(integration, latest.run, causes)
        or _being_tested(integration, latest.test)
        or _refused(integration, latest.test, causes)
        or _unreachable(integration, latest.run, causes)
        or _under_way(integration, latest.run)
        or _limited(integration, latest.test, causes)
        or _healthy(integration, latest)
    )


def _disconnected(integration: Integration) -> Health | None:
    if not integration.is_disconnected:
        return None
    by = f" by {integration.disconnected_by}" if integration.disconnected_by else ""
    return Health(
        "disconnected",
        f"{integration.name} was disconnected{by}. Its audITees and their MRR stay as they were "
        "last seen.",
        "Connect the same account again to continue with its links.",
        since=integration.disconnected_at,
    )


def _paused(
    integration: Integration, run: SyncRun | None, causes: Sequence[Issue]
) -> Health | None:
    """Nothing starts by itself. What is wrong with the connection all the same is said with it."""
    if not integration.is_paused:
        return None
    by = f" by {integration.on_pause_by}" if integration.on_pause_by else ""
    sentences = [f"{integration.name} was paused{by}: nothing is read by itself."]
    if run is not None and run.is_active and not run.is_held:
        sentences.append("The sync that had begun goes on to its end.")
    if issue := _first(causes, KEYS | OUTAGES):
        sentences.append(f"When it was last asked: {issue.message}")
    return Health(
        "paused",
        " ".join(sentences),
        "Resume it to read again.",
        since=integration.on_pause_since,
        until=integration.on_pause_until,
    )


def _being_tested(integration: Integration, test: ConnectionTest | None) -> Health | None:
    """Keys of which nothing is known yet, or keys that failed and are being tried again."""
    if integration.status not in {Integration.Status.UNTESTED, Integration.Status.TESTING}:
        return None
    since = test.queued_at if test else integration.updated_at
    return Health("testing", f"The connection to {integration.name} is being tested.", since=since)


def _refused(
    integration: Integration, test: ConnectionTest | None, causes: Sequence[Issue]
) -> Health | None:
    if issue := _first(causes, KEYS):
        return Health("refused", issue.message, issue.fix, since=issue.first_seen_at)
    if integration.status != Integration.Status.FAILING:
        return None
    if test is None or test.ok or test.state != ConnectionTest.State.DONE:
        return Health("refused", f"{integration.name} can't be used.", "Press Test again.")
    state: State = "unreachable" if test.code in OUTAGES else "refused"
    return Health(state, test.message, test.fix, since=test.finished_at)


def _unreachable(
    integration: Integration, run: SyncRun | None, causes: Sequence[Issue]
) -> Health | None:
    issue = _first(causes, OUTAGES)
    if issue is None:
        return None
    message = f"{integration.name} {OUTAGE_WORDS[issue.code]}. {issue.message}"
    until = run.resume_at if run is not None and run.is_active else next_at(integration)
    return Health("unreachable", message, issue.fix, since=issue.first_seen_at, until=until)


def _under_way(integration: Integration, run: SyncRun | None) -> Health | None:
    if run is None or not run.is_active:
        return None
    if is_waiting(run):
        return Health("waiting", f"{run.waiting_for}.", since=run.started_at, until=run.resume_at)
    return Health("reading", f"{integration.name} is being read.", since=run.queued_at)


def _limited(
    integration: Integration, test: ConnectionTest | None, causes: Sequence[Issue]
) -> Health | None:
    """It works, but sees nothing, lacks a right, or waits for an answer of a person."""
    if issue := _first(causes, LIMITS):
        return Health("limited", issue.message, issue.fix, since=issue.first_seen_at)
    if test is not None and test.code == "sees_nothing":
        return Health("limited", test.message, test.fix, since=test.finished_at)
    if test is not None and test.state == ConnectionTest.State.DONE and not test.ok:
        return Health("limited", test.message, test.fix, since=test.finished_at)
    return None


def _healthy(integration: Integration, latest: LatestWork) -> Health:
    run, test = latest.run, latest.test
    if run is not None and run.state == SyncRun.State.FAILED:
        return Health("limited", run.error_message, run.error_fix, since=run.finished_at)
    if run is not None and run.state == SyncRun.State.PARTIAL and run.error_message:
        return Health("limited", run.error_message, run.error_fix, since=run.finished_at)
    since = test.finished_at if test else integration.connected_at
    if run is None:
        return Health("healthy", f"{integration.name} accepts the keys.", since=since)
    return Health("healthy", f"{integration.name} was read to its end.", since=run.finished_at)


def _first(causes: Sequence[Issue], codes: frozenset[str]) -> Issue | None:
    return next((issue for issue in causes if issue.code in codes), None)
