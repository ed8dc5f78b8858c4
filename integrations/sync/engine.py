"""A sync run, from claim to end: what it leads to for the run, the integration and its admins."""

from __future__ import annotations

import random
from datetime import UTC, timedelta
from typing import Any, Final

from django.db import InterfaceError, OperationalError, transaction
from django.db.models import F, Q
from django.db.models.functions import Least
from django.utils import timezone

from integrations.connecting.open_adapter import open_adapter
from integrations.importing.record_store import fingerprint
from integrations.issues import outages
from integrations.issues.inbox import KIND_INTEGRATION, IssueReport, open_issues, raise_issues
from integrations.models import Integration, SyncRun, lock_integration
from integrations.psa.errors import (
    IN_LISTS,
    KEYS,
    PsaBadResponse,
    PsaError,
    PsaRateLimited,
    PsaRefused,
    PsaUnavailable,
)
from integrations.runs import leases, shutdown
from integrations.runs.starting import NOT_AVAILABLE, lift_pause
from integrations.sync.passes import SyncPass
from integrations.sync.run_writer import RunCancelled, RunWriter

#: A run that was asked to wait this often without reading a page in between gives up.
MOST_PARKS: Final = 16
#: And so does one that was begun this often, whatever ended it each time.
MOST_ATTEMPTS: Final = 50
#: How long a run waits when the PSA says "too many requests" and not for how long.
SHORTEST_PARK_SECONDS, LONGEST_PARK_SECONDS = 30, 300
#: How long a PSA that is down is left alone: twice as long after each failure, up to an hour.
FIRST_PAUSE, LONGEST_PAUSE = timedelta(minutes=5), timedelta(hours=1)
SPREAD_SECONDS: Final = 20


def run_sync(*, tenant_id: str, run_id: str) -> None:
    """Carry a run out, or go on with it where the last worker stopped. Worker only."""
    run = leases.claim(SyncRun, tenant_id=tenant_id, work_id=run_id)
    if run is None:
        return
    writer = RunWriter(run)
    writer.checkpoint.setdefault("keys", fingerprint(run.integration.credentials))
    if not _may_begin(writer):
        return
    try:
        with (
            leases.LeaseKeeper(run),
            open_adapter(
                run.integration, on_wait=writer.wait, on_request=writer.count_request
            ) as adapter,
        ):
            SyncPass(run, writer, adapter).run()
    except (leases.LeaseLost, shutdown.WorkerEnding, RunCancelled, PsaError) as why:
        _stop(writer, why)
    except (OperationalError, InterfaceError):
        raise  # the lease runs out, and another worker goes on behind the last page
    except Exception:
        _fail(writer, _internal_error())
        raise
    else:
        _succeed(writer)


def _stop(writer: RunWriter, why: Exception) -> None:
    """End a run that could not go on here, or let it go on another time."""
    match why:
        case leases.LeaseLost():
            return
        case RunCancelled():
            writer.end(SyncRun.State.CANCELLED)
        case _ if (
            shutdown.requested.is_set()
        ):  # what went down with this worker is no fault of a PSA's
            writer.park(timezone.now(), "", counts=False)
        case PsaRateLimited():
            _wait_or_fail(writer, why)
        case PsaError():
            _fail(writer, why)


def _may_begin(writer: RunWriter) -> bool:
    """Whether a claimed run should ask the PSA now; if not, it has been ended or parked."""
    run = writer.run
    if run.cancel_requested:
        writer.end(SyncRun.State.CANCELLED)
    elif run.attempts - writer.checkpoint.get("attempts", 0) > MOST_ATTEMPTS:
        _fail(writer, _internal_error())
    elif _leaves_alone(run):
        _park_until_tried_again(writer)
    elif refused := _refused_keys(run):
        _fail(writer, refused)
    else:
        return True
    return False


def _is_sync_now(run: SyncRun) -> bool:
    """Whether a person has asked for everything, who may know more than we do."""
    return run.trigger == SyncRun.Trigger.MANUAL and run.scope == SyncRun.Scope.ALL


# Keys that the PSA refuses


def _refused_keys(run: SyncRun) -> PsaRefused | None:
    """What the PSA has said of the keys in use, if it refused them: some PSAs lock a user who tries
    again and again, so only Sync Now and a test do. A change of keys begins with a test.
    """
    integration = run.integration
    if integration.status != Integration.Status.FAILING or _is_sync_now(run):
        return None
    issue = (
        open_issues(integration)
        .filter(kind=KIND_INTEGRATION, external_id="", code__in=KEYS)
        .order_by("-last_seen_at")
        .first()
    )
    test = integration.latest_test
    if issue is None:
        return None
    if test and issue.last_seen_at < test.queued_at and test.code not in KEYS:
        return None
    return PsaRefused(issue.code, issue.message, issue.fix)


# A PSA that is down


def _leaves_alone(run: SyncRun) -> bool:
    """Whether the PSA was found down a while ago: only who presses Sync Now asks it before time."""
    paused_until = run.integration.paused_until
    is_paused = paused_until is not None and paused_until > timezone.now()
    return is_paused and not _is_sync_now(run)


def _park_until_tried_again(writer: RunWriter) -> None:
    integration = writer.run.integration
    until = (integration.paused_until or timezone.now()) + timedelta(
        seconds=random.uniform(0, SPREAD_SECONDS)  # noqa: S311  so that not all ask at once
    )
    writer.park(until, f"{integration.psa_info.name} {NOT_AVAILABLE}", counts=False)


