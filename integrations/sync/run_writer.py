"""The pen of a sync run: one transaction a page, with its counts, events and checkpoint.

Everything a run writes goes through here, and is refused when another worker has taken it over.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from time import monotonic
from typing import Any, Final

from django.db import transaction
from django.utils import timezone

from audit_site.db.lengths import fitted
from integrations.models import SyncRun, lock_with_integration
from integrations.psa.errors import PsaError, PsaRateLimited
from integrations.runs import leases, run_log, shutdown
from integrations.runs.starting import start_follower
from integrations.runs.turns import Turn, TurnOver
from integrations.sync.checkpoint import Checkpoint, Refusal
from integrations.sync.journal import Journal
from integrations.sync.moments import OnMoment, unwatched
from integrations.sync.run_answers import RunAnswers
from integrations.sync.seen_ids import SeenIds

#: While a reading lasts, what it has got is kept at least this often: so much a crash costs.
KEEP_SECONDS: Final = 5.0


class RunCancelled(Exception):
    """Someone cancelled the run: end it here, what is stored stays."""


class RunWriter:
    """The pen of one claimed run: its pages, waits and end, and what it has to say of them."""

    def __init__(self, run: SyncRun, on_moment: OnMoment = unwatched) -> None:
        self.run = run
        self.integration = run.integration
        self.on_moment = on_moment
        self.checkpoint = Checkpoint.of(run)
        self.journal = Journal(run)
        self.seen = SeenIds(run, self.checkpoint)
        self.answers = RunAnswers(run, self.checkpoint)
        self._kept_at = monotonic()
        self._turn = Turn(run)
        self._phase = run.phase
        self._requests = run.requests

    def count_request(self) -> None:
        """One more request to the PSA; from several threads."""
        shutdown.check()
        self._requests += 1

    # Pages

    @contextmanager
    def page(
        self,
        phase: str,
        *,
        done: int | None = None,
        total: int | None = None,
        is_last: bool = False,
    ) -> Iterator[None]:
        """One transaction: the records written inside, and with them counts, events and checkpoint.

        After it TurnOver is raised when the run has had its time and others wait.
        Writers of one integration take turns here, so that an import beside a full run never writes
        the same row at the same moment. `done` of `total` = progress. `is_last`: with this page the
        phase is done.
        """
        shutdown.check()
        with self._page(phase, done, total, is_last=is_last):
            yield
        self._turn.check()

    @contextmanager
    def _page(
        self, phase: str, done: int | None = None, total: int | None = None, *, is_last: bool
    ) -> Iterator[None]:
        self.journal.begin_page()
        with self._restored_on_error(), transaction.atomic():
            self._hold()
            yield
            self.on_moment("page", phase)
            self.journal.write_page()
            self.checkpoint.end_page(self.run.attempts)
            if is_last:
                self.answers.end()
                self.checkpoint.end_phase(phase)
            self._save(phase, done, total)
        self._kept_at = monotonic()  # a reading that stores page after page has little to lose
        self.on_moment("page stored", phase)

    @contextmanager
    def _restored_on_error(self) -> Iterator[None]:
        """Counts and checkpoint are rolled back together with the page."""
        counts, checkpoint = copy.deepcopy(self.journal.counts), copy.deepcopy(self.checkpoint)
        try:
            yield
        except BaseException:
            self.journal.counts = counts
            self.checkpoint.restore(checkpoint)
            raise

    def _hold(self) -> None:
        """Lock the run, if it is still ours, and its integration."""
        rows = lock_with_integration(leases.held(self.run))
        row = rows.only("cancel_requested", "integration__id").first()
        if row is None:
            raise leases.LeaseLost
        if row.cancel_requested:
            raise RunCancelled

    def _save(self, phase: str, done: int | None, total: int | None) -> None:
        now = timezone.now()
        values: dict[str, Any] = {"progress_done": done} if done is not None else {}
        if total is not None or done is not None:
            values["progress_total"] = total
        if phase != self._phase:
            self._phase = phase
            values["phase_started_at"] = now
        leases.held(self.run).update(
            phase=phase,
            counts=self.journal.counts,
            checkpoint=self.checkpoint.stored(),
            lease_until=now + leases.LEASE,
            requests=self._requests,
            waiting_for="",
            resume_at=None,
            **values,
        )

    # What is read and can't be stored yet

    @contextmanager
    def reading(self, phase: str) -> Iterator[None]:
        """What is read inside is of use as a whole only: should it have to wait or to end here, its
        answers are kept, and the next attempt asks for the rest alone.
        """
        self.answers.begin()
        self._kept_at = monotonic()
        try:
            yield
        except (PsaRateLimited, shutdown.WorkerEnding, TurnOver):
            self._keep_answers(phase)
            raise
        finally:
            self.answers.kept.end()

    def keep_now_and_then(self, phase: str) -> None:
        """Keep what was read so far, if nothing was stored for a while; outside of pages."""
        if monotonic() - self._kept_at >= KEEP_SECONDS:
            shutdown.check()
            self._keep_answers(phase)

    def _keep_answers(self, phase: str) -> None:
        self._kept_at = monotonic()
        if new := self.answers.kept.take_new():
            with self._page(phase, is_last=False):
                self.answers.store(new)

    # Waits and the end

    def wait(self, seconds: float, reason: str) -> None:
        """Show that the run waits in place (it holds its lease)."""
        shutdown.check()
        run_log.waits(seconds, reason)
        leases.held(self.run).update(
            waiting_for=fitted(SyncRun, "waiting_for", reason),
            resume_at=timezone.now() + timedelta(seconds=seconds),
        )

    def postpone(self, until: datetime, reason: str, *, counts: bool = True) -> None:
        """Give the run back until a moment; the sweeper sends it again.

        `counts`: a run that is postponed too often without reading anything gives up. One that a
        person has cancelled ends here.
        """
        if leases.held(self.run).filter(cancel_requested=True).exists():
            self.end(SyncRun.State.CANCELLED)
            return
        self.checkpoint.postponements += counts
        run_log.waits((until - timezone.now()).total_seconds(), reason)
        leases.held(self.run).update(
            checkpoint=self.checkpoint.stored(),
            requests=self._requests,
            waiting_for=fitted(SyncRun, "waiting_for", reason),
            resume_at=until,
            lease_until=None,
            dispatched_at=None,
        )

    def end(self, state: str, error: PsaError | None = None) -> bool:
        """End the run; False when another worker holds it now."""
        said = error or self.checkpoint.refusal or Refusal()
        ended = leases.held(self.run).update(
            state=state,
            phase="",
            finished_at=timezone.now(),
            lease_until=None,
            resume_at=None,
            waiting_for="",
            requests=self._requests,
            error_code=said.code,
            error_message=said.message,
            error_fix=said.fix,
        )
        if ended:
            run_log.ends(self.run, state, code=said.code, requests=self._requests)
            self.seen.forget()
            start_follower(self.run)
            self.on_moment("ended", state)
        return bool(ended)
