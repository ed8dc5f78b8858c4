"""Connection tests: started by a person or a save, carried out by a worker."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any, Final

from django.db import InterfaceError, OperationalError, transaction
from django.db.models import QuerySet
from django.utils import timezone

from audit_site import limits
from audit_site.db import walls
from audit_site.tenants.audit import record_audit
from audit_site.tenants.models import User
from integrations.connecting import checks, postponed_tests
from integrations.connecting.address_changes import note_address_change
from integrations.connecting.checks import Check
from integrations.connecting.credentials import open_fields, same_keys
from integrations.connecting.open_adapter import budget_of, open_adapter
from integrations.issues import outages
from integrations.issues.inbox import KIND_INTEGRATION, IssueReport, close_issues, raise_issues
from integrations.models import ConnectionTest, Integration, SyncRun, lock_integration
from integrations.psa.errors import KEYS, PsaError
from integrations.runs import dispatching, leases, run_log, shutdown, starting

NEWER_KEYS: Final = "Newer keys were saved before this test had ended."


@transaction.atomic
def start_connection_test(
    *, integration: Integration, actor: User | None, restart: bool = False
) -> ConnectionTest:
    """Test the stored credentials; returns the test under way (unless `restart`), or a new one."""
    integration.status = lock_integration(integration).status
    integration.refuse_disconnected()
    under_way = integration.tests.filter(is_candidate=False).exclude(
        state=ConnectionTest.State.DONE
    )
    if not restart and (test := under_way.first()):
        postponed_tests.hurry(test)
        return test
    if integration.status in {Integration.Status.UNTESTED, Integration.Status.FAILING}:
        integration.status = Integration.Status.TESTING
        integration.save(update_fields=["status", "updated_at"])
    if actor is not None:
        record_audit(
            tenant=integration.tenant, actor=actor, action="integration.tested", subject=integration
        )
    return queue_test(integration, is_candidate=False)


def queue_test(integration: Integration, *, is_candidate: bool) -> ConnectionTest:
    """A new test, instead of one of older keys that waits. Counts against what a tenant may have
    within an hour.
    """
    limits.spend(integration.tenant, limits.TESTS)
    older = integration.tests.filter(is_candidate=is_candidate, lease_until=None)
    _end_unfinished(older.exclude(state=ConnectionTest.State.DONE), NEWER_KEYS)
    test = ConnectionTest.objects.create(
        tenant_id=integration.tenant_id,
        integration=integration,
        is_candidate=is_candidate,
        dispatched_at=timezone.now(),
        checks=checks.untried(integration.psa_info),
    )
    dispatching.dispatch(test)
    return test


@walls.of_tenant
def run_connection_test(*, tenant_id: str, test_id: str) -> None:
    """Carry a test out, or go on with it after a wait, storing each check as soon as it is known.

    Worker only.
    """
    test = leases.claim(ConnectionTest, tenant_id=tenant_id, work_id=test_id)
    if test is None:
        return
    if test.integration.is_disconnected:
        _end_unfinished(leases.held(test), "It was disconnected before this test had ended.")
        return
    sealed = None
    if test.is_candidate:
        candidate = test.integration.candidate or {}
        if candidate.get("test") != str(test.pk):
            _end_unfinished(leases.held(test), NEWER_KEYS)
            return
        sealed = candidate["credentials"]
    leases.held(test).update(code="", message="", fix="")  # of a wait that is over
    with leases.LeaseKeeper(test):
        found = _carry_out(test, sealed)
    if found is not None:
        _conclude(test, found)


def _carry_out(test: ConnectionTest, sealed: Mapping[str, str] | None) -> list[Check] | None:
    """What the checks found; None when the test goes on another time."""
    info = test.integration.psa_info
    try:
        with open_adapter(
            test.integration, sealed=sealed, on_wait=postponed_tests.Patience(), is_test=True
        ) as adapter:
            return checks.run_checks(
                adapter,
                test.checks,
                note=partial(_note, test),
                may_pass=partial(postponed_tests.may_pass, test),
            )
    except shutdown.WorkerEnding:
        leases.held(test).update(lease_until=None, dispatched_at=None)  # another goes on
        return None
    except checks.Postponed as why:
        postponed_tests.give_back(test, why.error)
        return None
    except PsaError as error:  # the stored keys can't be opened
        return _note(test, checks.refused_at_once(info, error))
    except (OperationalError, InterfaceError):
        raise  # the lease runs out, and another worker goes on
    except Exception:
        _conclude(test, _note(test, checks.refused_at_once(info, _internal_error())))
        raise


def _internal_error() -> PsaError:
    return PsaError(
        "bad_response",
        "Something went wrong on our side while testing.",
        "Test again. If it happens again, report it.",
    )


def _note(test: ConnectionTest, found: list[Check]) -> list[Check]:
    leases.held(test).update(checks=found, lease_until=timezone.now() + leases.LEASE)
    return found


def _end_unfinished(tests: QuerySet[ConnectionTest], message: str) -> None:
    """End tests that say nothing any more."""
    tests.update(
        state=ConnectionTest.State.DONE,
        ok=False,
        code="superseded",
        message=message,
        fix="",
        finished_at=timezone.now(),
        lease_until=None,
        resume_at=None,
    )


@transaction.atomic
def _conclude(test: ConnectionTest, found: list[Check]) -> None:
    """End the test and let the integration follow from it."""
    integration = lock_integration(test.integration)
    passed, outcome = checks.outcome_of(integration.psa_info.name, found)
    ended = leases.held(test).update(
        state=ConnectionTest.State.DONE,
        ok=passed,
        code=outcome["code"],
        message=outcome["message"],
        fix=outcome["fix"],
        checks=found,
        finished_at=timezone.now(),
        lease_until=None,
    )
    if ended:
        run_log.ends(test, "passed" if passed else "failed", code=outcome["code"])
    if not ended or integration.is_disconnected:
        return
    if test.is_candidate:
        _conclude_candidate(test, integration, outcome, passed=passed)
    elif same_keys(integration.credentials, test.integration.credentials) and (
        test.pk == _newest_test_id(integration)
    ):
        _follow(integration, outcome)


def _newest_test_id(integration: Integration) -> Any:
    newest = (
        integration.tests.filter(is_candidate=False).order_by("-id").values_list("pk", flat=True)
    )
    return newest.first()


def _conclude_candidate(
    test: ConnectionTest, integration: Integration, outcome: Check, *, passed: bool
) -> None:
    candidate = integration.candidate or {}
    if candidate.get("test") != str(test.pk):
        return  # newer keys were saved meanwhile
    if passed:
        integration.credentials = candidate["credentials"]
        integration.account_key = candidate["account_key"]
        integration.secrets_saved = candidate.get("secrets_saved", integration.secrets_saved)
        note_address_change(integration, candidate.get("address_change"))
        integration.candidate, integration.memory = None, {}
        forget_readings(integration)
        integration.save()
        # from here on it is the test of the credentials in use
        ConnectionTest.objects.filter(tenant=test.tenant_id, pk=test.pk).update(is_candidate=False)
        _follow(integration, outcome)
    else:
        shown = open_fields(integration.psa_info, candidate["credentials"])
        refused = {**candidate, "state": "refused", "credentials": shown}
        integration.candidate = refused
        integration.save(update_fields=["candidate", "updated_at"])


def forget_readings(integration: Integration) -> None:
    """Other keys may see other records, and have a quota of their own: read everything again."""
    integration.watermarks, integration.full_pass_at = {}, None
    transaction.on_commit(budget_of(integration).forget)


def _follow(integration: Integration, outcome: Check) -> None:
    """Set the status that a test of the credentials in use leads to.

    Where nothing was read with these keys yet (the first ones, new ones, or after a reconnect), a
    test that passes starts the run that reads.
    """
    passed = outcome["code"] in checks.PASSED
    if passed:
        integration.status = Integration.Status.CONNECTED
        integration.connected_at = integration.connected_at or timezone.now()
        integration.failures, integration.paused_until = 0, None
        close_issues(integration, kind=KIND_INTEGRATION, external_ids={""})
        outages.notify_ended(integration)
        starting.lift_pause(integration)
    elif not integration.is_connected:
        integration.status = Integration.Status.FAILING
    elif outcome["code"] in KEYS:  # anything else may pass, and a run goes on with the rest
        integration.status = Integration.Status.FAILING
        report = IssueReport(KIND_INTEGRATION, outcome["code"], outcome["message"], outcome["fix"])
        raise_issues(integration, [report])
        outages.notify_began(integration)
    fields = ["status", "connected_at", "failures", "paused_until", "updated_at"]
    integration.save(update_fields=fields)
    if passed and integration.full_pass_at is None:
        starting.start_sync_run(integration=integration, trigger=SyncRun.Trigger.CONNECT)
