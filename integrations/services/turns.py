"""Taking turns at a PSA's endpoint: at most so many requests at once, of all workers together.

Workers that share a Redis take turns there. Without one there is a single worker process (the
embedded broker's), whose threads take turns in memory.
"""

from __future__ import annotations

import random
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress

from django.conf import settings
from django.core.cache import cache
from redis.exceptions import RedisError

from integrations.psa.errors import PsaRateLimited
from integrations.psa.http import CONNECT_SECONDS, READ_SECONDS, no_turns

#: A place that its taker did not give back (it was killed) is free again after this: as long as an
#: answer may take to begin. About a lease, so that who takes the work over finds the place free. An
#: answer that drips for longer risks a request too many, which the PSA then turns away.
PLACE_SECONDS = int(CONNECT_SECONDS + READ_SECONDS) + 5
LOOK_AGAIN_SECONDS = 0.02
#: Redis is being restarted: wait this long for it, then give the run back for as long.
PATIENCE_SECONDS = 30.0
UNREACHABLE_PAUSE_SECONDS = 0.5

_here: dict[str, threading.BoundedSemaphore] = {}
_here_lock = threading.Lock()


def turns(account: str, places: int) -> Callable[[str], AbstractContextManager[None]]:
    """Give what `PsaHttp` enters around a request: waits until one of the places is free."""
    if places < 1:
        return no_turns
    shared = settings.CACHES["default"]["BACKEND"].endswith("RedisCache")
    take = _take_shared if shared else _take_here
    return lambda endpoint: take(f"turn:{account}:{endpoint}", places)


@contextmanager
def _take_here(key: str, places: int) -> Iterator[None]:
    with _here_lock:
        semaphore = _here.setdefault(key, threading.BoundedSemaphore(places))
    with semaphore:
        yield


@contextmanager
def _take_shared(key: str, places: int) -> Iterator[None]:
    token = uuid.uuid4().hex
    place = _find_place(key, places, token)
    try:
        yield
    finally:
        with suppress(RedisError):  # it frees itself
            if cache.get(place) == token:
                cache.delete(place)


def _find_place(key: str, places: int, token: str) -> str:
    unreachable_since: float | None = None
    while True:
        try:
            for number in random.sample(range(places), places):
                place = f"{key}:{number}"
                if cache.add(place, token, PLACE_SECONDS):
                    return place
        except RedisError:
            now = time.monotonic()
            unreachable_since = unreachable_since or now
            if now - unreachable_since > PATIENCE_SECONDS:
                raise _nobody_gives_turns() from None
            time.sleep(UNREACHABLE_PAUSE_SECONDS)
        else:
            unreachable_since = None
            time.sleep(LOOK_AGAIN_SECONDS)


def _nobody_gives_turns() -> PsaRateLimited:
    return PsaRateLimited(
        "Our own queue is not available, so nobody knows whose turn it is at the PSA.",
        "Nothing to do: the work goes on by itself when it is back.",
        retry_after=PATIENCE_SECONDS,
    )
