"""A connection in each state of health, made of rows."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any, Final

from django.utils import timezone

from audit_site.tenants.models import Tenant, User
from integrations.connecting.lifecycle import disconnect_integration
from integrations.issues.inbox import KIND_INTEGRATION, IssueReport, raise_issues
from integrations.kinds import CONTACTS, KINDS, RIGHTS
from integrations.models import ConnectionTest, Integration, SyncRun
from integrations.runs.pausing import pause_integration
from tests.factories import make_company, make_integration, make_link, make_psa_company, make_run

NAME: Final = "ConnectWise Manage"


def make_connection(tenant: Tenant, **over: Any) -> Integration:
    """One that was tested and read well, with companies of every sort in its list."""
    integration = make_integration(tenant, **{"name": NAME, "companies_read_at": _ago(1), **over})
    names = ("reach_server", "authenticate", *RIGHTS)
    ConnectionTest.objects.create(
        tenant=tenant,
        integration=integration,
        state="done",
        ok=True,
        code="ok",
        message=f"Everything checks out with {NAME}.",
        checks=[{"name": name, "ok": True, "code": "ok", "message": ""} for name in names],
        finished_at=_ago(2),
    )
    make_psa_company(integration)
    make_psa_company(integration, importable=False, rule_codes=["no_contact"])
    record = make_psa_company(integration)
    make_link(make_company(tenant), integration, external_id=record.external_id)
    return integration


def _ago(hours: float) -> Any:
    return timezone.now() - timedelta(hours=hours)


def _read(integration: Integration, **over: Any) -> SyncRun:
    values = {
        "state": "succeeded",
        "phase": "",
        "finished_at": _ago(1),
        "lease_until": None,
        "counts": {kind.name: {"seen": 3} for kind in KINDS},
    }
    return make_run(integration, **{**values, **over})


def _trouble(integration: Integration, code: str, message: str, fix: str) -> None:
    raise_issues(integration, [IssueReport(KIND_INTEGRATION, code, message, fix)])


def testing(tenant: Tenant, admin: User) -> None:
    integration = make_connection(tenant, status="testing", connected_at=None)
    checks: list[Any] = [{"name": "reach_server", "ok": True, "code": "ok", "message": ""}]
    checks += [{"name": name, "ok": None, "code": ""} for name in ("authenticate", *RIGHTS)]
    integration.tests.update(state="running", ok=None, checks=checks, finished_at=None)


def reading(tenant: Tenant, admin: User) -> None:
    make_run(make_connection(tenant), progress_done=1200, progress_total=4800)


def healthy(tenant: Tenant, admin: User) -> None:
    _read(make_connection(tenant))


def waiting(tenant: Tenant, admin: User) -> None:
    until = timezone.now() + timedelta(minutes=20)
    make_run(
        make_connection(tenant),
        lease_until=None,
        resume_at=until,
        waiting_for=f"Waiting for {NAME}",
    )


def limited(tenant: Tenant, admin: User) -> None:
    integration = make_connection(tenant)
    _read(integration, counts={})
    message = f"{NAME} accepts the keys, but they see too little. The keys see no contacts at all."
    checks = integration.tests.get().checks
    hidden = next(check for check in checks if check["name"] == CONTACTS.right)
    hidden |= {"ok": None, "code": "sees_nothing", "message": "The keys see no contacts at all."}
    integration.tests.update(code="sees_nothing", message=message, checks=checks)


def unreachable(tenant: Tenant, admin: User) -> None:
    until = timezone.now() + timedelta(minutes=10)
    integration = make_connection(tenant, paused_until=until, next_sync_at=until)
    _read(integration, state="failed", error_message=f"{NAME} did not answer within 30 seconds.")
    message = f"{NAME} did not answer within 30 seconds."
    _trouble(integration, "timeout", message, "Nothing to do: it is tried again by itself.")


def refused(tenant: Tenant, admin: User) -> None:
    integration = make_connection(tenant, status="failing")
    _read(integration, state="failed", error_message=f"{NAME} refused the keys.")
    fix = "Make new keys under System > Members > API Members and save them here."
    _trouble(integration, "invalid_credentials", f"{NAME} refused the keys.", fix)


def key_missing(tenant: Tenant, admin: User) -> None:
    sealed = {"server_url": "https://psa.example", "company_id": "msp", "private_key": "v1.lost.AA"}
    _read(make_connection(tenant, credentials=sealed))


def paused(tenant: Tenant, admin: User) -> None:
    integration = make_connection(tenant)
    _read(integration)
    until = timezone.now() + timedelta(days=2)
    pause_integration(integration=integration, actor=admin, until=until)


def disconnected(tenant: Tenant, admin: User) -> None:
    integration = make_connection(tenant)
    _read(integration)
    disconnect_integration(integration=integration, actor=admin)


#: The word that pages say → what makes a connection so.
STATES: Final[dict[str, Callable[[Tenant, User], None]]] = {
    "Testing": testing,
    "Reading": reading,
    "Healthy": healthy,
    "Waiting": waiting,
    "Limited": limited,
    "Unreachable": unreachable,
    "Refused": refused,
    "Key missing": key_missing,
    "Paused": paused,
    "Disconnected": disconnected,
}
