"""From an integration to a working adapter: credentials opened, HTTP client made, memory kept."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from django.conf import settings

from integrations import crypto
from integrations.models import Integration
from integrations.psa import registry
from integrations.psa.contract import PsaAdapter, PsaInfo
from integrations.psa.errors import PsaRefused
from integrations.psa.http import PsaHttp
from integrations.services.budget import Budget


def info_of(integration: Integration) -> PsaInfo:
    """What the registry knows about the integration's PSA."""
    return registry.get_adapter(integration.psa).info


def seal_credentials(
    integration: Integration, values: Mapping[str, str], info: PsaInfo
) -> dict[str, str]:
    """Encrypt the secret ones among typed-in values, bound to this integration."""
    return {
        name: crypto.encrypt_secret(
            value, tenant_id=integration.tenant_id, integration_id=integration.pk, field=name
        )
        if name in info.secret_fields
        else value
        for name, value in values.items()
    }


def open_credentials(integration: Integration, sealed: Mapping[str, str]) -> dict[str, str]:
    """Decrypt stored credentials; a key that is missing is an error a person can act on."""
    secrets = info_of(integration).secret_fields
    try:
        return {
            name: crypto.decrypt_secret(
                value, tenant_id=integration.tenant_id, integration_id=integration.pk, field=name
            )
            if name in secrets
            else value
            for name, value in sealed.items()
        }
    except crypto.SecretUnreadable:
        raise PsaRefused(
            "invalid_credentials",
            "The stored keys can't be opened: the encryption key they were saved with is missing.",
            "Type the keys in again and save, or bring the missing key back into CREDENTIAL_KEYS.",
        ) from None


def budget_of(integration: Integration) -> Budget:
    """What all workers together may ask of this account."""
    info = info_of(integration)
    places = info.account_requests or info.parallel_requests
    return Budget(str(integration.pk), places=places, endpoint_places=info.endpoint_requests)


@contextmanager
def open_adapter(
    integration: Integration,
    *,
    sealed: Mapping[str, str] | None = None,
    on_wait: Callable[[float, str], None] | None = None,
    on_request: Callable[[], None] | None = None,
) -> Iterator[PsaAdapter]:
    """Give an adapter for the integration's credentials (or for `sealed`, a candidate's).

    What the adapter wants to remember is stored when the work is done, also when it failed; unless
    other credentials were saved meanwhile.
    """
    adapter_class = registry.get_adapter(integration.psa)
    info = adapter_class.info
    credentials = open_credentials(
        integration, integration.credentials if sealed is None else sealed
    )
    declared: dict[str, Any] = {
        setting.name: getattr(settings, setting.name) for setting in info.settings
    }
    memory: dict[str, str] = {} if sealed is not None else dict(integration.memory)
    http = PsaHttp(
        allow_private_hosts=settings.PSA_ALLOW_PRIVATE_HOSTS,
        parallel=info.parallel_requests,
        on_wait=on_wait,
        on_request=on_request,
        # other keys have a quota of their own, and a person waits for their test
        budget=budget_of(integration) if sealed is None else None,
    )
    try:
        yield adapter_class(credentials, declared, http, memory)
    finally:
        http.close()
        if sealed is None and memory != integration.memory:
            integration.memory = memory
            rows = Integration.objects.filter(tenant=integration.tenant_id, pk=integration.pk)
            # what it remembers of one address is nothing for the next
            rows.filter(credentials=integration.credentials).update(memory=memory)
