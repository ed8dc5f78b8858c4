"""From an integration to a working adapter: credentials opened, HTTP client made, memory kept."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from django.conf import settings
from django.db import transaction

from integrations.connecting.credentials import open_credentials, same_keys
from integrations.connecting.request_budget import Budget
from integrations.connecting.wrong_keys import key_tries
from integrations.models import Integration
from integrations.psa import registry
from integrations.psa.contract import PsaAdapter, PsaInfo
from integrations.psa.http import PsaHttp
from integrations.psa.kept import AnswerKeeper
from integrations.runs import run_log


def budget_of(integration: Integration) -> Budget:
    """What all workers together may ask of this account."""
    info = integration.psa_info
    most = settings.PSA_MOST_REQUESTS
    return Budget(
        str(integration.pk),
        places=min(info.account_requests or info.parallel_requests, most),
        endpoint_places=info.endpoint_requests,
        most=most if info.grows else 0,
    )


def _threads(info: PsaInfo, *, is_test: bool) -> int:
    """How many requests one piece of work may make at once: as many as all, where that grows. With
    other keys than those in use nobody asks for more.
    """
    most = settings.PSA_MOST_REQUESTS
    return most if info.grows and not is_test else min(info.parallel_requests, most)


@contextmanager
def open_adapter(
    integration: Integration,
    *,
    sealed: Mapping[str, str] | None = None,
    on_wait: Callable[[float, str], None] | None = None,
    on_request: Callable[[], None] | None = None,
    kept: AnswerKeeper | None = None,
    is_test: bool = False,
) -> Iterator[PsaAdapter]:
    """Give an adapter for the integration's credentials (or for `sealed`, a candidate's).

    What is in `kept` is not asked again. `is_test`: the work itself is to try the keys.

    What the adapter wants to remember is stored when the work is done, also when it failed; unless
    other credentials were saved meanwhile.
    """
    adapter_class = registry.get_adapter(integration.psa)
    credentials = open_credentials(
        integration, integration.credentials if sealed is None else sealed
    )
    declared = _declared_settings(adapter_class.info)
    memory: dict[str, str] = {} if sealed is not None else dict(integration.memory)
    tries = key_tries(integration, credentials)
    http = PsaHttp(
        allow_private_hosts=settings.PSA_ALLOW_PRIVATE_HOSTS,
        allowed_ports=settings.PSA_ALLOWED_PORTS,
        our_addresses=settings.OUTGOING_ADDRESSES,
        parallel=_threads(adapter_class.info, is_test=sealed is not None),
        on_wait=on_wait,
        on_request=on_request,
        on_refused=run_log.refused_calls(),
        # other keys have a quota of their own, and a person waits for their test
        budget=budget_of(integration) if sealed is None else None,
        kept=kept,
        key_tries=tries,
    )
    try:
        adapter = adapter_class(credentials, declared, http, memory)
        if not is_test and tries.must_be_proved():
            adapter.authenticate()
        yield adapter
    finally:
        http.close()
        tries.close()
        if sealed is None and memory != integration.memory:
            _remember(integration, memory)


def _declared_settings(info: PsaInfo) -> dict[str, Any]:
    """The values of the process settings that an adapter declares, by name."""
    return {setting.name: getattr(settings, setting.name) for setting in info.settings}


def _remember(integration: Integration, memory: dict[str, str]) -> None:
    """Store what an adapter remembers, unless it is about an address that was changed meanwhile."""
    integration.memory = memory
    with transaction.atomic():
        rows = Integration.objects.filter(tenant=integration.tenant_id, pk=integration.pk)
        locked = rows.select_for_update(no_key=True).first()
        if locked and same_keys(locked.credentials, integration.credentials):
            rows.update(memory=memory)
