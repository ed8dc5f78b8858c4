"""The health of a connection: one word with its sentence, computed here and shown everywhere.

It follows from the last test, the last run over everything, what is wrong with the integration
right now (its open issues) and the schedule. Nothing is healthy that was not seen to be.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final, Literal, TypeGuard
from uuid import UUID

from audit_site.db.bulk import AnyOf, AskedMany
from audit_site.db.statements import ModelStatement, asked_id
from audit_site.tenants.models import Tenant
from integrations.connecting.checks import LINES_REFUSED, SEES_NOTHING
from integrations.connecting.credentials import is_key_missing, key_missing
from integrations.connecting.selectors import LatestWork
from integrations.issues.inbox import KIND_INTEGRATION
from integrations.issues.outages import OUTAGE_WORDS
from integrations.kinds import AGREEMENTS, COMPANIES, CONTACTS, LINES
from integrations.models import ConnectionTest, Integration, Issue, SyncRun
from integrations.psa.errors import KEY_MISSING, KEYS, OUTAGES
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
    "key_missing",
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
    "key_missing": "Key missing",
    "paused": "Paused",
    "disconnected": "Disconnected",
}
#: While it is so, a connection is not read: a test that passed before says nothing about that.
OUT_OF_USE: Final[frozenset[State]] = frozenset(
    {"unreachable", "refused", "key_missing", "paused", "disconnected"}
)
#: Codes of tests that passed and saw too little.
TOO_LITTLE: Final = frozenset({SEES_NOTHING, LINES_REFUSED})
#: Codes of issues about an integration with which it works in part only.
LIMITS: Final = frozenset({"permission_denied", "records_withheld", "too_many_gone"})
#: Codes of all issues about an integration that its health speaks of.
CAUSES: Final[frozenset[str]] = OUTAGES | KEYS | LIMITS


@dataclass(frozen=True, slots=True)
class Health:
    """`since` = from when on it is so (None = not known), `until` = when it is tried again, or a
    pause ends (None = nothing says when). `says_until`: the message says when as well.
    """

    state: State
    message: str
    fix: str = ""
    since: datetime | None = None
    until: datetime | None = None
    says_until: bool = False

    @property
    def title(self) -> str:
        return TITLES[self.state]


def is_old_news(test: ConnectionTest | None, health: Health) -> bool:
    """Whether a test passed before what is known now: it is not read now, or a sync saw less."""
    if test is None or not test.ok:
        return False
    return health.state in OUT_OF_USE or (health.state == "limited" and test.code not in TOO_LITTLE)


def open_causes(tenant: Tenant, integrations: Iterable[Integration]) -> dict[UUID, list[Issue]]:
    """What is wrong with each of these as a whole, oldest first, by id. One statement."""
    found: dict[UUID, list[Issue]] = defaultdict(list)
    ids = [integration.pk for integration in integrations]
    for issue in OPEN_CAUSES.instances(tenant.pk, ids) if ids else ():
        found[issue.integration_id].append(issue)
    return found


#: What is wrong with some integrations of a tenant as a whole.
OPEN_CAUSES: Final = ModelStatement[Issue](
    lambda: Issue.objects.filter(
        AnyOf("integration_id", AskedMany(1)),
        tenant=asked_id(0),
        kind=KIND_INTEGRATION,
        code__in=sorted(CAUSES),
        closed_at=None,
    ).order_by("first_seen_at")
)


def health_now(integration: Integration, latest: LatestWork) -> Health:
    """As `health_of`, for one integration alone. One statement."""
    causes = open_causes(integration.tenant, [integration])
    return health_of(integration, latest, causes.get(integration.pk, ()))


def health_of(integration: Integration, latest: LatestWork, causes: Sequence[Issue]) -> Health:
    """How a connection is right now. No query; `causes` are its `open_causes`."""
    return (
        _disconnected(integration)
        or _paused(integration, latest, causes)
        or _key_missing(integration, latest.run, causes)
        or _being_tested(integration, latest.test)
        or _refused(integration, latest.test, causes)
        or _unreachable(integration, latest.run, causes)
        or _under_way(integration, latest.run)
        or _tried_in_vain(latest.test)
        or _limited(integration, latest, causes)
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


def _paused(integration: Integration, latest: LatestWork, causes: Sequence[Issue]) -> Health | None:
    """Nothing starts by itself. What is wrong with the connection all the same is said with it."""
    if not integration.is_paused:
        return None
    run = latest.run
    by = f" by {integration.on_pause_by}" if integration.on_pause_by else ""
    sentences = [f"{integration.name} was paused{by}: nothing is read by itself."]
    if run is not None and run.is_active and not run.is_held:
        sentences.append("The sync that had begun goes on to its end.")
    if issue := _first(causes, KEYS | OUTAGES):
        sentences.append(f"When it was last asked: {issue.message}")
    elif failed := _refused(integration, latest.test, causes):
        sentences.append(f"When it was last tested: {failed.message}")
    return Health(
        "paused",
        " ".join(sentences),
        "Resume it to read again.",
        since=integration.on_pause_since,
        until=integration.on_pause_until,
    )


def _key_missing(
    integration: Integration, run: SyncRun | None, causes: Sequence[Issue]
) -> Health | None:
    """A key of ours is missing now, whatever was seen before."""
    if not is_key_missing(integration):
        return None
    error, issue = key_missing(integration), _first(causes, frozenset({KEY_MISSING}))
    return Health(
        "key_missing",
        error.message,
        error.fix,
        since=issue.first_seen_at if issue else None,
        until=run.resume_at if run is not None and run.is_active else None,
    )


def _being_tested(integration: Integration, test: ConnectionTest | None) -> Health | None:
    """Keys of which nothing is known yet, or keys that failed and are being tried again."""
    if integration.status not in {Integration.Status.UNTESTED, Integration.Status.TESTING}:
        return None
    message, since = (
        f"The connection to {integration.name} is being tested.",
        integration.updated_at,
    )
    if test is None:
        return Health("testing", message, since=since)
    if test.resume_at is None:
        return Health("testing", message, test.fix, since=test.queued_at)
    return _while_it_waits("testing", test, f"{message} {test.message}")


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
    issue = _first(causes, OUTAGES - {KEY_MISSING})
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


def _tried_in_vain(test: ConnectionTest | None) -> Health | None:
    """A test of keys that worked is under way, and so far the PSA was not there for it."""
    if test is None or test.state == ConnectionTest.State.DONE or test.code not in OUTAGES:
        return None
    state: State = "waiting" if test.code == "rate_limited" else "unreachable"
    return _while_it_waits(state, test, test.message)


def _while_it_waits(state: State, test: ConnectionTest, message: str) -> Health:
    """A test that goes on later; its message says when."""
    until = test.resume_at
    return Health(state, message, test.fix, test.queued_at, until, says_until=until is not None)


def _limited(
    integration: Integration, latest: LatestWork, causes: Sequence[Issue]
) -> Health | None:
    """It works, but sees nothing, lacks a right, or waits for an answer of a person."""
    if issue := _first(causes, LIMITS):
        return Health("limited", issue.message, issue.fix, since=issue.first_seen_at)
    test, run, told = latest.test, latest.run, _told(latest.test)
    if not read_since(run, test):
        has_passed = test is None or (test.ok and test.code not in TOO_LITTLE)
        return None if has_passed else told
    if test is not None and test.code == LINES_REFUSED and not _seen(run, LINES.name):
        return told
    if not (empty := _empty_lists(integration, run)):
        return None
    return told if test and test.code == SEES_NOTHING else _shows_none(integration, run, empty)


def _told(test: ConnectionTest | None) -> Health | None:
    """What a test said that has ended."""
    if test is None or test.state != ConnectionTest.State.DONE:
        return None
    return Health("limited", test.message, test.fix, since=test.finished_at)


def read_since(run: SyncRun | None, test: ConnectionTest | None) -> TypeGuard[SyncRun]:
    """Whether a run has come to its end since the test, so that it knows better."""
    if run is None or run.state not in {SyncRun.State.SUCCEEDED, SyncRun.State.PARTIAL}:
        return False
    tested_at = test.finished_at if test else None
    return tested_at is None or (run.finished_at is not None and run.finished_at > tested_at)


def _seen(run: SyncRun, kind: str) -> int:
    return int(run.counts.get(kind, {}).get("seen", 0))


def _empty_lists(integration: Integration, run: SyncRun) -> list[str]:
    """The lists in which a run saw nothing; one of changes may well be empty where records were
    seen before.
    """
    is_full = run.reading == SyncRun.Reading.FULL
    return [
        kind.name
        for kind in (COMPANIES, CONTACTS)
        if not _seen(run, kind.name) and (is_full or kind.name not in integration.watermarks)
    ]


def _shows_none(integration: Integration, run: SyncRun, kinds: list[str]) -> Health:
    return Health(
        "limited",
        f"{integration.psa_info.name} accepts the keys, but shows no {' and no '.join(kinds)}.",
        "If there are some, press Test: it says which right is missing and where it is granted.",
        since=run.finished_at,
    )


def _healthy(integration: Integration, latest: LatestWork) -> Health:
    run, test = latest.run, latest.test
    if run is not None and run.state == SyncRun.State.FAILED:
        return Health("limited", run.error_message, run.error_fix, since=run.finished_at)
    if run is not None and run.state == SyncRun.State.PARTIAL and run.error_message:
        return Health("limited", run.error_message, run.error_fix, since=run.finished_at)
    since = test.finished_at if test else integration.connected_at
    none = _no_agreements(test)
    if run is None:
        return Health("healthy", f"{integration.name} accepts the keys.{none}", since=since)
    if run.state == SyncRun.State.CANCELLED:
        message = f"{integration.name} accepts the keys. Its last sync was cancelled.{none}"
        return Health("healthy", message, "Press Sync Now to read it to its end.", since=since)
    message = f"{integration.name} was read to its end.{none}"
    return Health("healthy", message, since=run.finished_at)


def _no_agreements(test: ConnectionTest | None) -> str:
    """What to add where the last test saw no agreement, of anybody."""
    checks = test.checks if test else []
    sees_none = any(
        check["name"] == AGREEMENTS.right and check["code"] == SEES_NOTHING for check in checks
    )
    return " It shows no agreements yet, so there is no MRR." if sees_none else ""


def _first(causes: Sequence[Issue], codes: frozenset[str]) -> Issue | None:
    return next((issue for issue in causes if issue.code in codes), None)
