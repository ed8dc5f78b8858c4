"""Wrong tokens from one address: counted, so that guessing costs the database nothing.

Over the limit of a minute, a token from that address is looked up only if it was right before: its
hash is remembered in the cache, and by each process that it came to. Who works from the same
address goes on; who guesses gets 429.
Each process asks the cache about the addresses alone that it had wrong tokens from. Without the
cache nothing is counted, and everything is looked up.
"""

from __future__ import annotations

import ipaddress
import logging
import time
from collections.abc import Callable
from datetime import timedelta
from functools import wraps
from typing import Final, ParamSpec

from django.conf import settings
from django.core.cache import cache
from redis.exceptions import RedisError

from audit_site.errors import DomainError

log = logging.getLogger(__name__)
P = ParamSpec("P")
MINUTE: Final = 60
#: A right token that was not used for so long counts as one that nobody knows.
REMEMBERED: Final = timedelta(days=30)
#: Addresses that sent this process wrong ones: the minute, and which.
_suspects: dict[int, set[str]] = {}
#: Right ones that came to this process, and when it last looked whether the cache knows.
_seen_right: dict[str, int] = {}
#: So many of them are known by a process at the most: then it begins again.
MOST_SEEN: Final = 10_000
#: What the cache remembers is made to last again once it is so old.
RENEWED_AFTER: Final = timedelta(days=1)


class TooManyWrongTokensError(DomainError):
    def __init__(self, seconds: int) -> None:
        super().__init__(
            "too_many_requests",
            "Too many wrong tokens came from your address.",
            f"Check your token, and try again in {seconds} seconds.",
            status=429,
        )
        self.headers = {"Retry-After": str(seconds)}


def _without_cache(work: Callable[P, None]) -> Callable[P, None]:
    """Go on where the cache can't be reached."""

    @wraps(work)
    def wrapper(*args: P.args, **kwargs: P.kwargs) -> None:
        try:
            work(*args, **kwargs)
        except (RedisError, OSError) as error:
            log.warning("cache_unreachable error=%s", type(error).__name__)

    return wrapper


@_without_cache
def count(address: str) -> None:
    """Another wrong one came from this address."""
    network, minute = _network(address), _minute()
    if minute not in _suspects:
        _suspects.clear()
    _suspects.setdefault(minute, set()).add(network)
    key = _key(network, minute)
    cache.add(key, 0, timeout=2 * MINUTE)
    try:
        cache.incr(key)
    except ValueError:  # the cache dropped it meanwhile
        cache.set(key, 1, timeout=2 * MINUTE)


@_without_cache
def refuse_too_many(address: str, token_hash: str = "") -> None:
    """Raise TooManyWrongTokensError, unless there is room or this token was right before."""
    network, minute = _network(address), _minute()
    if network not in _suspects.get(minute, ()):
        return
    if cache.get(_key(network, minute), 0) < settings.LIMIT_WRONG_TOKENS:
        return
    if token_hash in _seen_right:
        return
    if not token_hash or cache.get(_right(token_hash)) is None:
        raise TooManyWrongTokensError(MINUTE - int(time.time()) % MINUTE)


@_without_cache
def remember_right(token_hash: str) -> None:
    """This token is right: it is looked up, whatever else comes from its address.

    Call it whenever one is: a minute later a process looks again whether the cache still knows.
    """
    now = int(time.time())
    if 0 <= now - _seen_right.get(token_hash, 0) < MINUTE:
        return
    if len(_seen_right) >= MOST_SEEN:
        _seen_right.clear()
    _seen_right[token_hash] = now
    key = _right(token_hash)
    if now - cache.get(key, 0) >= RENEWED_AFTER.total_seconds():
        cache.set(key, now, timeout=int(REMEMBERED.total_seconds()))


def _minute() -> int:
    return int(time.time()) // MINUTE


def _key(network: str, minute: int) -> str:
    return f"wrong-tokens:{network}:{minute}"


def _right(token_hash: str) -> str:
    return f"right-token:{token_hash}"


def _network(address: str) -> str:
    """An address; of IPv6 the network of one customer, who has very many of them."""
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return "unknown"
    if parsed.version == 4:
        return str(parsed)
    return str(ipaddress.ip_network((int(parsed), 64), strict=False).network_address)
