"""A sync run, from claim to end."""

from __future__ import annotations

import logging
import random
from contextlib import AbstractContextManager
from datetime import timedelta
from typing import Final

from django.db import InterfaceError, OperationalError
from django.db.models import Q
from django.utils import timezone

from agreements.causes import Kind, caused_by
from audit_site.db import walls
from integrations.connecting.credentials import is_key_missing, keys_mark
from integrations.connecting.open_adapter import open_adapter
from integrations.connecting.selectors import latest_test
from integrations.issues.inbox import KIND_INTEGRATION, open_issues
from integrations.models import CompanyLink, Integration, SyncRun
from integrations.psa.errors import COOLING_DOWN, KEYS, PsaError, PsaRateLimited, PsaRefused
from integrations.runs import leases, pausing, run_log, shutdown
from integrations.runs.starting import NOT_AVAILABLE
from integrations.runs.turns import TurnOver
from integrations.sync import checkpoint
from integrations.sync.company_sync import CompanySync
from integrations.sync.full_sync import FullSync
from integrations.sync.moments import OnMoment, unwatched
from integrations.sync.outcomes import fail, internal_error, succeed, wait_for_key, wait_or_fail
from integrations.sync.phase import PhasedSync
from integrations.sync.run_writer import RunCancelled, RunWriter

#: What a run of each scope does.
SYNCS: Final[dict[str, type[PhasedSync]]] = {
    SyncRun.Scope.ALL: FullSync,
    SyncRun.Scope.COMPANIES: CompanySync,
}
#: A run that was begun this often without storing a page, whatever ended it each time, gives up.
MOST_ATTEMPTS: Final = 50
#: After a pause, runs begin within so many seconds, so that not all ask at once.
SPREAD_SECONDS: Final = 20
#: How long a run of a newer release is left to workers of that release.
NEWER_SECONDS: Final = 30

log = logging.getLogger(__name__)


@walls.of_tenant
def run_sync(*, tenant_id: str, run_id: str, on_moment: OnMoment = unwatched) -> None:
    """Carry a run out, or continue it where the last worker stopped. Worker only."""
    run = leases.claim(SyncRun, tenant_id=tenant_id, work_id=run_id)
    if run is None:
        return
    if checkpoint.is_newer(run) and not run.cancel_requested:
        _leave_to_newer(run)
        return
    writer = RunWriter(run, on_moment)
    writer.checkpoint.credentials_mark = writer.checkpoint.credentials_mark or keys_mark(
        run.integration.credentials
    )
    if _may_begin(writer):
        _carry_out(writer)


def _carry_out(writer: RunWriter) -> None:
    run = writer.run
    try:
        with (
            _caused_by(run),
            leases.LeaseKeeper(run),
            open_adapter(
                run.integration,
                on_wait=writer.wait,
                on_request=writer.count_request,
                kept=writer.answers.kept,
            ) as adapter,
        ):
            SYNCS[run.scope](writer, adapter).run()
    except (leases.LeaseLost, shutdown.WorkerEnding, TurnOver, RunCancelled, PsaError) as why:
        _stop(writer, why)
    except (OperationalError, InterfaceError):
        raise  # the lease runs out, and another worker continues after the last page
    except Exception:
        fail(writer, internal_error())
        raise
    else:
        succeed(writer)


def _caused_by(run: SyncRun) -> AbstractContextManager[None]:
    """What books change for while a run writes: the first reading of a link is the link's doing."""
    kind: Kind = "import" if run.trigger == SyncRun.Trigger.IMPORT else "sync"
    if kind == "sync" and run.company_id is not None:
        unread = CompanyLink.objects.of(run.integration).in_force()
        unread = unread.filter(Q(read_at=None) | Q(ended_unread=True))
        if unread.filter(company=run.company_id).exists():
            kind = "link"
    return caused_by(kind, run=run.pk, name=run.integration.name)


def _stop(writer: RunWriter, why: Exception) -> None:
    """End a run that could not continue here, or let it continue another time."""
    match why:
        case leases.LeaseLost():
            return
        case RunCancelled():
            writer.end(SyncRun.State.CANCELLED)
        case TurnOver():
            writer.postpone(timezone.now(), "", counts=False)
        case _ if shutdown.requested.is_set():
            # what failed while this worker was being stopped is not the PSA's fault
            writer.postpone(timezone.now(), "", counts=False)
        case PsaRateLimited():
            wait_or_fail(writer, why)
        case PsaError():
            fail(writer, why)


def _leave_to_newer(run: SyncRun) -> None:
    """Give back a run that a newer release has begun: this one would misread where it is.

    Nothing is written, and the attempt does not count. The sweeper sends the run again after a
    while; where no worker of the newer release is left, a person cancels it: to end it, nothing of
    its checkpoint has to be understood.
    """
    log.warning("sync_left_to_newer_release run=%s version=%s", run.pk, checkpoint.VERSION)
    leases.give_back(run, timezone.now() + timedelta(seconds=NEWER_SECONDS))


def _may_begin(writer: RunWriter) -> bool:
    """Whether a claimed run should ask the PSA now; if not, it has been ended or postponed."""
    run = writer.run
    in_vain = run.attempts - writer.checkpoint.attempts_at_last_page
    if run.cancel_requested:
        writer.end(SyncRun.State.CANCELLED)
    elif in_vain > MOST_ATTEMPTS:
        fail(writer, internal_error())
    elif pausing.hold(run):
        run_log.held()
    elif is_key_missing(run.integration):
        wait_for_key(writer)
    elif _leaves_alone(run):
        _postpone_until_tried_again(writer)
    elif refused := _refused_keys(run):
        fail(writer, refused)
    else:
        return True
    return False


def _is_sync_now(run: SyncRun) -> bool:
    """Whether a person has asked for everything, who may know more than we do."""
    return run.trigger == SyncRun.Trigger.MANUAL and run.scope == SyncRun.Scope.ALL


# Keys that the PSA refuses


def _refused_keys(run: SyncRun) -> PsaRefused | None:
    """What the PSA has said of the keys in use, if it refused them.

    Some PSAs lock a user who tries again and again, so only Sync Now and a connection test do. A
    change of keys begins with a test.
    """
    integration = run.integration
    if not integration.psa_info.locks_users or _is_sync_now(run):
        return None
    if integration.status != Integration.Status.FAILING:
        return None
    issue = (
        open_issues(integration)
        .filter(kind=KIND_INTEGRATION, external_id="", code__in=KEYS)
        .order_by("-last_seen_at")
        .first()
    )
    test = latest_test(integration)
    if issue is None:
        return None
    if test and issue.last_seen_at < test.queued_at and test.code not in {*KEYS, COOLING_DOWN}:
        return None
    return PsaRefused(issue.code, issue.message, issue.fix)


# A PSA that is down


def _leaves_alone(run: SyncRun) -> bool:
    """Whether the PSA was found down a while ago: only Sync Now asks it before its time."""
    paused_until = run.integration.paused_until
    is_paused = paused_until is not None and paused_until > timezone.now()
    return is_paused and not _is_sync_now(run)


def _postpone_until_tried_again(writer: RunWriter) -> None:
    integration = writer.integration
    until = (integration.paused_until or timezone.now()) + timedelta(
        seconds=random.uniform(0, SPREAD_SECONDS)  # noqa: S311  # nosec B311 # no secret
    )
    writer.postpone(until, f"{integration.psa_info.name} {NOT_AVAILABLE}", counts=False)
