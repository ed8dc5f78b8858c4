"""What a sync run does and did, in words for a person; reads only.

Its step, how fast it reads and how long that will take (from `integrations.runs.speed`), what it
waits for, what it reads, and its counts as a table whose sums agree.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final
from urllib.parse import quote

from django.utils import timezone

from integrations.kinds import AGREEMENTS, Kind
from integrations.models import (
    KINDS,
    ConnectionTest,
    LeasedWork,
    SyncRun,
)
from integrations.runs.speed import RunSpeed, is_waiting, measure, remaining_seconds
from integrations.runs.turns import IN_TURN
from integrations.sync.checkpoint import Checkpoint
from integrations.sync.engine import SYNCS
from integrations.sync.list_phases import OVERLAP
from integrations.sync.phase import Phase

#: How often a page that watches asks again, by how long ago it began: milliseconds.
PULSES: Final = (
    (timedelta(seconds=2), 150),
    (timedelta(seconds=4), 300),
    (timedelta(seconds=30), 1000),
)
SLOWEST_PULSE: Final = 3000
#: The end of a wait is given to the second when it is nearer than this.
SOON: Final = timedelta(minutes=5)


# What it does, and what it waits for


def poll_ms(*works: LeasedWork | None) -> int:
    """After how many milliseconds a page that watches these asks again; 0 = all have ended."""
    ended = (ConnectionTest.State.DONE, *(set(SyncRun.State) - set(SyncRun.ACTIVE_STATES)))
    busy = [work for work in works if work is not None and getattr(work, "state", "") not in ended]
    if not busy:
        return 0
    since = timezone.now() - max(work.queued_at for work in busy)
    return next((pulse for until, pulse in PULSES if since < until), SLOWEST_PULSE)


@dataclass(frozen=True, slots=True)
class RunStatus:
    """A run as it is at this moment, in words. Times are by the clock of the active zone.

    `speed` is None where it is not known.
    """

    run: SyncRun
    now: datetime
    speed: RunSpeed | None

    @property
    def poll_ms(self) -> int:
        return poll_ms(self.run)

    @property
    def title(self) -> str:
        """What it does right now."""
        if self.run.state == SyncRun.State.QUEUED:
            in_turn = self.run.waiting_for == IN_TURN
            return f"Waiting for its turn. {IN_TURN}" if in_turn else "Waiting for a worker"
        if self.run.phase == AGREEMENTS.name and Checkpoint.of(self.run).reads_todays:
            return "Reading what counts today"
        return _titles().get(self.run.phase, "Starting")

    @property
    def step(self) -> str:
        """`Step 2 of 5`; "" before the first one."""
        if not self.run.phase:
            return ""
        return f"Step {self._place + 1} of {len(self._phases)}"

    @property
    def _place(self) -> int:
        """Index of the phase under way; never lower than before."""
        names = [phase.name for phase in self._phases]
        done = Checkpoint.of(self.run).phases_done
        is_over = self.run.phase in done[:-1]  # a later phase writes pages in its name
        if self.run.phase in names and not is_over:
            return names.index(self.run.phase)
        return min(len(done), len(names) - 1)

    @property
    def _phases(self) -> tuple[type[Phase], ...]:
        return SYNCS[self.run.scope].phases

    @property
    def _counted(self) -> Kind | None:
        """What the numbers of its progress count; None = they don't belong to what it does now."""
        counted = {phase.name: phase.counted for phase in self._phases}
        return counted.get(self.run.phase)

    @property
    def is_counted(self) -> bool:
        """Whether the numbers of its progress belong to what it does now."""
        return self._counted is not None

    @property
    def total(self) -> int | None:
        return self.run.progress_total if self.is_counted else None

    @property
    def numbers(self) -> str:
        """`1,240 of 5,000 contacts`; "" where nothing is counted."""
        if self._counted is None:
            return ""
        of = "" if self.total is None else f" of {self.total:,}"
        return f"{self.run.progress_done:,}{of} {self._counted.name}"

    @property
    def pace(self) -> str:
        """`1,240 a minute, about 2 minutes left`; "" where neither can be known."""
        rate = self.speed.rate if self.speed else None
        if rate is None:
            return ""
        seconds = remaining_seconds(self.run, self.speed) if self.is_counted else None
        left = "" if seconds is None else f", {left_words(seconds)}"
        return f"{_rounded(rate):,} a minute{left}"

    @property
    def waiting(self) -> str:
        """`Waiting for Desk, goes on at 14:05` (the PSA's name); "" when it does not wait."""
        if not is_waiting(self.run, self.now) or self.run.resume_at is None:
            return ""
        if self.run.resumes_at is None:
            return f"Waiting until {self.run.integration.name} is resumed"
        if self.run.is_held:
            return f"Paused, goes on {until_words(self.run.resume_at, self.now)}"
        name = self.run.integration.psa_info.name
        return f"Waiting for {name}, goes on {until_words(self.run.resume_at, self.now)}"

    @property
    def reason(self) -> str:
        """Why it waits."""
        said = self.run.waiting_for
        if not self.waiting:
            return ""
        if self.run.is_held:
            return "It is paused: an admin can resume it in its settings."
        if said == f"Waiting for {self.run.integration.psa_info.name}":
            said = "It takes no more requests until then."
        return f"{said.rstrip('.')}. What was read is kept; there is nothing to do."

    @property
    def countdown(self) -> str:
        """`in 24 seconds`, while it waits."""
        if not self.waiting or self.run.resumes_at is None:
            return ""
        seconds = math.ceil((self.run.resumes_at - self.now).total_seconds())
        if seconds < 120:
            return f"in {seconds} second{'' if seconds == 1 else 's'}"
        minutes = round(seconds / 60)
        return f"in {minutes} minutes" if minutes < 120 else f"in {round(minutes / 60)} hours"

    @property
    def resumed(self) -> bool:
        """Whether a wait is over and nothing has been read since."""
        has_begun = self.run.state == SyncRun.State.RUNNING
        return has_begun and bool(self.run.waiting_for) and not self.waiting

    @property
    def announcement(self) -> str:
        """What a screen reader says: once for each step, wait and end."""
        if not self.run.is_active:
            return f"The sync has ended: {self.run.get_state_display().lower()}."
        return f"{self.waiting or self.title}."

    @property
    def line(self) -> str:
        """All of it in one line."""
        parts = [self.waiting or self.title, self.numbers, "" if self.waiting else self.pace]
        return ", ".join(part for part in parts if part)


