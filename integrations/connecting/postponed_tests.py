"""When a connection test waits and goes on by itself, and until when.

A short wait is waited out in place. For a longer one the test is given back to the queue, so that
no thread of a worker is held, and goes on behind the checks that it has made.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Final

from django.utils import timezone

from integrations.issues.moments import clock_words
from integrations.models import ConnectionTest
from integrations.psa.errors import (
    ASK_LATER,
    PsaCoolingDown,
    PsaError,
    PsaRateLimited,
    PsaRefused,
)
from integrations.runs import dispatching, leases, run_log, shutdown

#: So many seconds in all a test waits in place.
PATIENCE_SECONDS: Final = 20.0
#: How often a test waits for a PSA that says "too many requests", and for one that is down for a
#: moment; how often keys of a user are tried who may be too new: refusals may lock it.
MOST_WAITS, MOST_DOWN, NEW_USER_TRIES = 10, 2, 2
#: How long it waits when the PSA says "too many requests" and not for how long; when it is down.
SHORTEST_WAIT_SECONDS, LONGEST_WAIT_SECONDS = 30, 300
DOWN_SECONDS: Final = 10
DOWN: Final = "psa_unavailable"


class Patience:
    """Called before each wait in place: of one too many the test is given back instead."""

    def __init__(self) -> None:
        self._left = PATIENCE_SECONDS

    def __call__(self, seconds: float, reason: str) -> None:
        shutdown.check()
        self._left -= seconds
        if self._left < 0:
            raise PsaRateLimited(reason, ASK_LATER, retry_after=seconds)


def may_pass(test: ConnectionTest, error: PsaError) -> bool:
    """Whether what went wrong may be over in a while, so that the test should wait for it."""
    if isinstance(error, PsaCoolingDown):
        return False  # to try wrong keys again by itself would be the next wrong try
    if isinstance(error, PsaRateLimited):
        return test.attempts <= MOST_WAITS
    if isinstance(error, PsaRefused):
        return error.may_pass and _may_be_new(test)
    return error.code == DOWN and test.attempts <= MOST_DOWN


def _may_be_new(test: ConnectionTest) -> bool:
    """Whether the user of keys that are refused may be too new: nothing was read with them yet, and
    they were not refused a while ago.
    """
    integration = test.integration
    is_first = test.is_candidate or integration.full_pass_at is None
    if not is_first or test.attempts >= NEW_USER_TRIES:
        return False
    since = timezone.now() - 2 * timedelta(minutes=integration.psa_info.new_user_minutes)
    done = integration.tests.filter(state=ConnectionTest.State.DONE, finished_at__gte=since)
    return not done.filter(code="invalid_credentials").exists()


def give_back(test: ConnectionTest, error: PsaError) -> None:
    """Let the test go on later, in any worker, and say until when it waits."""
    seconds = _seconds(test, error)
    until = timezone.now() + timedelta(seconds=seconds)
    run_log.waits(seconds, error.code)
    leases.held(test).update(
        code=error.code,
        message=_message(test, error, clock_words(until, test.tenant, "at", "on")),
        fix=error.fix,
        resume_at=until,
        lease_until=None,
        dispatched_at=None,
    )


def _seconds(test: ConnectionTest, error: PsaError) -> float:
    if isinstance(error, PsaRateLimited):
        growing = SHORTEST_WAIT_SECONDS * 2.0 ** (test.attempts - 1)
        seconds = error.retry_after
        return min(growing, LONGEST_WAIT_SECONDS) if seconds is None else seconds
    if isinstance(error, PsaRefused):
        return test.integration.psa_info.new_user_minutes * 60 / (NEW_USER_TRIES - 1)
    return DOWN_SECONDS * test.attempts


def _message(test: ConnectionTest, error: PsaError, until: str) -> str:
    if isinstance(error, PsaRateLimited):
        return f"{test.integration.psa_info.name} asks us to wait. The test goes on {until}."
    if isinstance(error, PsaRefused):
        return f"{error.message} In case its user is new, this is tried again {until}."
    return f"{error.message} The test goes on {until}."


def hurry(test: ConnectionTest) -> None:
    """A person wants the test now: it waits no longer, unless the PSA has asked for that."""
    waiting = ConnectionTest.objects.filter(
        tenant=test.tenant_id, pk=test.pk, lease_until=None, resume_at__isnull=False
    )
    if waiting.exclude(code="rate_limited").update(resume_at=None):
        dispatching.dispatch(test)
