"""What all workers together may ask of one PSA account: one budget, that learns from refusals.

At most so many requests at once, of the account and, where the PSA counts so, of each endpoint. A
"too many requests" halves what is asked at once, for everybody; it grows back place by place. And
until the moment that the PSA named, nobody asks at all.

Workers that share a Redis share the budget there. Without one there is a single worker process (the
embedded broker's), whose threads share it in memory.
"""

from __future__ import annotations

import random
import threading
import time
import uuid
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import dataclass, replace
from typing import Final, Protocol

from django.conf import settings
from django.core.cache import cache
from redis.exceptions import RedisError

from integrations.psa.errors import ASK_LATER, PsaRateLimited
from integrations.psa.http import LONGEST_WAIT_SECONDS
from integrations.runs import shutdown

#: A place that its taker did not give back (it was killed) is free again after this: others wait
#: for it, and who takes the work over finds it free.
PLACE_SECONDS = 12
#: A process that lives says so of its places this often, however slowly an answer drips.
KEEP_SECONDS = 4.0
LOOK_AGAIN_SECONDS: Final = 0.02
#: After a refusal one place more is tried each time this has passed.
GROW_SECONDS: Final = 10.0
#: Redis is being restarted: wait this long for it, then give the run back for as long.
PATIENCE_SECONDS: Final = 30.0
UNREACHABLE_PAUSE_SECONDS: Final = 0.5


@dataclass(frozen=True, slots=True)
class Refusal:
    """The last "too many requests": how many places it left, when, and until when nobody asks."""

    places: int
    at: float
    until: float

    def places_now(self, most: int, now: float) -> int:
        return min(most, self.places + int((now - self.at) / GROW_SECONDS))


