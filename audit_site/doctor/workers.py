"""The broker, and the workers that it hands messages to."""

from __future__ import annotations

from typing import Final
from urllib.parse import urlsplit

from django.conf import settings

from audit_site import worker_heartbeat
from audit_site.celery import app
from audit_site.doctor.findings import Finding, failing, ok, warning
from audit_site.doctor.settings_checks import LOOPBACK, is_local
from audit_site.health import CHECKS
from audit_site.release import release_mark

REDIS: Final = frozenset({"redis", "rediss"})
PING_SECONDS: Final = 2.0
START: Final = "Start `celery -A audit_site worker -B`, and let it be started again when it ends."


def broker() -> Finding:
    """Whether messages can be sent; the error itself may hold the password and is not shown."""
    try:
        CHECKS["broker"]()
    except Exception as error:  # noqa: BLE001  each transport has errors of its own
        return failing(
            f"The broker can't be reached ({type(error).__name__}): nothing is synced, no mail "
            "leaves.",
            "See that it runs, and that CELERY_BROKER_URL names it with its password.",
        )
    return _private()


def _private() -> Finding:
    address = urlsplit(settings.CELERY_BROKER_URL)
    if address.scheme == "filesystem" and not is_local():
        return warning(
            "The broker is a folder, which serves one machine.",
            "Set CELERY_BROKER_URL to a Redis before more than one machine is used.",
        )
    is_elsewhere = (address.hostname or "") not in LOOPBACK
    if address.scheme in REDIS and is_elsewhere and not address.password:
        return failing(
            "The broker takes messages from everybody who reaches it: it has no password.",
            "Set a password in Redis (requirepass) and in CELERY_BROKER_URL.",
        )
    return ok("The broker answers, and not to everybody.")


def worker() -> Finding:
    """A worker with its clock beats every five seconds."""
    silent = worker_heartbeat.seconds_since_beat()
    if silent is not None and silent < worker_heartbeat.SILENT_SECONDS:
        return _same_release()
    heard = "within ten minutes" if silent is None else f"for {silent:.0f} seconds"
    if _answers():
        return failing(
            f"A worker answers, but its clock was not heard of {heard}: nothing starts by itself.",
            "Start one worker with its clock: `celery -A audit_site worker -B`.",
        )
    return failing(f"No worker was heard of {heard}: nothing is synced, no mail leaves.", START)


def _answers() -> bool:
    """Whether a worker answers to its name; folders can't carry the question."""
    if urlsplit(settings.CELERY_BROKER_URL).scheme not in REDIS:
        return False
    return bool(app.control.inspect(timeout=PING_SECONDS).ping())


def _same_release() -> Finding:
    if worker_heartbeat.worker_release() == release_mark():
        return ok("A worker and its clock are at work, and run this code.")
    return warning(
        "The worker that was heard of last runs other code than this command.",
        "Start the workers again, so that all processes are of one release.",
    )
