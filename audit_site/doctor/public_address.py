"""The way from outside: what answers at PUBLIC_URL, its certificate, and the proxies on the way."""

from __future__ import annotations

import json
import ssl
import time
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPException, HTTPSConnection
from typing import Any, Final
from urllib.parse import urlsplit

from django.conf import settings

from audit_site import probe
from audit_site.doctor.findings import Finding, counted, failing, ok, warning
from audit_site.release import release_mark

SECONDS: Final = 5
MOST_BYTES: Final = 10_000
LEAST_DAYS: Final = 14


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back from PUBLIC_URL: the body where it is JSON, and the certificate's last day."""

    body: dict[str, Any]
    days_left: float | None


def public_address() -> Finding:
    """Ask a web process the way its people do, and compare what arrives with the settings."""
    try:
        answer = _ask()
    except ssl.SSLCertVerificationError as error:
        return failing(
            f"Browsers refuse the certificate of {settings.PUBLIC_URL}: {error.verify_message}.",
            "Put a certificate with its chain in place that is valid for this name.",
        )
    except (OSError, HTTPException) as error:
        return warning(
            f"{settings.PUBLIC_URL} can't be asked from this machine ({type(error).__name__}), so "
            "proxies and certificate are not looked at.",
            "See that a web process runs, or run this where PUBLIC_URL can be reached.",
        )
    return _judge(answer)


def _ask() -> Answer:
    public = urlsplit(settings.PUBLIC_URL)
    if public.scheme == "https":
        context = ssl.create_default_context()
        asked: HTTPConnection = HTTPSConnection(
            public.hostname or "", public.port, timeout=SECONDS, context=context
        )
    else:
        asked = HTTPConnection(public.hostname or "", public.port, timeout=SECONDS)
    try:
        asked.connect()
        days_left = _days_left(asked.sock)
        asked.request("GET", f"{public.path}/healthz/", headers=probe.headers())
        text = asked.getresponse().read(MOST_BYTES)
    finally:
        asked.close()
    return Answer(_object(text), days_left)


def _days_left(connected: Any) -> float | None:
    if not isinstance(connected, ssl.SSLSocket):
        return None
    certificate = connected.getpeercert() or {}
    ends = ssl.cert_time_to_seconds(str(certificate["notAfter"]))
    return (ends - time.time()) / 86_400


def _object(text: bytes) -> dict[str, Any]:
    try:
        body = json.loads(text)
    except ValueError:
        return {}
    return body if isinstance(body, dict) else {}


def _judge(answer: Answer) -> Finding:
    body, url = answer.body, settings.PUBLIC_URL
    if body.get("status") != "ok":
        return failing(
            f"Something else answers at {url}.",
            "Let the proxy hand requests for this name to the web process, or correct PUBLIC_URL.",
        )
    if "proxies" not in body:
        return failing(
            f"The web process behind {url} has another SECRET_KEY, or is of an older release.",
            "Give all processes the same settings and code, and start them again.",
        )
    return _proxies(body["proxies"], body["forwarded_proto"]) or _rest(answer)


def _proxies(found: int, proto: str) -> Finding | None:
    said = f"TRUST_PROXY says {settings.TRUST_PROXY}, and {counted(found, 'proxy', 'proxies')} "
    if found > settings.TRUST_PROXY:
        return failing(
            f"{said}added to X-Forwarded-For: all people count as one address, and lock each other "
            "out.",
            f"Set TRUST_PROXY={found} and start the processes again.",
        )
    if found < settings.TRUST_PROXY:
        return failing(
            f"{said}added to X-Forwarded-For: people can type the address that they count as.",
            f"Set TRUST_PROXY={found}, or let each proxy add to X-Forwarded-For.",
        )
    if settings.IS_HTTPS and (found == 0 or proto != "https"):
        return failing(
            "No proxy says that people came by https: each page leads to itself without end.",
            "Let the last proxy set X-Forwarded-Proto to https, and set TRUST_PROXY.",
        )
    return None


def _rest(answer: Answer) -> Finding:
    if answer.days_left is not None and answer.days_left < LEAST_DAYS:
        return warning(
            f"The certificate of {settings.PUBLIC_URL} ends in {answer.days_left:.0f} days.",
            "Renew it, and let the proxy read it again.",
        )
    if answer.body["release"] != release_mark():
        return warning(
            "The web process runs other code than this command.",
            "Start the web processes again, so that all are of one release.",
        )
    counts = counted(answer.body["proxies"], "proxy", "proxies")
    return ok(f"{settings.PUBLIC_URL} leads to this product, by {counts}.")