class Budget:
    """The budget of one account, as one piece of work sees it. `places` = at once at the most."""

    def __init__(self, account: str, *, places: int, endpoint_places: int = 0) -> None:
        self._key = f"budget:{account}"
        self._places = places
        self._endpoint_places = endpoint_places
        self._own = threading.local()  # when the request of this thread was sent
        shared = str(settings.CACHES["default"]["BACKEND"]).endswith("RedisCache")
        self._store: Store = _REDIS if shared else _MEMORY

    @contextmanager
    def turn(self, endpoint: str = "") -> Iterator[None]:
        """Around a request: wait for a place, and until the moment that the PSA named.

        Raises PsaRateLimited when that moment is too far away to wait for it here.
        """
        while True:
            self._wait_for_the_gate()
            with self._take_places(endpoint):
                if self._seconds_shut() > 0:
                    continue  # the PSA named a moment while we waited: nobody waits inside
                self._own.sent_at = time.time()
                yield
                return

    @contextmanager
    def _take_places(self, endpoint: str) -> Iterator[None]:
        with self._store.place(self._key, self.places):
            if endpoint and self._endpoint_places:
                with self._store.place(f"{self._key}:{endpoint}", lambda: self._endpoint_places):
                    yield
            else:
                yield

    def places(self) -> int:
        """How many requests may be under way now."""
        refusal = self._store.refusal(self._key)
        return refusal.places_now(self._places, time.time()) if refusal else self._places

    def slow_down(self, seconds: float | None) -> None:
        """The PSA said "too many requests": ask half as much at once, and not before `seconds`.

        Of requests that were under way together, only the first one refused halves it. One at a
        time notes this.
        """
        sent_at = getattr(self._own, "sent_at", 0.0)
        with (
            suppress(PsaRateLimited),  # Redis is away: nobody can note it
            self._store.place(f"{self._key}:note", lambda: 1),
        ):
            now = time.time()
            until, known = now + (seconds or 0), self._store.refusal(self._key)
            if known is None or known.at <= sent_at:
                known = Refusal(max(self.places() // 2, 1), now, known.until if known else 0)
            self._store.refuse(self._key, replace(known, until=max(until, known.until)))

    def forget(self) -> None:
        """Other keys have another quota: begin again."""
        self._store.refuse(self._key, None)

    def _wait_for_the_gate(self) -> None:
        seconds = self._seconds_shut()
        if seconds > LONGEST_WAIT_SECONDS:
            raise PsaRateLimited(
                "The PSA has asked us to wait.",
                ASK_LATER,
                retry_after=seconds,
            )
        if seconds > 0:
            shutdown.sleep(seconds)

    def _seconds_shut(self) -> float:
        refusal = self._store.refusal(self._key)
        return refusal.until - time.time() if refusal else 0


class Store(Protocol):
    """Where a budget is kept."""

    def place(self, key: str, places: Callable[[], int]) -> AbstractContextManager[None]: ...

    def refusal(self, key: str) -> Refusal | None: ...

    def refuse(self, key: str, refusal: Refusal | None) -> None: ...


class _Memory:
    """For the threads of one process."""

    def __init__(self) -> None:
        self._taken: Counter[str] = Counter()
        self._refusals: dict[str, Refusal] = {}
        self._changed = threading.Condition()

    @contextmanager
    def place(self, key: str, places: Callable[[], int]) -> Iterator[None]:
        with self._changed:
            while self._taken[key] >= places():
                shutdown.check()
                self._changed.wait(timeout=1)  # a place may come by time alone
            self._taken[key] += 1
        try:
            yield
        finally:
            with self._changed:
                self._taken[key] -= 1
                if not self._taken[key]:
                    del self._taken[key]
                self._changed.notify_all()

    def refusal(self, key: str) -> Refusal | None:
        return self._refusals.get(key)

    def refuse(self, key: str, refusal: Refusal | None) -> None:
        if refusal is None:
            self._refusals.pop(key, None)
        else:
            self._refusals[key] = refusal


class _Redis:
    """For all processes that share a Redis."""

    def __init__(self) -> None:
        self._taken: dict[str, str] = {}  # by this process: place → token
        self._keeper: threading.Thread | None = None
        self._lock = threading.Lock()

    @contextmanager
    def place(self, key: str, places: Callable[[], int]) -> Iterator[None]:
        token = uuid.uuid4().hex
        taken = self._find(key, places, token)
        self._hold(taken, token)
        try:
            yield
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

    def _find(self, key: str, places: Callable[[], int], token: str) -> str:
        unreachable_since: float | None = None
        while True:
            try:
                most = places()
                for number in random.sample(range(most), most):  # nosec B311 # no secret
                    place = f"{key}:place:{number}"
                    if cache.add(place, token, PLACE_SECONDS):
                        return place
            except RedisError:
                now = time.monotonic()
                unreachable_since = unreachable_since or now
                if now - unreachable_since > PATIENCE_SECONDS:
                    raise _nobody_gives_turns() from None
                shutdown.sleep(UNREACHABLE_PAUSE_SECONDS)
            else:
                unreachable_since = None
                shutdown.sleep(LOOK_AGAIN_SECONDS)

    def refusal(self, key: str) -> Refusal | None:
        with suppress(RedisError):
            found: Refusal | None = cache.get(f"{key}:refusal")
            return found
        return None

    def refuse(self, key: str, refusal: Refusal | None) -> None:
        with suppress(RedisError):
            if refusal is None:
                cache.delete(f"{key}:refusal")
            else:
                rest = max(refusal.until - refusal.at, 0)
                cache.set(f"{key}:refusal", refusal, int(rest + 64 * GROW_SECONDS))


_MEMORY: Final = _Memory()
_REDIS: Final = _Redis()


def _nobody_gives_turns() -> PsaRateLimited:
    return PsaRateLimited(
        "Our own queue is not available, so nobody knows whose turn it is at the PSA.",
        "Try again in a minute. If it stays so, let the ones who run audIT look at its Redis.",
        retry_after=PATIENCE_SECONDS,
    )
