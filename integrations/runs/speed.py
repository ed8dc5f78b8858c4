"""How fast a run reads, in records a second."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import groupby
from typing import Final, NamedTuple
from uuid import UUID

from django.db.models import F, Q
from django.utils import timezone

from audit_site.db.bulk import AnyOf, AskedMany
from audit_site.db.json_rows import JsonLength
from audit_site.db.statements import RowStatement, asked_id
from integrations.kinds import AGREEMENTS, BY_NAME
from integrations.models import CompanyLink, SyncRun, SyncRunPage

#: A speed is measured over what was stored in this time, once that spans at least so much.
WINDOW: Final = timedelta(minutes=2)
SHORTEST_SPAN_SECONDS: Final = 3.0
#: Nothing can be predicted further ahead.
LONGEST_REMAINING_SECONDS: Final = 24 * 3600
#: Links over which the speed of reading agreements is measured: some twenty batches.
MOST_LINKS: Final = 2000
Sample = tuple[float, int]


@dataclass(frozen=True, slots=True)
class RunSpeed:
    """How fast a run reads: records a second (companies, while it reads agreements)."""

    per_second: float

    @property
    def rate(self) -> int | None:
        """Records a minute; None when there is not even one."""
        return round(self.per_second * 60) or None

    def remaining(self, done: int, total: int | None) -> int | None:
        """Seconds until the step under way is done; None where that can't be known."""
        if total is None or done >= total:
            return None
        seconds = (total - done) / self.per_second
        return math.ceil(seconds) if seconds <= LONGEST_REMAINING_SECONDS else None


def speed_from(samples: Sequence[Sample], now: float) -> RunSpeed | None:
    """The speed from what was stored when: `[(seconds, records)]`, oldest first.

    The first one only starts the clock, for nobody knows when its reading began. When the next one
    is overdue, the speed falls.
    """
    if len(samples) < 2:
        return None
    first, last = samples[0][0], samples[-1][0]
    span = last - first
    records = sum(number for _, number in samples[1:])
    if span < SHORTEST_SPAN_SECONDS or not records:
        return None
    usual = span / (len(samples) - 1)
    return RunSpeed(records / max(span, now - first - usual))


def measure(runs: Iterable[SyncRun]) -> dict[UUID, RunSpeed]:
    """How fast each of these runs of one tenant reads, by its id; without those not known.

    Two statements at the most, none when no run reads.
    """
    now = timezone.now()
    reading = [run for run in runs if _reads(run, now)]
    lists = [r for r in reading if r.scope == SyncRun.Scope.ALL and r.phase != AGREEMENTS.name]
    agreements = [r for r in reading if r.phase == AGREEMENTS.name]
    samples = {**_pages_of(lists, now), **_links_of(agreements, now)}
    speeds = {pk: speed_from(found, now.timestamp()) for pk, found in samples.items()}
    return {pk: speed for pk, speed in speeds.items() if speed is not None}


def remaining_seconds(run: SyncRun, speed: RunSpeed | None) -> int | None:
    """How long the step under way still takes at this speed; None where that is not known."""
    return None if speed is None else speed.remaining(run.progress_done, run.progress_total)


def _reads(run: SyncRun, now: datetime) -> bool:
    """Whether it reads now. A phase that reads a kind of records has the kind's name."""
    is_running = run.state == SyncRun.State.RUNNING and run.phase in BY_NAME
    return is_running and not is_waiting(run, now)


def _began(run: SyncRun, now: datetime) -> datetime:
    """From when on pages count: since a worker began the run, or continued it after a wait.

    What was stored before a wait says nothing about the speed after it.
    """
    return max(now - WINDOW, run.dispatched_at or run.queued_at)


class _Page(NamedTuple):
    run_id: UUID
    id: UUID
    records: int


#: Pages that these runs have stored of what they read, from an id on.
PAGES: Final = RowStatement(
    _Page,
    lambda: (
        SyncRunPage.objects.filter(
            AnyOf("run_id", AskedMany(1)),
            tenant=asked_id(0),
            kind=F("run__phase"),
            id__gte=asked_id(2),
        )
        .order_by("id")
        .values_list("run_id", "id", JsonLength("external_ids"))
    ),
)


def _pages_of(runs: Sequence[SyncRun], now: datetime) -> dict[UUID, list[Sample]]:
    """What each run has stored of the list that it reads. The time is in a page's id (UUIDv7)."""
    if not runs:
        return {}
    since = {run.pk: _began(run, now).timestamp() for run in runs}
    lowest = UUID(int=int(min(since.values()) * 1000) << 80)
    found: dict[UUID, list[Sample]] = defaultdict(list)
    for run_id, page_id, number in PAGES.rows(runs[0].tenant_id, since, lowest):
        at = (page_id.int >> 80) / 1000
        if at >= since[run_id]:
            found[run_id].append((at, number))
    return found


def _links_of(runs: Sequence[SyncRun], now: datetime) -> dict[UUID, list[Sample]]:
    """The companies whose agreements each run has stored, by batch."""
    if not runs:
        return {}
    concerned = Q()
    for run in runs:
        some = {} if run.scope == SyncRun.Scope.ALL else {"external_id__in": run.companies}
        concerned |= Q(integration=run.integration_id, last_synced_at__gte=_began(run, now), **some)
    rows = list(
        CompanyLink.objects.in_force()
        .filter(concerned, tenant=runs[0].tenant_id)
        .order_by("-last_synced_at")
        .values_list("integration_id", "external_id", "last_synced_at")[:MOST_LINKS]
    )[::-1]
    found = {}
    for run in runs:
        wanted = None if run.scope == SyncRun.Scope.ALL else set(run.companies)
        stamps = [
            at.timestamp()
            for integration, external_id, at in rows
            if at is not None
            and integration == run.integration_id
            and (wanted is None or external_id in wanted)
            and at >= _began(run, now)
        ]
        found[run.pk] = [(at, len(list(same))) for at, same in groupby(stamps)]
    return found


def is_waiting(run: SyncRun, now: datetime | None = None) -> bool:
    """Whether it does nothing until a moment to come (after that, the words stay for a while)."""
    until = run.resume_at
    return (
        run.is_active
        and bool(run.waiting_for)
        and until is not None
        and until > (now or timezone.now())
    )
