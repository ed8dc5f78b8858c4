"""Where the budget of an account is kept: in Redis for all processes that share one, else in memory
for the threads of this one.
"""

from __future__ import annotations

import random
import threading
import time
import uuid
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from typing import Final, Protocol

from django.core.cache import cache
from redis.exceptions import RedisError

from integrations.psa.errors import PsaRateLimited
from integrations.psa.growth import LEARNED_SECONDS, QUIET_SECONDS, Pace, Refusal
from integrations.runs import shutdown

#: A place that its taker did not give back (it was killed) is free again after this: others wait
#: for it, and who takes the work over finds it free.
PLACE_SECONDS = 12
#: A process that lives says so of its places this often, however slowly an answer drips.
KEEP_SECONDS = 4.0
LOOK_AGAIN_SECONDS: Final = 0.02
#: Redis is being restarted: wait this long for it, then give the run back for as long.
PATIENCE_SECONDS: Final = 30.0
UNREACHABLE_PAUSE_SECONDS: Final = 0.5

#: What is known of an account: the last refusal, and what answers have shown.
Known = tuple[Refusal | None, Pace | None]


class Store(Protocol):
    """Where a budget is kept. `place` yields whether it had to be waited for."""

    def place(self, key: str, places: Callable[[], int]) -> AbstractContextManager[bool]: ...

    def known(self, key: str) -> Known: ...

    def refuse(self, key: str, refusal: Refusal | None) -> None: ...

    def keep_pace(self, key: str, pace: Pace) -> None: ...


class Memory:
    """For the threads of one process."""

    def __init__(self) -> None:
        self._taken: Counter[str] = Counter()
        self._refusals: dict[str, Refusal] = {}
        self._paces: dict[str, Pace] = {}
        self._changed = threading.Condition()

    @contextmanager
    def place(self, key: str, places: Callable[[], int]) -> Iterator[bool]:
        waited = False
        with self._changed:
            while self._taken[key] >= places():
                waited = True
                shutdown.check()
                self._changed.wait(timeout=1)  # a place may come by time alone
            self._taken[key] += 1
        try:
            yield waited
        finally:
            with self._changed:
                self._taken[key] -= 1
                if not self._taken[key]:
                    del self._taken[key]
                self._changed.notify_all()

    def known(self, key: str) -> Known:
        return self._refusals.get(key), self._paces.get(key)

    def refuse(self, key: str, refusal: Refusal | None) -> None:
        if refusal is None:
            self._refusals.pop(key, None)
            self._paces.pop(key, None)
        else:
            self._refusals[key] = refusal

    def keep_pace(self, key: str, pace: Pace) -> None:
        self._paces[key] = pace


class Redis:
    """For all processes that share a Redis."""

    def __init__(self) -> None:
        self._taken: dict[str, str] = {}  # by this process: place → token
        self._keeper: threading.Thread | None = None
        self._lock = threading.Lock()

    @contextmanager
    def place(self, key: str, places: Callable[[], int]) -> Iterator[bool]:
        token = uuid.uuid4().hex
        taken, waited = self._find(key, places, token)
        self._hold(taken, token)
        try:
            yield waited
        finally:
            with self._lock:
                if self._taken.get(taken) == token:
                    del self._taken[taken]
            with suppress(RedisError):  # it frees itself
                if cache.get(taken) == token:
                    cache.delete(taken)

    def _hold(self, place: str, token: str) -> None:
        with self._lock:
            self._taken[place] = token
            if self._keeper is None:
                self._keeper = threading.Thread(target=self._keep, name="places", daemon=True)
                self._keeper.start()

    def _keep(self) -> None:
        """Keep what this process has taken, until it has taken nothing."""
        while True:
            time.sleep(KEEP_SECONDS)
            with self._lock:
                taken = dict(self._taken)
                if not taken:
                    self._keeper = None
                    return
            with suppress(RedisError):
                for place, token in taken.items():
                    if cache.get(place) == token:
                        cache.touch(place, PLACE_SECONDS)

    def _find(self, key: str, places: Callable[[], int], token: str) -> tuple[str, bool]:
        unreachable_since: float | None = None
        waited = False
        while True:
            try:
                most = places()
                for number in random.sample(range(most), most):  # nosec B311 # no secret
                    place = f"{key}:place:{number}"
                    if cache.add(place, token, PLACE_SECONDS):
                        return place, waited
            except RedisError:
                now = time.monotonic()
                unreachable_since = unreachable_since or now
                if now - unreachable_since > PATIENCE_SECONDS:
                    raise _nobody_gives_turns() from None
                shutdown.sleep(UNREACHABLE_PAUSE_SECONDS)
            else:
                unreachable_since = None
                shutdown.sleep(LOOK_AGAIN_SECONDS)
            waited = True

    def known(self, key: str) -> Known:
        names = f"{key}:refusal", f"{key}:pace"
        with suppress(RedisError):
            found = cache.get_many(names)
            return found.get(names[0]), found.get(names[1])
        return None, None

    def refuse(self, key: str, refusal: Refusal | None) -> None:
        with suppress(RedisError):
            if refusal is None:
                cache.delete_many([f"{key}:refusal", f"{key}:pace"])
            else:
                rest = max(refusal.until - refusal.at, 0)
                cache.set(f"{key}:refusal", refusal, int(rest + LEARNED_SECONDS))

    def keep_pace(self, key: str, pace: Pace) -> None:
        with suppress(RedisError):
            cache.set(f"{key}:pace", pace, int(QUIET_SECONDS))


MEMORY: Final = Memory()
REDIS: Final = Redis()


def _nobody_gives_turns() -> PsaRateLimited:
    return PsaRateLimited(
        "Our own queue is not available, so nobody knows whose turn it is at the PSA.",
        "Try again in a minute. If it stays so, let the ones who run audIT look at its Redis.",
        retry_after=PATIENCE_SECONDS,
    )
