"""A sign of life that workers leave, so that /readyz/ knows whether there is one."""

from __future__ import annotations

import time

from django.core.cache import cache

from audit_site.release import release_mark

KEY = "worker_heartbeat"
RELEASE_KEY = "worker_release"
KEPT_SECONDS = 600
#: Workers beat every five seconds; one that has not been heard of for so long is gone.
SILENT_SECONDS = 35.0


def beat() -> None:
    """Say that a worker is alive, and which code it runs; the clock sends it every five seconds."""
    cache.set_many({KEY: time.time(), RELEASE_KEY: release_mark()}, KEPT_SECONDS)


def seconds_since_beat() -> float | None:
    """How long ago a worker was last heard of; None = not in the last ten minutes."""
    last: float | None = cache.get(KEY)
    return None if last is None else max(time.time() - last, 0.0)


def worker_release() -> str | None:
    """Which code the worker runs that was heard of last; None where none has said so."""
    release: str | None = cache.get(RELEASE_KEY)
    return release
