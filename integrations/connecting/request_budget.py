"""What all workers together may ask of one PSA account: one budget, that learns from answers.

At most so many requests at once, of the account and, where the PSA counts so, of each endpoint. How
many follows from the answers (`psa.growth`), for everybody: more while they are quick, half as many
after a "too many requests". And until the moment that the PSA named, nobody asks at all.

Workers that share a Redis share the budget there. Without one there is a single worker process (the
embedded broker's), whose threads share it in memory.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Final

from django.conf import settings

from integrations.connecting.budget_store import MEMORY, REDIS, Known, Store
from integrations.psa.errors import ASK_LATER, PsaRateLimited
from integrations.psa.growth import AnswerTimes, Growth, Pace, said_again
from integrations.psa.http import LONGEST_WAIT_SECONDS
from integrations.runs import shutdown

#: What answers have shown is noted this often at least, so that it is not forgotten meanwhile.
NOTE_SECONDS: Final = 20.0


class Budget:
    """The budget of one account, as one piece of work sees it.

    It begins with `places` at once, and grows to `most` (0 = it does not grow).
    """

    def __init__(
        self, account: str, *, places: int, endpoint_places: int = 0, most: int = 0
    ) -> None:
        self._key = f"budget:{account}"
        self._growth = Growth(places, max(places, most))
        self._endpoint_places = endpoint_places
        self._own = threading.local()  # when the request of this thread was sent
        self._times = AnswerTimes()
        self._has_adopted = False
        self._lock = threading.RLock()
        self._limit, self._refused_at = places, 0.0
        shared = str(settings.CACHES["default"]["BACKEND"]).endswith("RedisCache")
        self._store: Store = REDIS if shared else MEMORY

    @contextmanager
    def turn(self, endpoint: str = "") -> Iterator[None]:
        """Around a request: wait for a place, and until the moment that the PSA named.

        Raises PsaRateLimited when that moment is too far away to wait for it here.
        """
        while True:
            self._wait_for_the_gate()
            with self._take_places(endpoint) as waited:
                if waited and self._seconds_shut(self._look()) > 0:
                    continue  # the PSA named a moment while we waited: nobody waits inside
                self._own.sent_at = time.time()
                yield
                return

    @contextmanager
    def _take_places(self, endpoint: str) -> Iterator[bool]:
        with self._store.place(self._key, self._places_from_now()) as waited:
            if endpoint and self._endpoint_places:
                key = f"{self._key}:{endpoint}"
                with self._store.place(key, lambda: self._endpoint_places) as waited_here:
                    yield waited or waited_here
            else:
                yield waited

    def _places_from_now(self) -> Callable[[], int]:
        """What was seen at the gate a moment ago holds for the first look; then look again."""
        looks = 0

        def places() -> int:
            nonlocal looks
            looks += 1
            return self._limit if looks == 1 else self.places()

        return places

    def places(self) -> int:
        """How many requests may be under way now."""
        self._look()
        return self._limit

    def at_once(self) -> int:
        """The same as far as is known here; asks nobody."""
        return self._limit

    def answered(self, kind: str, seconds: float) -> None:
        """A good answer to a kind of question took so long: more may be asked at once, or less.

        What was under way when the PSA refused something says nothing.
        """
        with self._lock:
            if getattr(self._own, "sent_at", 0.0) < self._refused_at:
                return
            is_slow = self._times.note(kind, seconds, self._limit)
            if is_slow is None:
                return
            refusal, pace = self._look()
            limit = self._growth.after_round(self._limit, refusal, is_slow=is_slow)
            if limit == self._limit and pace and time.time() - pace.at < NOTE_SECONDS:
                return
            self._limit = limit
            known = Pace(limit, time.time(), self._refused_at, self._times.first_times)
            self._store.keep_pace(self._key, known)

    def slow_down(self, seconds: float | None, *, teaches: bool = True) -> None:
        """The PSA refused: ask half as much at once, and not before `seconds`.

        `teaches`: it said "too many requests", so that nobody asks as much for a while. Of requests
        that were under way together, only the first one refused halves it. One at a time notes
        this.
        """
        sent_at = getattr(self._own, "sent_at", 0.0)
        with (
            suppress(PsaRateLimited),  # Redis is away: nobody can note it
            self._store.place(f"{self._key}:note", lambda: 1),
        ):
            now = time.time()
            until, (known, _) = now + (seconds or 0), self._look()
            if known is None or known.at <= sent_at:
                known = self._growth.after_refusal(
                    self._limit, known, now=now, until=until, teaches=teaches
                )
            else:
                known = said_again(known, until, teaches=teaches)
            self._store.refuse(self._key, known)
        with self._lock:
            self._times.begin_round()
            self._look()

    def forget(self) -> None:
        """Other keys have another quota: begin again."""
        self._store.refuse(self._key, None)

    def _look(self) -> Known:
        """What all workers know of the account now."""
        refusal, pace = self._store.known(self._key)
        if pace is not None and not self._has_adopted:
            with self._lock:
                self._times.adopt(pace.first_times)
                self._has_adopted = True
        self._limit = self._growth.limit(refusal, pace, time.time())
        self._refused_at = refusal.at if refusal else 0.0
        return refusal, pace

    def _wait_for_the_gate(self) -> None:
        seconds = self._seconds_shut(self._look())
        if seconds > LONGEST_WAIT_SECONDS:
            raise PsaRateLimited(
                "The PSA has asked us to wait.",
                ASK_LATER,
                retry_after=seconds,
            )
        if seconds > 0:
            shutdown.sleep(seconds)

    @staticmethod
    def _seconds_shut(known: Known) -> float:
        refusal, _ = known
        return refusal.until - time.time() if refusal else 0
