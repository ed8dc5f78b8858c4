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
from contextlib import AbstractContextManager, contextmanager

from django.conf import settings
from django.core.cache import cache

from integrations.psa.http import DEADLINE_SECONDS, no_turns

#: A place that its taker did not give back (it was killed) is free again after this.
PLACE_SECONDS = int(DEADLINE_SECONDS) + 10
LOOK_AGAIN_SECONDS = 0.02

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
        if cache.get(place) == token:
            cache.delete(place)


def _find_place(key: str, places: int, token: str) -> str:
    while True:
        for number in random.sample(range(places), places):
            place = f"{key}:{number}"
            if cache.add(place, token, PLACE_SECONDS):
                return place
        time.sleep(LOOK_AGAIN_SECONDS)
