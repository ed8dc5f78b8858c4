"""What a sync run tells while it works, and of what it did: reads only, in words for a person.

Its step, how fast it reads and how long that will take, what it waits for, what it reads, and its
counts as a table whose sums agree.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cached_property
from itertools import groupby
from typing import Any, Final
from uuid import UUID

from django.db.models import F, Func, IntegerField, Q
from django.utils import timezone

from integrations.models import (
    KINDS,
    CompanyLink,
    ConnectionTest,
    Integration,
    LeasedWork,
    SyncRun,
    SyncRunPage,
)
from integrations.services.passes import OVERLAP
from integrations.services.psa_access import info_of

#: The steps of a run over everything, in order; one over some companies settles no lists.
STEPS: Final = {
    "companies": "Reading companies",
    "contacts": "Reading contacts",
    "absences": "Settling what is gone",
    "rules": "Checking the import rules",
    "agreements": "Reading agreements and lines",
}
#: What `progress_done` counts, by phase; the other phases leave the numbers of the last one there.
COUNTED: Final = {"companies": "companies", "contacts": "contacts", "agreements": "companies"}
#: A speed is told from what was stored in this time, once that spans at least so much.
WINDOW: Final = timedelta(minutes=2)
SHORTEST_SPAN_SECONDS: Final = 3.0
#: Nobody can tell so far ahead.
LONGEST_REMAINING_SECONDS: Final = 24 * 3600
#: Links that the speed of reading agreements is told from: some twenty batches.
MOST_LINKS: Final = 2000
#: Whoever watches asks every second for half a minute, then every three.
QUICK_FOR: Final = timedelta(seconds=30)
#: A wait that ends sooner than this is told to the second.
SOON: Final = timedelta(minutes=5)

Sample = tuple[float, int]


class JsonLength(Func):
    """How many items a JSON list has."""

    function = "jsonb_array_length"
    output_field = IntegerField()

    def as_sqlite(self, compiler: Any, connection: Any, **extra: Any) -> Any:
        return self.as_sql(compiler, connection, function="json_array_length", **extra)


# How fast


@dataclass(frozen=True, slots=True)
class Pace:
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


def pace_from(samples: Sequence[Sample], now: float) -> Pace | None:
    """The pace from what was stored when: `[(seconds, records)]`, oldest first.

    The first one only starts the clock, for nobody knows when its reading began. When the next one
    is overdue, the pace falls.
    """
    if len(samples) < 2:
        return None
    first, last = samples[0][0], samples[-1][0]
    span = last - first
    records = sum(number for _, number in samples[1:])
    if span < SHORTEST_SPAN_SECONDS or not records:
        return None
    usual = span / (len(samples) - 1)
    return Pace(records / max(span, now - first - usual))


def measure(runs: Iterable[SyncRun]) -> None:
    """Find out the pace of all of these runs of one tenant at once, for `pace_of`.

    Two statements at the most, none when nobody reads.
    """
    now = timezone.now()
    shown = list(runs)
    reading = [run for run in shown if _reads(run, now)]
    lists = [r for r in reading if r.scope == SyncRun.Scope.ALL and r.phase != "agreements"]
    agreements = [r for r in reading if r.phase == "agreements"]
    samples = {**_pages_of(lists, now), **_links_of(agreements, now)}
    for run in shown:
        run.__dict__["pace"] = pace_from(samples.get(run.pk, []), now.timestamp())


def pace_of(run: SyncRun) -> Pace | None:
    """How fast a run reads right now: as `measure` found it, or asked for now."""
    if "pace" not in run.__dict__:
        measure([run])
    found: Pace | None = run.__dict__["pace"]
    return found


def remaining_seconds(run: SyncRun) -> int | None:
    """How long the step under way will still take; None where that can't be known."""
    pace = pace_of(run)
    return None if pace is None else pace.remaining(run.progress_done, run.progress_total)


def _reads(run: SyncRun, now: datetime) -> bool:
    is_running = run.state == SyncRun.State.RUNNING and run.phase in COUNTED
    return is_running and not is_waiting(run, now)


def _began(run: SyncRun, now: datetime) -> datetime:
    """From when on counts: a worker took the run up, or went on with it after a wait, since then.

    What was stored before a wait says nothing about the pace behind it.
    """
    return max(now - WINDOW, run.dispatched_at or run.queued_at)


