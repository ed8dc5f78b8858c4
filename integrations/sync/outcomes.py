"""How a sync run ends or waits, and what that leads to for its integration and the admins."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any, Final

from django.db import transaction
from django.db.models import F, Q
from django.db.models.functions import Least
from django.utils import timezone

from companies.services import suggestions_may_differ
from integrations.connecting.credentials import key_missing, keys_mark, same_keys
from integrations.issues import outages
from integrations.issues.inbox import KIND_INTEGRATION, IssueReport, open_issues, raise_issues
from integrations.kinds import COMPANIES, CONTACTS
from integrations.models import Integration, SyncRun, lock_integration
from integrations.psa.errors import IN_LISTS, KEYS, LEFT_ALONE, PsaError, PsaRateLimited
from integrations.runs import leases
from integrations.runs.starting import NOT_AVAILABLE, lift_pause
from integrations.sync.absence_guard import TOO_MANY_GONE
from integrations.sync.run_writer import RunWriter

#: A run that was asked to wait this often without reading a page in between gives up.
MOST_POSTPONEMENTS: Final = 16
#: How long a run waits when the PSA says "too many requests" and not for how long.
SHORTEST_WAIT_SECONDS, LONGEST_WAIT_SECONDS = 30, 300
#: How long a PSA that is down is left alone: twice as long after each failure, up to an hour.
FIRST_PAUSE, LONGEST_PAUSE = timedelta(minutes=5), timedelta(hours=1)
#: How often a run that waits for a key of ours looks whether it is there again: that costs nothing.
KEY_PAUSE: Final = timedelta(minutes=5)
#: Kinds that are read as lists.
LISTS: Final = frozenset({COMPANIES.name, CONTACTS.name})


# A good end


@transaction.atomic
def succeed(writer: RunWriter) -> None:
    """End a run that was carried out: the PSA works with our keys, so its outages are over."""
    integration = lock_integration(writer.integration)
    is_partial = writer.journal.rejected or writer.checkpoint.refusal is not None
    if not writer.end(SyncRun.State.PARTIAL if is_partial else SyncRun.State.SUCCEEDED):
        return
    lasting = _lasting(writer.run)
    values = _after_success(writer, integration, is_over=not lasting)
    Integration.objects.filter(tenant=integration.tenant_id, pk=integration.pk).update(**values)
    if integration.paused_until is not None and not lasting:
        lift_pause(integration)
    issues = open_issues(integration).filter(kind=KIND_INTEGRATION, external_id="")
    issues.exclude(code__in=lasting).update(closed_at=timezone.now())
    outages.notify_ended(integration)
    suggestions_may_differ(integration.tenant)


def _after_success(writer: RunWriter, integration: Integration, *, is_over: bool) -> dict[str, Any]:
    """What changes of the integration; `is_over`: nothing is known that failed and may again."""
    run = writer.run
    values: dict[str, Any] = {"failures": 0, "paused_until": None} if is_over else {}
    is_same = same_keys(integration.credentials, run.integration.credentials)
    if integration.status in {Integration.Status.FAILING, Integration.Status.UNTESTED} and is_same:
        values["status"] = Integration.Status.CONNECTED
    # new keys may see other records: what was read in part with the old ones is read again
    began_with_them = writer.checkpoint.credentials_mark == keys_mark(integration.credentials)
    if run.scope == SyncRun.Scope.ALL and is_same and began_with_them:
        values |= _what_was_read(writer)
    return values


def _lasting(run: SyncRun) -> set[str]:
    """Codes that ended runs over everything since the last good one, and may do so again.

    The cause can be in lists, of which a run over some companies sees nothing.
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


def _what_was_read(writer: RunWriter) -> dict[str, Any]:
    """Watermarks, and when everything was read: what need not be read again."""
    run, read = writer.run, set(writer.checkpoint.lists_read)
    is_full = run.reading == SyncRun.Reading.FULL
    whole = read & (LISTS if is_full else set(writer.checkpoint.lists_read_whole))
    values: dict[str, Any] = {"watermarks": _watermarks(writer, whole)}
    if whole == LISTS:
        values["full_pass_at"] = run.started_at
    if COMPANIES.name in whole and writer.checkpoint.refusal_code != TOO_MANY_GONE:
        values["companies_read_at"] = timezone.now()
    return values


