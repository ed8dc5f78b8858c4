"""A sign of life that workers leave, so that /readyz/ knows whether there is one."""

from __future__ import annotations

import time

from django.core.cache import cache

KEY = "worker_heartbeat"
KEPT_SECONDS = 600


def beat() -> None:
    """Say that a worker is alive. The clock sends one every five seconds."""
    cache.set(KEY, time.time(), KEPT_SECONDS)


def seconds_since_beat() -> float | None:
    """How long ago a worker was last heard of; None = not in the last ten minutes."""
    last: float | None = cache.get(KEY)
    return None if last is None else max(time.time() - last, 0.0)
