"""Limits of guessing: they slow down who guesses, and lock nobody else out.

What is counted are tries that fail. Each counts for the account at this client's address, for the
account wherever the client is, and for the address; when any has too many, the next try has to
wait, and longer each time. A browser that has signed in to the account before holds a signed mark
of it (audit_site.tenants.known_devices) and is counted by itself: whoever else guesses, its owner
gets in. The same holds for who has just opened a link that was sent to the account's address.

A try is counted before the secret is looked at, so that many at once are no way around, and is
taken back when it was right.
"""

from __future__ import annotations

import hashlib
import hmac
import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from ipaddress import IPv6Address, IPv6Network, ip_address
from typing import Final

from django.conf import settings
from django.db import transaction
from django.db.models import F
from django.http import HttpRequest
from django.utils import timezone

from audit_site.db.slices import delete_in_slices
from audit_site.tenants.known_devices import account_name, known_device
from audit_site.tenants.models import TryCount

#: A home or an office has at least this many bits of IPv6 addresses.
IPV6_PREFIX: Final = 64


@dataclass(frozen=True, slots=True)
class Pace:
    """How many tries are free, and how long the waits after them are."""

    name: str
    free: int
    first: timedelta
    most: timedelta
    #: In so long as many as are free are forgotten, one after the other.
    forget: timedelta

    def left_of(self, tries: float, passed: timedelta) -> float:
        """How many tries still count after some time has passed."""
        return max(tries - self.free * (passed / self.forget), 0.0)

    def wait_after(self, tries: float) -> timedelta:
        """How long the next try has to wait after so many that failed."""
        over = round(tries) - self.free
        if over < 0:
            return timedelta(0)
        wait: timedelta = self.first * 2 ** min(over, 16)
        return min(wait, self.most)


SECOND, MINUTE, HOUR = timedelta(seconds=1), timedelta(minutes=1), timedelta(hours=1)
#: Of one account at one address: five tries, then half a minute, one, two, up to a quarter hour.
PAIR: Final = Pace("pair", 5, 30 * SECOND, 15 * MINUTE, 6 * HOUR)
#: Of one account, wherever the tries come from: many addresses together.
ACCOUNT: Final = Pace("account", 30, 10 * SECOND, 5 * MINUTE, HOUR)
#: Of one address, whatever the accounts. A whole office may share one.
ADDRESS: Final = Pace("address", 100, 10 * SECOND, 5 * MINUTE, HOUR)
#: Of a browser that signed in to the account before.
DEVICE: Final = Pace("device", 10, 30 * SECOND, 15 * MINUTE, 6 * HOUR)
PACES: Final = (PAIR, ACCOUNT, ADDRESS, DEVICE)


class TooManyTries(Exception):
    """Somebody has to wait before the next try."""

    def __init__(self, seconds: int) -> None:
        self.seconds = seconds
        super().__init__(self.sentence)

    @property
    def sentence(self) -> str:
        return f"Too many tries. Try again in {duration(self.seconds)}."


def duration(seconds: int) -> str:
    """So many seconds in words, rounded up."""
    if seconds < 60:
        return f"{seconds} second{'s' if seconds != 1 else ''}"
    minutes = -(-seconds // 60)
    return f"{minutes} minute{'s' if minutes != 1 else ''}"


def admit(request: HttpRequest, account: str, what: str) -> Callable[[], None]:
    """Count a try of `what` (password, code, …); TooManyTries while it has to wait.

    Call what it returns when the try was right: that try counts no more. `account` is the address
    that somebody claims to be; "" = none is claimed.
    """
    counted = _counted(request, account, what)
    _count(counted)
    keys = [key for _, key in counted]
    owned = [key for pace, key in counted if pace in {PAIR, DEVICE}]

    def take_back() -> None:
        TryCount.objects.filter(key__in=owned).delete()
        shared = TryCount.objects.filter(key__in=keys, tries__gte=1)
        shared.update(tries=F("tries") - 1, free_at=F("last_at"))

    return take_back


def _counted(request: HttpRequest, account: str, what: str) -> list[tuple[Pace, str]]:
    """What a try counts for. In one order for all, so that no two wait for each other."""
    place, who = _network(request.META.get("REMOTE_ADDR", "")), account_name(account)
    if not who:
        return [(ADDRESS, _key(ADDRESS, what, place))]
    if device := known_device(request, who):
        return [(DEVICE, _key(DEVICE, what, device, who))]
    return [
        (ADDRESS, _key(ADDRESS, what, place)),
        (ACCOUNT, _key(ACCOUNT, what, who)),
        (PAIR, _key(PAIR, what, who, place)),
    ]


def _network(address: str) -> str:
    """A client's address; of IPv6 only what a client can't choose."""
    try:
        found = ip_address(address)
    except ValueError:
        return address
    if isinstance(found, IPv6Address):
        return str(IPv6Network((found, IPV6_PREFIX), strict=False).network_address)
    return str(found)


def _key(pace: Pace, *parts: str) -> str:
    """A name that tells neither account nor address to who reads the table."""
    text = "\n".join((pace.name, *parts))
    return hmac.new(settings.SECRET_KEY.encode(), text.encode(), hashlib.sha256).hexdigest()


@transaction.atomic
def _count(counted: Iterable[tuple[Pace, str]]) -> None:
    held = [(pace, _held(key)) for pace, key in counted]
    now = timezone.now()  # not before: who came first may have held them for a while
    wait = max(_wait_of(row, now) for _, row in held)
    if wait > timedelta(0):
        raise TooManyTries(math.ceil(wait.total_seconds()))
    for pace, row in held:
        row.tries = pace.left_of(row.tries, now - row.last_at) + 1
        row.last_at, row.free_at = now, now + pace.wait_after(row.tries)
    TryCount.objects.bulk_update([row for _, row in held], ["tries", "last_at", "free_at"])


def _wait_of(row: TryCount, now: datetime) -> timedelta:
    """How long it still is until the next try; clocks of two machines may differ a little."""
    has_wait = row.free_at > row.last_at
    return row.free_at - now if has_wait else timedelta(0)


def _held(key: str) -> TryCount:
    """The row of this key, which nobody else changes until the transaction ends."""
    now = timezone.now()
    TryCount.objects.bulk_create(
        [TryCount(key=key, last_at=now, free_at=now)], ignore_conflicts=True
    )
    return TryCount.objects.select_for_update().get(key=key)


def forget_tries() -> None:
    """Delete what has long been forgotten: no wait is that long."""
    oldest = timezone.now() - timedelta(days=1)
    delete_in_slices(TryCount.objects.filter(last_at__lt=oldest))