def _watermarks(writer: RunWriter, whole: set[str] | frozenset[str]) -> dict[str, str]:
    """From the newest stamp of the PSA's own clock on, never from a moment after this run began.

    Only a list that was read whole moves its watermark back.
    """
    run, newest = writer.run, writer.checkpoint.newest
    began = (run.started_at or timezone.now()).astimezone(UTC).isoformat()
    old: dict[str, str] = run.integration.watermarks
    moved = {
        kind: min(newest[kind], began) for kind in writer.checkpoint.lists_read if kind in newest
    }
    for kind in moved.keys() - whole:
        moved[kind] = max(moved[kind], old.get(kind, ""))
    return {**old, **moved}


# Waits


def wait_or_fail(writer: RunWriter, error: PsaRateLimited) -> None:
    """Postpone the run for as long as the PSA says; fail when it did so again and again."""
    postponements, name = writer.checkpoint.postponements, writer.integration.psa_info.name
    if postponements >= MOST_POSTPONEMENTS:
        fail(writer, _waited_in_vain(name))
        return
    seconds = error.retry_after
    if seconds is None:  # the PSA doesn't say: longer each time
        seconds = min(SHORTEST_WAIT_SECONDS * 2**postponements, LONGEST_WAIT_SECONDS)
    writer.postpone(timezone.now() + timedelta(seconds=seconds), f"Waiting for {name}")


@transaction.atomic
def wait_for_key(writer: RunWriter) -> None:
    """The stored keys can't be opened here: ask nobody, say so, and go on once they can be."""
    run, error = writer.run, key_missing(writer.integration)
    lock_integration(run.integration)
    waiting_for = f"The key that protects its stored keys {NOT_AVAILABLE}"
    leases.held(run).update(waiting_for=waiting_for)
    leases.give_back(run, timezone.now() + KEY_PAUSE)
    raise_issues(
        run.integration, [IssueReport(KIND_INTEGRATION, error.code, error.message, error.fix)], run
    )
    outages.notify_began(run.integration)


def _waited_in_vain(name: str) -> PsaError:
    return PsaRateLimited(
        f"{name} has asked us to wait {MOST_POSTPONEMENTS} times in a row, and answered nothing in "
        "between. What was stored before stays as it is.",
        f"Press Sync Now later. If it stays so, see which other programs use up what {name} "
        "allows.",
    )


# A bad end


@transaction.atomic
def fail(writer: RunWriter, error: PsaError) -> None:
    """End the run; a PSA that is down is left alone for a while, refused keys need a person."""
    run, now = writer.run, timezone.now()
    integration = lock_integration(run.integration)
    is_same = same_keys(integration.credentials, run.integration.credentials)
    if error.code in KEYS and not is_same:
        writer.postpone(now, "New keys were saved", counts=False)  # those were not refused
        return
    if not writer.end(SyncRun.State.FAILED, error):
        return
    if error.code in KEYS:
        rows = Integration.objects.filter(tenant=run.tenant_id, pk=run.integration_id)
        rows.connected().update(status=Integration.Status.FAILING)
    elif error.code in LEFT_ALONE:
        _leave_alone(integration, now)
    report = IssueReport(KIND_INTEGRATION, error.code, error.message, error.fix)
    raise_issues(run.integration, [report], run)
    outages.notify_began(run.integration)


def _leave_alone(integration: Integration, now: datetime) -> None:
    """The PSA is down: ask it later, the longer the more often it was."""
    until = now + _pause(integration.failures)
    rows = Integration.objects.filter(tenant=integration.tenant_id, pk=integration.pk)
    rows.update(failures=F("failures") + 1, paused_until=until)
    rows.exclude(Q(schedule=Integration.Schedule.OFF) | Q(next_sync_at=None)).update(
        next_sync_at=Least("next_sync_at", until)
    )


def _pause(failures: int) -> timedelta:
    doublings: int = 2 ** min(failures, 10)
    return min(FIRST_PAUSE * doublings, LONGEST_PAUSE)


def internal_error() -> PsaError:
    return PsaError(
        "internal_error",
        "Something went wrong on our side. What was stored before stays as it is.",
        "Press Sync Now to go on. If it happens again, report it with the number of this run.",
    )