def poll_address(address: str, status: RunStatus | None) -> str:
    """Where a page asks again; it says what it has announced, so that nothing is said twice."""
    return f"{address}?told={quote(status.announcement, safe='')}" if status else address


def _titles() -> dict[str, str]:
    """What each phase does, by name: of all runs, for one may write pages in another's name."""
    return {phase.name: phase.title for sync in SYNCS.values() for phase in sync.phases}


def live(run: SyncRun) -> RunStatus:
    """A run as it is now. Two statements at the most, none when it reads nothing."""
    return live_all([run])[0]


def live_all(runs: Iterable[SyncRun]) -> list[RunStatus]:
    """Runs of one tenant as they are now, in their order. Two statements at the most."""
    shown, now = list(runs), timezone.now()
    speeds = measure(shown)
    return [RunStatus(run, now, speeds.get(run.pk)) for run in shown]


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
    whole = Checkpoint.of(run).lists_read_whole
    if run.reading == SyncRun.Reading.FULL or len(whole) == 2:
        return "everything", None
    again = f", and all {whole[0]} to be sure" if whole else ""
    marks = run.integration.watermarks if run.is_active else _watermarks_before(run)
    stamps = [marks[kind] for kind in ("companies", "contacts") if kind in marks]
    if not stamps:
        return f"what changed{again}", None
    return f"what changed{again}", datetime.fromisoformat(min(stamps)) - OVERLAP


def _watermarks_before(run: SyncRun) -> dict[str, str]:
    """The watermarks from which a run that has ended went on: where the one before it ended."""
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
    newest = Checkpoint.of(before).newest
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

    rows: Sequence[tuple[str, list[int]]]
    totals: list[int]

    @property
    def columns(self) -> list[str]:
        return list(COLUMNS.values())


def count_table(run: SyncRun) -> CountTable:
    rows = [
        (kind, [run.counts.get(kind, {}).get(column, 0) for column in COLUMNS]) for kind in KINDS
    ]
    return CountTable(rows, [sum(numbers) for numbers in zip(*(n for _, n in rows), strict=True)])
