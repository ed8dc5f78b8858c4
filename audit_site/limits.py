"""How often a tenant may do what costs much, within an hour: by page and REST alike.

Where LIMIT_PERSON_PERCENT says so, a person may use a part of that alone, with all their tokens
together, so that nobody takes everything from the others. Services count (`spend`), so that no door
is without a limit. What a worker does by itself is not counted, nor is a call that joins what is
under way.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import wraps
from typing import Any, Final, TypeVar, cast

from django.conf import settings
from django.db import transaction
from django.db.models import F
from django.utils import timezone

from audit_site.api.models import ActCount
from audit_site.api.requests import tenant_of
from audit_site.db import walls
from audit_site.db.slices import delete_everywhere
from audit_site.errors import DomainError
from audit_site.tenants.models import Tenant

MethodT = TypeVar("MethodT", bound=Callable[..., Any])
WINDOW: Final = timedelta(hours=1)
#: Counts that nobody adds to are deleted after this.
KEPT: Final = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Act:
    """Something that is limited: its name in headers, for people, and the setting of its limit."""

    name: str
    title: str
    setting: str

    @property
    def limit(self) -> int:
        return int(getattr(settings, self.setting))

    @property
    def limit_of_a_person(self) -> int:
        return -(-self.limit * settings.LIMIT_PERSON_PERCENT // 100)


TESTS: Final = Act("tests", "connection tests", "LIMIT_TESTS")
SYNCS: Final = Act("syncs", "syncs of everything", "LIMIT_SYNCS")
RESYNCS: Final = Act("resyncs", "re-syncs", "LIMIT_RESYNCS")
LOOKUPS: Final = Act("lookups", "questions to a PSA", "LIMIT_LOOKUPS")
IMPORTS: Final = Act("imports", "imports", "LIMIT_IMPORTS")
REPORTS: Final = Act("reports", "questions about figures", "LIMIT_REPORTS")
INVITATIONS: Final = Act("invitations", "invitations", "LIMIT_INVITATIONS")
EXPORTS: Final = Act("exports", "downloads of data", "LIMIT_EXPORTS")
ACTS: Final = (TESTS, SYNCS, RESYNCS, LOOKUPS, IMPORTS, REPORTS, INVITATIONS, EXPORTS)


@dataclass(frozen=True, slots=True)
class Standing:
    """How many are left to a tenant or a person, and in how many seconds all are free again."""

    act: Act
    limit: int
    left: int
    seconds: int
    is_of_person: bool = False

    @property
    def name(self) -> str:
        return f"{self.act.name}-person" if self.is_of_person else self.act.name


def headers_of(standings: Sequence[Standing]) -> dict[str, str]:
    """As draft-ietf-httpapi-ratelimit-headers writes them: one item for each limit."""
    window = int(WINDOW.total_seconds())
    return {
        "RateLimit-Policy": ", ".join(
            f'"{one.name}";q={one.limit};w={window}' for one in standings
        ),
        "RateLimit": ", ".join(f'"{one.name}";r={one.left};t={one.seconds}' for one in standings),
    }


class TooManyRequestsError(DomainError):
    """A tenant, or a person alone, did something as often as it may be done within an hour."""

    def __init__(self, spent: Standing, standings: Sequence[Standing]) -> None:
        minutes, title = -(-spent.seconds // 60), spent.act.title
        who = "You alone may" if spent.is_of_person else "Your account may"
        super().__init__(
            "too_many_requests",
            f"{who} have {spent.limit} {title} an hour, and all of them are used.",
            f"Try again in {minutes} minute{'s' if minutes != 1 else ''}.",
            status=429,
        )
        self.headers = {**headers_of(standings), "Retry-After": str(spent.seconds)}


@transaction.atomic
def spend(tenant: Tenant, act: Act) -> None:
    """Count one, or raise TooManyRequestsError. What is rolled back was not done, nor counted."""
    now = timezone.now()
    for person, limit in _limits(act):
        if not _count(tenant, act, person, limit, now):
            raise TooManyRequestsError(_standing(tenant, act, person, limit), standing(tenant, act))


def _count(tenant: Tenant, act: Act, person: str, limit: int, now: datetime) -> bool:
    """Count one for a tenant, or a person of it; False when none is left."""
    counts = ActCount.objects.for_tenant(tenant).filter(act=act.name, person=person)
    this_hour = counts.filter(began_at__gt=now - WINDOW, used__lt=limit)
    if this_hour.update(used=F("used") + 1):
        return True
    ActCount.objects.bulk_create(
        [ActCount(tenant=tenant, act=act.name, person=person, began_at=now)], ignore_conflicts=True
    )
    counts.filter(began_at__lte=now - WINDOW).update(began_at=now, used=0)
    return bool(this_hour.update(used=F("used") + 1))


def _limits(act: Act) -> list[tuple[str, int]]:
    """Whose counts an act is counted in, in the order of their locks; "" = the whole tenant."""
    person, most = walls.asker().person, act.limit_of_a_person
    alone = [(str(person), most)] if person and most < act.limit else []
    return [("", act.limit), *alone]


def standing(tenant: Tenant, act: Act) -> list[Standing]:
    """How it stands with the tenant, and with the person who asks."""
    return [_standing(tenant, act, person, limit) for person, limit in _limits(act)]


def _standing(tenant: Tenant, act: Act, person: str, limit: int) -> Standing:
    now = timezone.now()
    count = ActCount.objects.for_tenant(tenant).filter(act=act.name, person=person).first()
    if count is None or count.began_at <= now - WINDOW:
        return Standing(act, limit, limit, int(WINDOW.total_seconds()), bool(person))
    seconds = (count.began_at + WINDOW - now).total_seconds()
    return Standing(act, limit, max(limit - count.used, 0), int(seconds) + 1, bool(person))


def forget_old_counts() -> None:
    """Delete counts whose hour is long over. May run at any time."""
    old = ActCount.objects.filter(began_at__lt=timezone.now() - KEPT)
    delete_everywhere(old, "forget_counts")


def limited(*acts: Act) -> Callable[[MethodT], MethodT]:
    """Make a viewset's method tell how many are left; the service that it calls counts.

    Several acts: it counts as one of them, and tells how many are left of each.
    """

    def decorate(method: MethodT) -> MethodT:
        @wraps(method)
        def wrapper(view: Any, request: Any, *args: Any, **kwargs: Any) -> Any:
            response = method(view, request, *args, **kwargs)
            standings = [one for act in acts for one in standing(tenant_of(request), act)]
            for name, value in headers_of(standings).items():
                response[name] = value
            return response

        wrapper.limited_acts = acts  # type: ignore[attr-defined]
        return cast(MethodT, wrapper)

    return decorate
