"""Connecting a PSA: saving credentials, testing them in the worker, disconnecting."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.db import IntegrityError, InterfaceError, OperationalError, transaction
from django.utils import timezone

from audit_site.errors import DomainError, FieldErrors
from audit_site.tenants.audit import record_audit
from audit_site.tenants.models import Tenant, User
from integrations.models import ConnectionTest, Integration, SyncRun, lock_integration
from integrations.psa import registry
from integrations.psa.contract import Finding, PsaAdapter, PsaInfo, Right
from integrations.psa.errors import PsaError
from integrations.services import ending, leases, notices, runs
from integrations.services.issues import WHOLE, Trouble, close_issues, raise_issues
from integrations.services.psa_access import budget_of, info_of, open_adapter, seal_credentials

RIGHTS: tuple[Right, ...] = ("read_companies", "read_contacts", "read_agreements")
CHECKS = ("reach_server", "authenticate", *RIGHTS)


def clean_credentials(
    info: PsaInfo, typed: Mapping[str, str], *, stored: Mapping[str, str] | None = None
) -> dict[str, str]:
    """Check what was typed against the PSA's fields; blanks around a value are forgiven.

    With `stored` (names that already have a value), a secret left out or empty stays as it is and
    is missing from the result.
    """
    fields = {field.name: field for field in info.fields}
    errors = [
        _field_error(name, "unknown_field", f"{info.name} has no field “{name}”.")
        for name in typed
        if name not in fields
    ]
    values: dict[str, str] = {}
    for name, field in fields.items():
        value = typed.get(name, "")
        if not isinstance(value, str) or "\x00" in value:
            errors.append(_field_error(name, "invalid", f"{field.label} must be text."))
            continue
        value = value.strip() or field.default
        keeps = (
            stored is not None and name in stored and (field.type == "secret" or name not in typed)
        )
        if value and (name in typed or not keeps):
            values[name] = value
        elif field.required and not keeps:
            errors.append(_field_error(name, "required", f"{field.label} is needed."))
    if errors:
        raise FieldErrors(errors)
    return values


def _field_error(name: str, code: str, message: str) -> dict[str, str]:
    return {"field": f"credentials.{name}", "code": code, "message": message}


def _find_adapter(psa: str) -> type[PsaAdapter]:
    try:
        return registry.get_adapter(psa)
    except KeyError:
        known = ", ".join(sorted(registry.adapters()))
        message = f"There is no PSA “{psa}”. Choose one of: {known}."
        raise FieldErrors(
            [{"field": "psa", "code": "does_not_exist", "message": message}]
        ) from None


class IntegrationExistsError(DomainError):
    """An account can be connected once; `integration` is that connection, where it can be told."""

    def __init__(self, name: str, integration: Integration | None = None) -> None:
        super().__init__(
            "integration_exists",
            f"This {name} account is connected already.",
            "Open its settings to change the keys; another account has its own address and id.",
        )
        self.integration = integration


def create_integration(
    *,
    tenant: Tenant,
    actor: User | None,
    psa: str,
    credentials: Mapping[str, str],
    name: str = "",
) -> tuple[Integration, ConnectionTest]:
    """Save a connection and start its test.

    An account that was disconnected comes back with its links.
    """
    adapter = _find_adapter(psa)
    info = adapter.info
    values = clean_credentials(info, credentials)
    account_key = adapter.account_key(values)[:255]
    try:
        with transaction.atomic():
            return _create(tenant, actor, info, values, account_key, name.strip())
    except IntegrityError:
        raise IntegrationExistsError(info.name) from None


def _create(
    tenant: Tenant,
    actor: User | None,
    info: PsaInfo,
    values: dict[str, str],
    account_key: str,
    name: str,
) -> tuple[Integration, ConnectionTest]:
    ours = Integration.objects.for_tenant(tenant).filter(psa=info.key)
    integration = ours.select_for_update(no_key=True).filter(account_key=account_key).first()
    if integration is None:
        integration = Integration(tenant=tenant, psa=info.key, account_key=account_key)
        integration.name = name or _default_name(info, values, ours.exists())
        action = "integration.connected"
    elif not integration.is_disconnected:
        raise IntegrationExistsError(info.name, integration)
    else:
        integration.name = name or integration.name
        action = "integration.reconnected"
    integration.status = Integration.Status.UNTESTED
    integration.disconnected_at = None
    integration.candidate = None
    integration.memory, integration.marks = {}, {}
    integration.full_pass_at, integration.failures, integration.paused_until = None, 0, None
    integration.credentials = seal_credentials(integration, values, info)
    integration.save()
    record_audit(tenant=tenant, actor=actor, action=action, subject=integration)
    return integration, start_connection_test(integration=integration, actor=None)


def _default_name(info: PsaInfo, values: Mapping[str, str], another: bool) -> str:
    texts = [
        values[f.name]
        for f in info.fields
        if f.identifies and f.type == "text" and f.name in values
    ]
    return f"{info.name} ({texts[0]})"[:255] if another and texts else info.name


@transaction.atomic
def update_integration(
    *,
    integration: Integration,
    actor: User | None,
    credentials: Mapping[str, str] | None = None,
    name: str | None = None,
) -> ConnectionTest | None:
    """Rename, or save other credentials and test them.

    On a connected integration new credentials are a candidate: the old ones go on working until the
    new ones have passed. Otherwise they replace what was there.
    """
    locked = lock_integration(integration)
    locked.refuse_disconnected()
    if name is not None and name.strip():
        locked.name = integration.name = name.strip()[:255]
        locked.save(update_fields=["name", "updated_at"])
    if credentials is None:
        return None
    test = _save_credentials(locked, actor, credentials)
    integration.refresh_from_db()
    return test


def _save_credentials(
    integration: Integration, actor: User | None, credentials: Mapping[str, str]
) -> ConnectionTest:
    info = info_of(integration)
    typed = clean_credentials(info, credentials, stored=integration.credentials)
    sealed = {**integration.credentials, **seal_credentials(integration, typed, info)}
    account_key = _refuse_other_account(integration, info, sealed)
    record_audit(
        tenant=integration.tenant,
        actor=actor,
        action="integration.keys_changed",
        subject=integration,
        fields=sorted(typed),
    )
    if not integration.is_connected:
        integration.credentials, integration.account_key = sealed, account_key
        integration.candidate, integration.memory = None, {}
        _begin_anew(integration)
        integration.save()
        return start_connection_test(integration=integration, actor=None, anew=True)
    test = _start_test(integration, is_candidate=True)
    integration.candidate = {
        "credentials": sealed,
        "account_key": account_key,
        "state": "testing",
        "test": str(test.pk),
    }
    integration.save(update_fields=["candidate", "updated_at"])
    return test


def _refuse_other_account(
    integration: Integration, info: PsaInfo, sealed: Mapping[str, str]
) -> str:
    """Return the account key of other credentials; they must not be those of another account.

    An account may move to another address. But its name must stay once it was connected, for all
    links carry that account's ids.
    """
    for field in info.fields:
        differs = sealed.get(field.name) != integration.credentials.get(field.name)
        if field.identifies and field.type != "url" and differs and integration.connected_at:
            raise DomainError(
                "account_changed",
                f"{field.label} names another {info.name} account, and the links of this one would "
                "not fit it.",
                "Connect the other account as an integration of its own.",
            )
    account_key = registry.get_adapter(info.key).account_key(
        {name: value for name, value in sealed.items() if name not in info.secret_fields}
    )[:255]
    twins = Integration.objects.filter(
        tenant=integration.tenant_id, psa=info.key, account_key=account_key
    )
    if twins.exclude(pk=integration.pk).exists():
        raise IntegrationExistsError(info.name)
    return account_key


@transaction.atomic
def forget_refused(*, integration: Integration, actor: User | None) -> bool:
    """Drop new keys that were refused; False when there are none."""
    locked = lock_integration(integration)
    if (locked.candidate or {}).get("state") != "refused":
        return False
    locked.candidate = None
    locked.save(update_fields=["candidate", "updated_at"])
    record_audit(
        tenant=locked.tenant, actor=actor, action="integration.keys_forgotten", subject=locked
    )
    return True


@transaction.atomic
def disconnect_integration(*, integration: Integration, actor: User | None) -> None:
    """Destroy the credentials and stop what runs.

    Companies, agreements and MRR stay as they are.
    """
    locked = lock_integration(integration)
    if locked.is_disconnected:
        return
    locked.status = Integration.Status.DISCONNECTED
    locked.disconnected_at = timezone.now()
    locked.credentials, locked.candidate, locked.memory = {}, None, {}
    locked.save()
    for run in SyncRun.objects.of(locked).filter(state__in=SyncRun.ACTIVE_STATES):
        runs.cancel_sync_run(run=run, actor=actor)
    record_audit(
        tenant=locked.tenant, actor=actor, action="integration.disconnected", subject=locked
    )
    integration.refresh_from_db()


@transaction.atomic
def start_connection_test(
    *, integration: Integration, actor: User | None, anew: bool = False
) -> ConnectionTest:
    """Test the stored credentials: the test under way (unless `anew`), or a new one."""
    integration.status = lock_integration(integration).status
    integration.refuse_disconnected()
    under_way = integration.tests.filter(is_candidate=False).exclude(
        state=ConnectionTest.State.DONE
    )
    if not anew and (test := under_way.first()):
        return test
    if integration.status in {Integration.Status.UNTESTED, Integration.Status.FAILING}:
        integration.status = Integration.Status.TESTING
        integration.save(update_fields=["status", "updated_at"])
    if actor is not None:
        record_audit(
            tenant=integration.tenant, actor=actor, action="integration.tested", subject=integration
        )
    return _start_test(integration, is_candidate=False)


def _start_test(integration: Integration, *, is_candidate: bool) -> ConnectionTest:
    test = ConnectionTest.objects.create(
        tenant_id=integration.tenant_id,
        integration=integration,
        is_candidate=is_candidate,
        dispatched_at=timezone.now(),
        checks=[_check(name) for name in CHECKS],
    )
    runs.dispatch(test)
    return test


def _check(
    name: str, *, ok: bool | None = None, code: str = "", message: str = "", fix: str = ""
) -> dict[str, Any]:
    """One check of a test; `ok` is None while it was not tried."""
    return {"name": name, "ok": ok, "code": code, "message": message, "fix": fix}


# In the worker


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
    with leases.Heartbeat(test):
        try:
            with open_adapter(integration, sealed=sealed) as adapter:
                checks = _run_checks(test, adapter)
        except ending.WorkerEnding:
            leases.held(test).update(lease_until=None, dispatched_at=None)  # another begins anew
            return
        except PsaError as error:  # the stored keys can't be opened
            checks = _note(test, _checks_refused(error))
        except (OperationalError, InterfaceError):
            raise  # the lease runs out, and another worker begins anew
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
    notes = [check["message"] for check in checks if check["ok"] and check["message"]]
    first = failed[0] if failed else _check("", code="ok", message=_all_well(integration, notes))
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
    if not ended or integration.is_disconnected:
        return
    if test.is_candidate:
        _conclude_candidate(test, integration, passed=not failed)
    elif integration.credentials == test.integration.credentials and (
        test.pk == _newest_test_id(integration)
    ):
        _follow(integration, first)


def _all_well(integration: Integration, notes: list[str]) -> str:
    return " ".join([f"Everything checks out with {info_of(integration).name}.", *notes])


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
        _begin_anew(integration)
        integration.save()
        # from here on it is the test of the credentials in use
        ConnectionTest.objects.filter(tenant=test.tenant_id, pk=test.pk).update(is_candidate=False)
        _follow(integration, _check("", code="ok"))
    else:
        refused = {**candidate, "state": "refused", "credentials": {}}
        integration.candidate = refused
        integration.save(update_fields=["candidate", "updated_at"])


def _begin_anew(integration: Integration) -> None:
    """Other keys may see other records, and have a quota of their own: read everything again."""
    integration.marks, integration.full_pass_at = {}, None
    transaction.on_commit(budget_of(integration).forget)


def _follow(integration: Integration, outcome: Mapping[str, Any]) -> None:
    """Set the status that a test of the credentials in use leads to;

    the first pass reads the list.
    """
    passed = outcome["code"] == "ok"
    first_pass = passed and integration.connected_at is None
    revived = passed and not integration.is_connected
    if passed:
        integration.status = Integration.Status.CONNECTED
        integration.connected_at = integration.connected_at or timezone.now()
        integration.failures, integration.paused_until = 0, None
        close_issues(integration, kind=WHOLE, external_ids={""})
        notices.tell_ended(integration)
        runs.lift_pause(integration)
    elif not integration.is_connected:
        integration.status = Integration.Status.FAILING
    elif outcome["code"] in notices.KEYS:  # anything else may pass, and a run goes on with the rest
        integration.status = Integration.Status.FAILING
        told = (outcome["code"], outcome["message"], outcome["fix"])
        raise_issues(integration, [Trouble(WHOLE, *told)])
        notices.tell_began(integration)
    fields = ["status", "connected_at", "failures", "paused_until", "updated_at"]
    integration.save(update_fields=fields)
    if first_pass or (revived and integration.companies_read_at is None):
        runs.start_sync_run(integration=integration, trigger=SyncRun.Trigger.CONNECT)
