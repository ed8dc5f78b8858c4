"""Which account of a PSA credentials are of: each is connected once, and stays the one it was."""

from __future__ import annotations

from collections.abc import Mapping

from audit_site.db.lengths import fitted
from audit_site.errors import DomainError
from integrations.connecting.credentials import open_fields
from integrations.models import Integration
from integrations.psa import registry
from integrations.psa.contract import PsaAdapter, PsaInfo


def account_key_of(adapter: type[PsaAdapter], credentials: Mapping[str, str]) -> str:
    return fitted(Integration, "account_key", adapter.account_key(credentials))


class IntegrationExistsError(DomainError):
    """An account can be connected once; `integration` is that connection, where it is known."""

    def __init__(self, name: str, integration: Integration | None = None) -> None:
        super().__init__(
            "integration_exists",
            f"This {name} account is connected already.",
            "Open its settings to change the keys; another account has its own address and id.",
        )
        self.integration = integration


def account_to_reconnect(integration: Integration, info: PsaInfo, values: Mapping[str, str]) -> str:
    """The account key of what was typed; it must be the account that was disconnected."""
    if integration.credentials:
        return refuse_other_account(integration, info, values)
    # disconnected by an older release, which kept no field: the address must be the same too
    account_key = account_key_of(registry.get_adapter(info.key), values)
    if account_key != integration.account_key:
        raise _other_account(info, "This")
    return account_key


def refuse_other_account(integration: Integration, info: PsaInfo, sealed: Mapping[str, str]) -> str:
    """Return the account key of other credentials; they must not be those of another account.

    An account may move to another address. But its name must stay once it was connected, for all
    links carry that account's ids.
    """
    for field in info.fields:
        differs = sealed.get(field.name) != integration.credentials.get(field.name)
        if field.identifies and field.type != "url" and differs and integration.connected_at:
            raise _other_account(info, field.label)
    account_key = account_key_of(registry.get_adapter(info.key), open_fields(info, sealed))
    twins = Integration.objects.filter(
        tenant=integration.tenant_id, psa=info.key, account_key=account_key
    )
    if twins.exclude(pk=integration.pk).exists():
        raise IntegrationExistsError(info.name)
    return account_key


def _other_account(info: PsaInfo, what: str) -> DomainError:
    return DomainError(
        "account_changed",
        f"{what} names another {info.name} account, and the links of this one would not fit it.",
        "Connect the other account as an integration of its own.",
    )
