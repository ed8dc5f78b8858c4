"""Connecting a PSA, changing its name and keys, disconnecting it, connecting it again."""

from __future__ import annotations

from collections.abc import Mapping

from django.db import IntegrityError, transaction
from django.utils import timezone

from audit_site.db.lengths import fitted
from audit_site.errors import FieldErrors
from audit_site.tenants.audit import record_audit
from audit_site.tenants.models import Tenant, User
from integrations.connecting.accounts import (
    IntegrationExistsError,
    account_key_of,
    account_to_reconnect,
    refuse_other_account,
)
from integrations.connecting.address_changes import address_change, note_address_change
from integrations.connecting.connection_test import (
    forget_readings,
    queue_test,
    start_connection_test,
)
from integrations.connecting.credentials import (
    clean_credentials,
    open_fields,
    refuse_unsaid_secrets,
    saved_now,
    seal_credentials,
    secret_needed,
)
from integrations.models import ConnectionTest, Integration, SyncRun, lock_account, lock_integration
from integrations.psa import registry
from integrations.psa.contract import PsaAdapter, PsaInfo
from integrations.runs import pausing, starting


def _find_adapter(psa: str) -> type[PsaAdapter]:
    try:
        return registry.get_adapter(psa)
    except KeyError:
        known = ", ".join(sorted(registry.adapters()))
        message = f"There is no PSA “{psa}”. Choose one of: {known}."
        raise FieldErrors(
            [{"field": "psa", "code": "does_not_exist", "message": message}]
        ) from None


def _fitting(name: str) -> str:
    return fitted(Integration, "name", name)


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
    account_key = account_key_of(adapter, values)
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
    integration = lock_account(tenant, info.key, account_key)
    if integration is None:
        integration = Integration(tenant=tenant, psa=info.key, account_key=account_key)
        integration.name = _fitting(name or _default_name(tenant, info, values))
        action = "integration.connected"
    elif not integration.is_disconnected:
        raise IntegrationExistsError(info.name, integration)
    else:
        integration.name = _fitting(name or integration.name)
        action = "integration.reconnected"
    return integration, _begin(integration, actor, values, action)


def _begin(
    integration: Integration, actor: User | None, values: Mapping[str, str], action: str
) -> ConnectionTest:
    """Save an integration as new, with these keys, and start its test."""
    info = integration.psa_info
    change = address_change(integration, values, actor)
    before = {"status": integration.status} if integration.is_disconnected else None
    _reset(integration)
    integration.credentials = seal_credentials(integration, values, info)
    integration.secrets_saved = saved_now(info, values, actor)
    note_address_change(integration, change)
    integration.save()
    record_audit(
        tenant=integration.tenant,
        actor=actor,
        action=action,
        subject=integration,
        before=before,
        after={"psa": info.name, "status": integration.status, "fields": sorted(values)},
    )
    return start_connection_test(integration=integration, actor=None)


def _reset(integration: Integration) -> None:
    """As new: not tested, not paused, and nothing read or remembered through older keys."""
    integration.status = Integration.Status.UNTESTED
    integration.disconnected_at = integration.disconnected_by = None
    pausing.forget_pause(integration)
    integration.candidate = None
    integration.memory, integration.watermarks = {}, {}
    integration.full_pass_at, integration.failures, integration.paused_until = None, 0, None


def _default_name(tenant: Tenant, info: PsaInfo, values: Mapping[str, str]) -> str:
    """The PSA's name; beside another account of it with the text that identifies this one."""
    texts = [
        values[f.name]
        for f in info.fields
        if f.identifies and f.type == "text" and f.name in values
    ]
    another = Integration.objects.for_tenant(tenant).filter(psa=info.key).exists()
    return f"{info.name} ({texts[0]})" if another and texts else info.name