def _pause(failures: int) -> timedelta:
    doublings: int = 2 ** min(failures, 10)
    return min(FIRST_PAUSE * doublings, LONGEST_PAUSE)


def _is_outage(error: PsaError) -> bool:
    return isinstance(error, PsaUnavailable | PsaBadResponse)


# Ends


@transaction.atomic
def _succeed(writer: RunWriter) -> None:
    integration = lock_integration(writer.run.integration)
    rejected = sum(count["rejected"] for count in writer.counts.values())
    troubled = rejected or "trouble" in writer.checkpoint
    if not writer.end(SyncRun.State.PARTIAL if troubled else SyncRun.State.SUCCEEDED):
        return
    run = writer.run
    lasting = _lasting(run)
    values: dict[str, Any] = {} if lasting else {"failures": 0, "paused_until": None}
    is_same = integration.credentials == run.integration.credentials
    if integration.status in {Integration.Status.FAILING, Integration.Status.UNTESTED} and is_same:
        values["status"] = Integration.Status.CONNECTED
    # new keys may see other records: what was read in part with the old ones is read again
    began_with_them = writer.checkpoint.get("keys") == fingerprint(integration.credentials)
    if run.scope == SyncRun.Scope.ALL and is_same and began_with_them:
        values |= _marks(writer)
    Integration.objects.filter(tenant=run.tenant_id, pk=run.integration_id).update(**values)
    if integration.paused_until is not None and not lasting:
        lift_pause(integration)
    # the PSA works with our keys: what was said of the whole integration is over
    over = (
        open_issues(integration)
        .filter(kind=KIND_INTEGRATION, external_id="")
        .exclude(code__in=lasting)
    )
    over.update(closed_at=timezone.now())
    outages.notify_ended(integration)


def _lasting(run: SyncRun) -> set[str]:
    """What ended runs over everything since the last good one, and may do so again: it can lie in
    lists, of which a run over some companies sees nothing.
    """
    if run.scope == SyncRun.Scope.ALL:
        return set()
    whole = SyncRun.objects.filter(
        tenant=run.tenant_id, integration=run.integration_id, scope=SyncRun.Scope.ALL
    )
    good = whole.filter(state__in=(SyncRun.State.SUCCEEDED, SyncRun.State.PARTIAL))
    since = good.order_by("-finished_at").values_list("finished_at", flat=True).first()
    bad = whole.filter(state=SyncRun.State.FAILED, error_code__in=IN_LISTS)
    return set(
        (bad.filter(finished_at__gt=since) if since else bad).values_list("error_code", flat=True)
    )


def _marks(writer: RunWriter) -> dict[str, Any]:
    """What was read to its end need not be read again: from the newest stamp of the PSA's own clock
    on, and never from a moment after this run began.
    """
    run, read = writer.run, writer.checkpoint.get("read", [])
    began = (run.started_at or timezone.now()).astimezone(UTC).isoformat()
    newest, old = writer.checkpoint.get("newest", {}), run.integration.watermarks
    both = {"companies", "contacts"}
    is_full = run.reading == SyncRun.Reading.FULL
    whole = both if is_full else set(writer.checkpoint.get("whole", []))
    moved = {kind: min(newest[kind], began) for kind in read if kind in newest}
    for kind in moved.keys() - whole:
        moved[kind] = max(moved[kind], old.get(kind, ""))
    values: dict[str, Any] = {"watermarks": {**old, **moved}}
    if whole & set(read) == both:
        values["full_pass_at"] = run.started_at
    refused = writer.checkpoint.get("trouble", {}).get("code") == "too_many_gone"
    if "companies" in whole & set(read) and not refused:
        values["companies_read_at"] = timezone.now()
    return values


def _wait_or_fail(writer: RunWriter, error: PsaRateLimited) -> None:
    parks = writer.checkpoint.get("parks", 0)
    if parks >= MOST_PARKS:
        _fail(writer, error)
        return
    seconds = error.retry_after
    if seconds is None:  # the PSA doesn't say: longer each time
        seconds = min(SHORTEST_PARK_SECONDS * 2**parks, LONGEST_PARK_SECONDS)
    name = writer.run.integration.psa_info.name
    writer.park(timezone.now() + timedelta(seconds=seconds), f"Waiting for {name}")


@transaction.atomic
def _fail(writer: RunWriter, error: PsaError) -> None:
    """End the run; a PSA that is down is left alone for a while, refused keys need a person."""
    run, now = writer.run, timezone.now()
    integration = lock_integration(run.integration)
    if error.code in KEYS and integration.credentials != run.integration.credentials:
        writer.park(now, "New keys were saved", counts=False)  # it was not those that were refused
        return
    if not writer.end(SyncRun.State.FAILED, error):
        return
    rows = Integration.objects.filter(tenant=run.tenant_id, pk=run.integration_id)
    if error.code in KEYS:
        rows.connected().update(status=Integration.Status.FAILING)
    elif _is_outage(error):
        until = now + _pause(integration.failures)
        rows.update(failures=F("failures") + 1, paused_until=until)
        rows.exclude(Q(schedule=Integration.Schedule.OFF) | Q(next_sync_at=None)).update(
            next_sync_at=Least("next_sync_at", until)
        )
    trouble = IssueReport(KIND_INTEGRATION, error.code, error.message, error.fix)
    raise_issues(run.integration, [trouble], run)
    outages.notify_began(run.integration)


def _internal_error() -> PsaError:
    return PsaError(
        "internal_error",
        "Something went wrong on our side. What was stored before stays as it is.",
        "Press Sync Now to go on. If it happens again, report it with the number of this run.",
    )