def _pages_of(runs: Sequence[SyncRun], now: datetime) -> dict[UUID, list[Sample]]:
    """What each run has stored of the list that it reads. The time is in a page's id (UUIDv7)."""
    if not runs:
        return {}
    since = {run.pk: _began(run, now).timestamp() for run in runs}
    lowest = UUID(int=int(min(since.values()) * 1000) << 80)
    rows = (
        SyncRunPage.objects.filter(
            tenant=runs[0].tenant_id, run__in=since, kind=F("run__phase"), id__gte=lowest
        )
        .order_by("id")
        .values_list("run_id", "id", JsonLength("external_ids"))
    )
    found: dict[UUID, list[Sample]] = defaultdict(list)
    for run_id, page_id, number in rows:
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
        CompanyLink.objects.filter(concerned, tenant=runs[0].tenant_id, unlinked_at=None)
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


# What it does, and what it waits for


def is_waiting(run: SyncRun, now: datetime | None = None) -> bool:
    """Whether it does nothing until a moment to come (after that, the words stay for a while)."""
    until = run.resume_at
    return (
        run.is_active
        and bool(run.waiting_for)
        and until is not None
        and until > (now or timezone.now())
    )


def pulse_of(*works: LeasedWork | None) -> int:
    """After how many seconds whoever watches these should ask again; 0 = all have ended."""
    ended = (ConnectionTest.State.DONE, *(set(SyncRun.State) - set(SyncRun.ACTIVE_STATES)))
    busy = [work for work in works if work is not None and getattr(work, "state", "") not in ended]
    if not busy:
        return 0
    return 1 if max(work.queued_at for work in busy) > timezone.now() - QUICK_FOR else 3


@dataclass(frozen=True)
class Live:
    """A run as it is at this moment, in words. Times are by the clock of the active zone."""

    run: SyncRun
    now: datetime

    @property
    def pulse(self) -> int:
        return pulse_of(self.run)

    @property
    def title(self) -> str:
        """What it does right now."""
        if self.run.state == SyncRun.State.QUEUED:
            return "Waiting for a worker"
        return STEPS.get(self.run.phase, "Starting")

    @property
    def step(self) -> str:
        """`Step 2 of 5`; "" before the first one."""
        steps = [s for s in STEPS if self.run.scope == SyncRun.Scope.ALL or s != "absences"]
        if not self.run.phase:
            return ""
        # agreements that are gone are settled at the end of their step
        is_last = self.run.phase == "agreements" or "rules" in self.run.checkpoint.get("done", [])
        place = steps.index("agreements") if is_last and self.run.phase != "rules" else None
        if place is None:
            place = steps.index(self.run.phase) if self.run.phase in steps else len(steps) - 1
        return f"Step {place + 1} of {len(steps)}"

    @property
    def is_counted(self) -> bool:
        """Whether the numbers of its progress belong to what it does now."""
        run = self.run
        is_part = run.scope == SyncRun.Scope.COMPANIES
        return run.phase in COUNTED and not (is_part and run.phase == "contacts")

    @property
    def total(self) -> int | None:
        return self.run.progress_total if self.is_counted else None

    @property
    def numbers(self) -> str:
        """`1,240 of 5,000 contacts`; "" where nothing is counted."""
        if not self.is_counted:
            return ""
        of = "" if self.total is None else f" of {self.total:,}"
        return f"{self.run.progress_done:,}{of} {COUNTED[self.run.phase]}"

    @cached_property
    def pace(self) -> str:
        """`1,240 a minute, about 2 minutes left`; "" where neither can be known."""
        pace = pace_of(self.run)
        rate = pace.rate if pace else None
        if rate is None:
            return ""
        seconds = remaining_seconds(self.run) if self.is_counted else None
        left = "" if seconds is None else f", {left_words(seconds)}"
        return f"{_rounded(rate):,} a minute{left}"

    @property
    def waiting(self) -> str:
        """`Waiting for Autotask, goes on at 14:05`; "" when it does not wait."""
        if not is_waiting(self.run, self.now) or self.run.resume_at is None:
            return ""
        name = info_of(self.run.integration).name
        return f"Waiting for {name}, goes on {until_words(self.run.resume_at, self.now)}"

    @property
    def reason(self) -> str:
        """Why it waits."""
        said = self.run.waiting_for
        if not self.waiting:
            return ""
        if said == f"Waiting for {info_of(self.run.integration).name}":
            said = "It takes no more requests until then."
        return f"{said.rstrip('.')}. What was read is kept; there is nothing to do."

    @property
    def countdown(self) -> str:
        """`in 24 seconds`, while it waits."""
        if not self.waiting or self.run.resume_at is None:
            return ""
        seconds = math.ceil((self.run.resume_at - self.now).total_seconds())
        if seconds < 120:
            return f"in {seconds} second{'' if seconds == 1 else 's'}"
        minutes = round(seconds / 60)
        return f"in {minutes} minutes" if minutes < 120 else f"in {round(minutes / 60)} hours"

    @property
    def goes_on(self) -> bool:
        """Whether a wait is over and nothing has been read since."""
        return self.run.is_active and bool(self.run.waiting_for) and not self.waiting

    @property
    def milestone(self) -> str:
        """What a person who doesn't look should hear: once for each step, wait and end."""
        if not self.run.is_active:
            return f"The sync has ended: {self.run.get_state_display().lower()}."
        return f"{self.waiting or self.title}."

    @property
    def line(self) -> str:
        """All of it in one line."""
        parts = [self.waiting or self.title, self.numbers, "" if self.waiting else self.pace]
        return ", ".join(part for part in parts if part)


