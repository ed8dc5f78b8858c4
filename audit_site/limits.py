"""How often a tenant may do what costs much, within an hour: by page and REST alike.

Services count (`spend`), so that no door is without a limit. What a worker does by itself is not
counted, nor is a call that joins what is under way.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from functools import wraps
from typing import Any, Final, TypeVar, cast

from django.conf import settings
from django.db import transaction
from django.db.models import F
from django.utils import timezone

from audit_site.api.models import ActCount
from audit_site.api.requests import tenant_of
from audit_site.errors import DomainError
from audit_site.tenants.models import Tenant

MethodT = TypeVar("MethodT", bound=Callable[..., Any])
WINDOW: Final = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class Act:
    """Something that is limited: its name in headers, for people, and the setting of its limit."""

    name: str
    title: str
    setting: str

    @property
    def limit(self) -> int:
        return int(getattr(settings, self.setting))


TESTS: Final = Act("tests", "connection tests", "LIMIT_TESTS")
SYNCS: Final = Act("syncs", "syncs of everything", "LIMIT_SYNCS")
RESYNCS: Final = Act("resyncs", "re-syncs", "LIMIT_RESYNCS")
LOOKUPS: Final = Act("lookups", "questions to a PSA", "LIMIT_LOOKUPS")
IMPORTS: Final = Act("imports", "imports", "LIMIT_IMPORTS")
REPORTS: Final = Act("reports", "questions about figures", "LIMIT_REPORTS")
ACTS: Final = (TESTS, SYNCS, RESYNCS, LOOKUPS, IMPORTS, REPORTS)


@dataclass(frozen=True, slots=True)
class Standing:
    """How many are left to a tenant, and in how many seconds all are free again."""

    act: Act
    left: int
    seconds: int

    @property
    def headers(self) -> dict[str, str]:
        """As draft-ietf-httpapi-ratelimit-headers writes them."""
        name, window = self.act.name, int(WINDOW.total_seconds())
        return {
            "RateLimit-Policy": f'"{name}";q={self.act.limit};w={window}',
            "RateLimit": f'"{name}";r={self.left};t={self.seconds}',
        }


class TooManyRequestsError(DomainError):
    """A tenant did something as often as it may within an hour."""

    def __init__(self, standing: Standing) -> None:
        act, minutes = standing.act, -(-standing.seconds // 60)
        super().__init__(
            "too_many_requests",
            f"Your account may have {act.limit} {act.title} an hour, and all of them are used.",
            f"Try again in {minutes} minute{'s' if minutes != 1 else ''}.",
            status=429,
        )
        self.headers = {**standing.headers, "Retry-After": str(standing.seconds)}


@transaction.atomic
def spend(tenant: Tenant, act: Act) -> None:
    """Count one, or raise TooManyRequestsError. What is rolled back was not done, nor counted."""
    now = timezone.now()
    counts = ActCount.objects.for_tenant(tenant).filter(act=act.name)
    this_hour = counts.filter(began_at__gt=now - WINDOW, used__lt=act.limit)
    if this_hour.update(used=F("used") + 1):
        return
    ActCount.objects.bulk_create(
        [ActCount(tenant=tenant, act=act.name, began_at=now)], ignore_conflicts=True
    )
    counts.filter(began_at__lte=now - WINDOW).update(began_at=now, used=0)
    if not this_hour.update(used=F("used") + 1):
        raise TooManyRequestsError(standing(tenant, act))


def standing(tenant: Tenant, act: Act) -> Standing:
    now = timezone.now()
    count = ActCount.objects.for_tenant(tenant).filter(act=act.name).first()
    if count is None or count.began_at <= now - WINDOW:
        return Standing(act, act.limit, int(WINDOW.total_seconds()))
    seconds = (count.began_at + WINDOW - now).total_seconds()
    return Standing(act, max(act.limit - count.used, 0), int(seconds) + 1)


def limited(*acts: Act) -> Callable[[MethodT], MethodT]:
    """Make a viewset's method tell how many are left; the service that it calls counts.

    Several acts: it counts as one of them, and tells how many are left of each.
    """

    def decorate(method: MethodT) -> MethodT:
        @wraps(method)
        def wrapper(view: Any, request: Any, *args: Any, **kwargs: Any) -> Any:
            response = method(view, request, *args, **kwargs)
            standings = [standing(tenant_of(request), act).headers for act in acts]
            for name in standings[0]:
                response[name] = ", ".join(headers[name] for headers in standings)
            return response

        wrapper.limited_acts = acts  # type: ignore[attr-defined]
        return cast(MethodT, wrapper)

    return decorate
