"""Whose address a request comes from: decided once, for limits, logs and the audit trail alike."""

from __future__ import annotations

import ipaddress
from collections.abc import Callable

from django.conf import settings
from django.http import HttpRequest, HttpResponse


def client_address(forwarded: str, proxies: int) -> str | None:
    """The client's address by `X-Forwarded-For`; None where it does not say.

    Each proxy adds the address that it was asked from, so with `proxies` in front the client's is
    that many from the right. What stands further left was typed by the client.
    """
    parts = [part.strip() for part in forwarded.split(",")]
    if proxies < 1 or len(parts) < proxies:
        return None
    address = parts[-proxies]
    if address.startswith("["):  # [2001:db8::1]:443
        address = address[1:].partition("]")[0]
    elif address.count(":") == 1:  # 192.0.2.1:443
        address = address.partition(":")[0]
    try:
        return str(ipaddress.ip_address(address))
    except ValueError:
        return None


class ClientAddressMiddleware:
    """Puts the client's address into REMOTE_ADDR, and takes away what nobody else may trust."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self._get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        forwarded = request.META.pop("HTTP_X_FORWARDED_FOR", "")
        if address := client_address(forwarded, settings.TRUST_PROXY):
            request.META["REMOTE_ADDR"] = address
        return self._get_response(request)