def live(run: SyncRun) -> Live:
    return Live(run, timezone.now())


def _rounded(rate: int) -> int:
    """A rate to the digits that mean something."""
    return rate if rate < 100 else round(rate, 2 - int(math.log10(rate)))


def left_words(seconds: int) -> str:
    """How long it will still take, as exactly as it can be known."""
    minutes, hours = round(seconds / 60), round(seconds / 3600)
    if seconds < 10:
        return "a few seconds left"
    if seconds < 50:
        return f"about {math.ceil(seconds / 10) * 10} seconds left"
    if minutes <= 1:
        return "about a minute left"
    if minutes < 60:
        return f"about {minutes} minutes left"
    return "about an hour left" if hours <= 1 else f"about {hours} hours left"


def until_words(until: datetime, now: datetime) -> str:
    """`at 14:05`, to the second when it is soon, with the day when it is not today."""
    local, here = timezone.localtime(until), timezone.localtime(now)
    clock = f"{local:%H:%M:%S}" if until - now < SOON else f"{local:%H:%M}"
    days = (local.date() - here.date()).days
    if days == 0:
        return f"at {clock}"
    return f"tomorrow at {clock}" if days == 1 else f"on {local:%d %b} at {clock}"


# What it reads


def reads(run: SyncRun) -> tuple[str, datetime | None]:
    """What a run reads, and for what changed: since which moment of the PSA's clock.

    One statement for a run that has ended and read what changed, else none.
    """
    if run.scope == SyncRun.Scope.COMPANIES:
        number = len(run.companies)
        return (f"{number} companies" if number != 1 else "one company"), None
    whole = run.checkpoint.get("whole", [])
    if run.reading == SyncRun.Reading.FULL or len(whole) == 2:
        return "everything", None
    again = f", and all {whole[0]} to be sure" if whole else ""
    marks = run.integration.marks if run.is_active else _marks_before(run)
    stamps = [marks[kind] for kind in ("companies", "contacts") if kind in marks]
    if not stamps:
        return f"what changed{again}", None
    return f"what changed{again}", datetime.fromisoformat(min(stamps)) - OVERLAP


def _marks_before(run: SyncRun) -> dict[str, str]:
    """The marks from which a run that has ended went on: where the one before it had come to."""
    before = (
        SyncRun.objects.filter(
            tenant=run.tenant_id,
            integration=run.integration_id,
            scope=SyncRun.Scope.ALL,
            state__in=[SyncRun.State.SUCCEEDED, SyncRun.State.PARTIAL],
            pk__lt=run.pk,
        )
        .order_by("-id")
        .only("checkpoint", "started_at")
        .first()
    )
    if before is None or before.started_at is None:
        return {}
    began = before.started_at.astimezone(UTC).isoformat()
    newest: dict[str, str] = before.checkpoint.get("newest", {})
    return {kind: min(stamp, began) for kind, stamp in newest.items()}


# Its counts


#: The columns of the table, in an order in which they read as a sum: the first four are `seen`.
COLUMNS: Final = {
    "created": "New",
    "updated": "Changed",
    "unchanged": "Unchanged",
    "rejected": "Rejected",
    "seen": "Seen",
    "gone": "Gone",
}


@dataclass(frozen=True, slots=True)
class CountTable:
    """What a run counted: `rows` = (kind, numbers) in the order of COLUMNS, `totals` below them."""

    rows: list[tuple[str, list[int]]]
    totals: list[int]

    @property
    def columns(self) -> list[str]:
        return list(COLUMNS.values())


def count_table(run: SyncRun) -> CountTable:
    rows = [
        (kind, [run.counts.get(kind, {}).get(column, 0) for column in COLUMNS]) for kind in KINDS
    ]
    return CountTable(rows, [sum(numbers) for numbers in zip(*(n for _, n in rows), strict=True)])


def works_of(integration: Integration) -> tuple[LeasedWork | None, ...]:
    """What may be under way for an integration: its tests and its sync."""
    return integration.latest_test, integration.candidate_test, integration.latest_run
