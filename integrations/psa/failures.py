"""What goes wrong on the way to a PSA and back, as errors that a person can act on."""

from __future__ import annotations

import socket
import ssl
from collections.abc import Callable, Collection
from typing import Any, Final

import requests
import urllib3
from requests_hardened.ip_filter import InvalidIPAddress

from integrations.psa.errors import (
    PsaAnswerTooLarge,
    PsaBadResponse,
    PsaError,
    PsaRefused,
    PsaUnavailable,
)


def unreadable_address() -> PsaRefused:
    return PsaRefused(
        "not_a_psa_server",
        "The server address can't be read.",
        "Type it as you see it in the browser when you sign in to your PSA.",
    )


def blocked_address(host: str) -> PsaRefused:
    return PsaRefused(
        "blocked_address",
        f"{host} is not an address that we connect to.",
        "Use the public https address of your PSA; private networks are refused.",
    )


def plain_http(host: str) -> PsaRefused:
    return PsaRefused(
        "blocked_address",
        f"We don't connect to {host} by plain http.",
        "Type the address with https://; plain http would show your keys to others.",
    )


def blocked_port(host: str, port: int, allowed: Collection[int]) -> PsaRefused:
    return PsaRefused(
        "blocked_address",
        f"We don't connect to port {port} of {host}.",
        f"Allowed are the ports {', '.join(map(str, sorted(allowed)))}. For a server on another "
        "one, let the ones who run audIT add it to PSA_ALLOWED_PORTS.",
    )


def too_large(host: str, most_bytes: int, beginning: bytes) -> PsaAnswerTooLarge:
    return PsaAnswerTooLarge(
        f"{host} sent an answer larger than {most_bytes / 1024 / 1024:.3g} MB.",
        "Report it to us: an answer this large is not one we asked for.",
        beginning=beginning,
    )


def odd_character(_: str) -> PsaRefused:
    return PsaRefused(
        "invalid_credentials",
        "The keys hold a character that no key has.",
        "Copy them again, without blanks or line breaks.",
    )


def timed_out(host: str) -> PsaUnavailable:
    return PsaUnavailable(
        "timeout",
        f"{host} did not answer in time.",
        "Try again; if it stays slow, ask the PSA's support or check your firewall.",
    )


def no_such_server(host: str) -> PsaUnavailable:
    return PsaUnavailable(
        "dns_failure", f"There is no server named {host}.", "Check the spelling of the address."
    )


def tls_error(host: str) -> PsaRefused:
    return PsaRefused(
        "tls_error",
        f"The certificate or encryption of {host} is not valid.",
        "Ask whoever runs the server to install a valid certificate.",
    )


def connection_refused(host: str) -> PsaUnavailable:
    return PsaUnavailable(
        "connection_refused",
        f"{host} refuses the connection.",
        "Check the address and port, and that the server is running and lets us in.",
    )


def damaged_answer(host: str) -> PsaBadResponse:
    return PsaBadResponse(
        f"{host} sent a damaged answer.", "Try again; if it happens again, report it to us."
    )


def broken_off(host: str) -> PsaUnavailable:
    return PsaUnavailable(
        "psa_unavailable",
        f"The connection to {host} broke off.",
        "Try again in a few minutes.",
    )


def causes(error: BaseException) -> list[BaseException]:
    """The error and everything it was made from: requests and urllib3 wrap each other."""
    found: list[BaseException] = []
    waiting: list[Any] = [error]
    while waiting:
        current = waiting.pop()
        if not isinstance(current, BaseException) or current in found:
            continue
        found.append(current)
        waiting += [current.__cause__, current.__context__, getattr(current, "reason", None)]
        waiting += list(current.args)
    return found


#: What a transport failure means, by what caused it; the first that fits.
FAILURES: Final[tuple[tuple[tuple[type[BaseException], ...], Callable[[str], PsaError]], ...]] = (
    ((InvalidIPAddress,), blocked_address),
    ((socket.gaierror, urllib3.exceptions.NameResolutionError), no_such_server),
    ((requests.exceptions.SSLError, ssl.SSLError, urllib3.exceptions.SSLError), tls_error),
    ((ConnectionRefusedError,), connection_refused),
    (
        (requests.exceptions.Timeout, urllib3.exceptions.TimeoutError, TimeoutError),
        timed_out,
    ),
    (
        (
            requests.exceptions.InvalidURL,
            requests.exceptions.InvalidSchema,
            requests.exceptions.MissingSchema,
            urllib3.exceptions.LocationParseError,
        ),
        lambda _: unreadable_address(),
    ),
    ((requests.exceptions.InvalidHeader, UnicodeEncodeError), odd_character),
    ((UnicodeError,), lambda _: unreadable_address()),
    (
        (requests.exceptions.ContentDecodingError, urllib3.exceptions.DecodeError),
        damaged_answer,
    ),
)


def explain(error: Exception, host: str) -> PsaError:
    """Turn a transport failure into what a person can act on."""
    if isinstance(error, PsaError):
        return error
    found = causes(error)
    for kinds, meaning in FAILURES:
        if any(isinstance(cause, kinds) for cause in found):
            return meaning(host)
    return broken_off(host)