@transaction.atomic
def reconnect_integration(
    *, integration: Integration, actor: User | None, credentials: Mapping[str, str]
) -> ConnectionTest:
    """Connect a disconnected account again: its links go on, its keys are typed anew.

    Of the same account: its address may be another one.
    """
    locked = lock_integration(integration)
    info = locked.psa_info
    if not locked.is_disconnected:
        raise IntegrationExistsError(info.name, locked)
    unsaid = [f for f in info.fields if f.type == "secret" and not credentials.get(f.name)]
    if unsaid:
        raise secret_needed(unsaid, "It was destroyed when this account was disconnected.")
    values = clean_credentials(info, credentials)
    locked.account_key = account_to_reconnect(locked, info, values)
    test = _begin(locked, actor, values, "integration.reconnected")
    integration.refresh_from_db()
    return test


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
        _rename(locked, actor, _fitting(name.strip()))
        integration.name = locked.name
    if credentials is None:
        return None
    test = _save_credentials(locked, actor, credentials)
    integration.refresh_from_db()
    return test


def _rename(integration: Integration, actor: User | None, name: str) -> None:
    before = integration.name
    if name == before:
        return
    integration.name = name
    integration.save(update_fields=["name", "updated_at"])
    record_audit(
        tenant=integration.tenant,
        actor=actor,
        action="integration.renamed",
        subject=integration,
        before={"name": before},
        after={"name": name},
    )


def _save_credentials(
    integration: Integration, actor: User | None, credentials: Mapping[str, str]
) -> ConnectionTest:
    info = integration.psa_info
    typed = clean_credentials(info, credentials, stored=integration.credentials)
    refuse_unsaid_secrets(info, typed, integration.credentials)
    sealed = {**integration.credentials, **seal_credentials(integration, typed, info)}
    account_key = refuse_other_account(integration, info, sealed)
    saved = {**integration.secrets_saved, **saved_now(info, typed, actor)}
    change = address_change(integration, sealed, actor)
    record_audit(
        tenant=integration.tenant,
        actor=actor,
        action="integration.keys_changed",
        subject=integration,
        before={"fields": sorted(typed.keys() & integration.credentials.keys())},
        after={"fields": sorted(typed), "in_use": not integration.is_connected},
    )
    if not integration.is_connected:
        integration.credentials, integration.account_key = sealed, account_key
        integration.secrets_saved = saved
        note_address_change(integration, change)
        integration.candidate, integration.memory = None, {}
        forget_readings(integration)
        integration.save()
        return start_connection_test(integration=integration, actor=None, restart=True)
    test = queue_test(integration, is_candidate=True)
    integration.candidate = {
        "credentials": sealed,
        "account_key": account_key,
        "secrets_saved": saved,
        "address_change": change,
        "state": "testing",
        "test": str(test.pk),
    }
    integration.save(update_fields=["candidate", "updated_at"])
    return test


@transaction.atomic
def forget_refused(*, integration: Integration, actor: User | None) -> bool:
    """Drop new keys that were refused; False when there are none."""
    locked = lock_integration(integration)
    if (locked.candidate or {}).get("state") != "refused":
        return False
    fields = sorted((locked.candidate or {}).get("credentials", {}))
    locked.candidate = None
    locked.save(update_fields=["candidate", "updated_at"])
    record_audit(
        tenant=locked.tenant,
        actor=actor,
        action="integration.keys_forgotten",
        subject=locked,
        before={"new_keys": fields},
    )
    return True


@transaction.atomic
def disconnect_integration(*, integration: Integration, actor: User | None) -> None:
    """Destroy the secrets and stop what runs.

    Companies, agreements and MRR stay as they are. What is no secret stays to connect again with.
    """
    locked = lock_integration(integration)
    if locked.is_disconnected:
        return
    before = {"status": locked.status, "fields": sorted(locked.credentials)}
    locked.status = Integration.Status.DISCONNECTED
    locked.disconnected_at, locked.disconnected_by = timezone.now(), actor
    locked.credentials = open_fields(locked.psa_info, locked.credentials)
    locked.secrets_saved, locked.candidate, locked.memory = {}, None, {}
    locked.save()
    for run in SyncRun.objects.of(locked).filter(state__in=SyncRun.ACTIVE_STATES):
        starting.cancel_sync_run(run=run, actor=actor)
    record_audit(
        tenant=locked.tenant,
        actor=actor,
        action="integration.disconnected",
        subject=locked,
        before=before,
        after={"status": locked.status, "fields": sorted(locked.credentials)},
    )
    integration.refresh_from_db()
