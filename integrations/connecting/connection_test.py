"""Connection tests: started by a person or a save, carried out by a worker."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from django.db import InterfaceError, OperationalError, transaction
from django.utils import timezone

from audit_site import limits
from audit_site.tenants.audit import record_audit
from audit_site.tenants.models import User
from integrations.connecting.open_adapter import budget_of, open_adapter
from integrations.issues import outages
from integrations.issues.inbox import KIND_INTEGRATION, IssueReport, close_issues, raise_issues
from integrations.kinds import COMPANIES, CONTACTS, KINDS, RIGHTS
from integrations.models import ConnectionTest, Integration, SyncRun, lock_integration
from integrations.psa.contract import Finding, PsaAdapter
from integrations.psa.errors import KEYS, PsaError
from integrations.runs import dispatching, leases, run_log, shutdown, starting

#: The checks of a test in their order, with what pages call them.
CHECK_LABELS: Final[dict[str, str]] = {
    "reach_server": "Reach the server",
    "authenticate": "Sign in",
    **{kind.right: kind.check for kind in KINDS if kind.check},
}
CHECKS: Final = tuple(CHECK_LABELS)
#: Code of a check that was not refused, and in which there was nothing to see; of a test where
#: that is so for companies or contacts.
SEES_NOTHING: Final = "sees_nothing"
MUST_SEE: Final = frozenset({COMPANIES.right, CONTACTS.right})


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
    """Have a worker test keys. Counts against what a tenant may have within an hour."""
    limits.spend(integration.tenant, limits.TESTS)
    test = ConnectionTest.objects.create(
        tenant_id=integration.tenant_id,
        integration=integration,
        is_candidate=is_candidate,
        dispatched_at=timezone.now(),
        checks=[_check(name) for name in CHECKS],
    )
    dispatching.dispatch(test)
    return test


def _check(
    name: str, *, ok: bool | None = None, code: str = "", message: str = "", fix: str = ""
) -> dict[str, Any]:
    """One check of a test; `ok` is None while it was not tried."""
    return {"name": name, "ok": ok, "code": code, "message": message, "fix": fix}


def run_connection_test(*, tenant_id: str, test_id: str) -> None:
    """Carry a test out, storing each check as soon as it is known. Worker only."""
    test = leases.claim(ConnectionTest, tenant_id=tenant_id, work_id=test_id)
    if test is None:
        return
    integration = test.integration
    sealed = None
    if test.is_candidate:
        candidate = integration.candidate or {}
        if candidate.get("test") != str(test.pk):
            _end_superseded(test)
            return
        sealed = candidate["credentials"]
    with leases.LeaseKeeper(test):
        try:
            with open_adapter(integration, sealed=sealed) as adapter:
                checks = _run_checks(test, adapter)
        except shutdown.WorkerEnding:
            leases.held(test).update(lease_until=None, dispatched_at=None)  # another begins again
            return
        except PsaError as error:  # the stored keys can't be opened
            checks = _note(test, _checks_refused(error))
        except (OperationalError, InterfaceError):
            raise  # the lease runs out, and another worker begins again
        except Exception:
            _conclude(test, _note(test, _checks_refused(_internal_error())))
            raise
    _conclude(test, checks)


def _run_checks(test: ConnectionTest, adapter: PsaAdapter) -> list[dict[str, Any]]:
    checks = [_check(name) for name in CHECKS]
    steps = [adapter.reach, adapter.authenticate]
    for position, step in enumerate(steps):
        checks[position] = _try(CHECKS[position], step)
        _note(test, checks)
        if not checks[position]["ok"]:
            return checks
    for position, right in enumerate(RIGHTS, start=len(steps)):
        checks[position] = _try(right, lambda right=right: adapter.probe(right))
        _note(test, checks)
    return checks


def _try(name: str, step: Any) -> dict[str, Any]:
    try:
        finding: Finding | None = step()
    except PsaError as error:
        return _check(name, ok=False, code=error.code, message=error.message, fix=error.fix)
    if finding is not None and finding.sees_nothing:
        return _check(name, code=SEES_NOTHING, message=finding.message)
    return _check(name, ok=True, code="ok", message=finding.message if finding else "")


def _checks_refused(error: PsaError) -> list[dict[str, Any]]:
    first = _check(CHECKS[0], ok=False, code=error.code, message=error.message, fix=error.fix)
    return [first, *(_check(name) for name in CHECKS[1:])]


def _internal_error() -> PsaError:
    return PsaError(
        "bad_response",
        "Something went wrong on our side while testing.",
        "Test again. If it happens again, report it.",
    )


def _note(test: ConnectionTest, checks: list[dict[str, Any]]) -> list[dict[str, Any]]:
    leases.held(test).update(checks=checks, lease_until=timezone.now() + leases.LEASE)
    return checks


def _end_superseded(test: ConnectionTest) -> None:
    leases.held(test).update(
        state=ConnectionTest.State.DONE,
        ok=False,
        code="superseded",
        message="Newer keys were saved before this test began.",
        finished_at=timezone.now(),
        lease_until=None,
    )


@transaction.atomic
def _conclude(test: ConnectionTest, checks: list[dict[str, Any]]) -> None:
    """End the test and let the integration follow from it."""
    integration = lock_integration(test.integration)
    failed = [check for check in checks if check["ok"] is False]
    first = failed[0] if failed else _passed(integration, checks)
    ended = leases.held(test).update(
        state=ConnectionTest.State.DONE,
        ok=not failed,
        code=first["code"],
        message=first["message"],
        fix=first["fix"],
        checks=checks,
        finished_at=timezone.now(),
        lease_until=None,
    )
    if ended:
        run_log.ends(test, "failed" if failed else "passed", code=first["code"])
    if not ended or integration.is_disconnected:
        return
    if test.is_candidate:
        _conclude_candidate(test, integration, passed=not failed)
    elif integration.credentials == test.integration.credentials and (
        test.pk == _newest_test_id(integration)
    ):
        _follow(integration, first)


def _passed(integration: Integration, checks: list[dict[str, Any]]) -> dict[str, Any]:
    """What a test says in which nothing was refused; nothing is said to be well that was not seen.

    A PSA without an agreement is well; one that shows no companies or no contacts is not.
    """
    name = integration.psa_info.name
    notes = [check["message"] for check in checks if check["message"]]
    if any(check["name"] in MUST_SEE and check["code"] == SEES_NOTHING for check in checks):
        message = " ".join([f"{name} accepts the keys, but they see too little.", *notes])
        return _check("", code=SEES_NOTHING, message=message)
    return _check("", code="ok", message=" ".join([f"Everything checks out with {name}.", *notes]))


def _newest_test_id(integration: Integration) -> Any:
    newest = (
        integration.tests.filter(is_candidate=False).order_by("-id").values_list("pk", flat=True)
    )
    return newest.first()


def _conclude_candidate(test: ConnectionTest, integration: Integration, *, passed: bool) -> None:
    candidate = integration.candidate or {}
    if candidate.get("test") != str(test.pk):
        return  # newer keys were saved meanwhile
    if passed:
        integration.credentials = candidate["credentials"]
        integration.account_key = candidate["account_key"]
        integration.candidate, integration.memory = None, {}
        forget_readings(integration)
        integration.save()
        # from here on it is the test of the credentials in use
        ConnectionTest.objects.filter(tenant=test.tenant_id, pk=test.pk).update(is_candidate=False)
        _follow(integration, _check("", code="ok"))
    else:
        refused = {**candidate, "state": "refused", "credentials": {}}
        integration.candidate = refused
        integration.save(update_fields=["candidate", "updated_at"])


def forget_readings(integration: Integration) -> None:
    """Other keys may see other records, and have a quota of their own: read everything again."""
    integration.watermarks, integration.full_pass_at = {}, None
    transaction.on_commit(budget_of(integration).forget)


def _follow(integration: Integration, outcome: Mapping[str, Any]) -> None:
    """Set the status that a test of the credentials in use leads to.

    Where nothing was read with these keys yet (the first ones, new ones, or after a reconnect), a
    test that passes starts the run that reads.
    """
    passed = outcome["code"] in {"ok", SEES_NOTHING}
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
