"""Looking into the audit trail: what is asked for, and pages of it, newest first."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Final

from django.db.models import Q, QuerySet

from audit_site.db.folded_text import storable
from audit_site.tenants.models import AuditEvent, Membership, Tenant

#: So many events are held at once while all of them are written somewhere.
AT_ONCE: Final = 500
#: People who left are looked for among so many of the newest events.
RECENT: Final = 2000
FIRST_YEAR, LAST_YEAR = 1970, 9000


@dataclass(frozen=True, slots=True)
class TrailFilter:
    """What is asked for; empty and None leave nothing out.

    `actor`: the id of a person or a token, or one of the types of actors. `actions`: any of them.
    `object`: an id or a type of objects, or a part of a name. `start` is in, `end` is out.
    """

    actor: str = ""
    actions: tuple[str, ...] = ()
    object: str = ""
    start: datetime | None = None
    end: datetime | None = None

    @property
    def is_backwards(self) -> bool:
        """Whether it ends before it starts, so that nothing could be found."""
        return self.start is not None and self.end is not None and self.end <= self.start


def list_events(tenant: Tenant, asked: TrailFilter) -> QuerySet[AuditEvent]:
    """The events that are asked for, newest first."""
    rows = AuditEvent.objects.for_tenant(tenant).order_by("-at", "-id")
    if asked.actor:
        of_one = Q(actor_id=asked.actor) | Q(person_id=asked.actor)
        rows = rows.filter(of_one | Q(actor_type=asked.actor))
    if asked.actions:
        rows = rows.filter(action__in=asked.actions)
    if text := storable(asked.object.strip()):
        named = Q(object_name__icontains=text)
        rows = rows.filter(named | Q(object_id=text) | Q(object_type=text))
    if asked.start is not None:
        rows = rows.filter(at__gte=asked.start)
    if asked.end is not None:
        rows = rows.filter(at__lt=asked.end)
    return rows


def people_of_trail(tenant: Tenant) -> dict[str, str]:
    """Who may stand in the trail, by id: members, and who did something lately and has left."""
    rows = AuditEvent.objects.for_tenant(tenant).order_by("-at", "-id")
    recent = rows.values_list("actor_type", "actor_id", "actor_name")[:RECENT]
    people: dict[str, str] = {}
    for kind, pk, name in recent:
        if kind == AuditEvent.Actor.USER:
            people.setdefault(pk, f"{name} (left)")
    members = Membership.objects.for_tenant(tenant).select_related("user")
    return people | {str(member.user_id): str(member.user) for member in members}


def older_than(rows: QuerySet[AuditEvent], event: AuditEvent) -> QuerySet[AuditEvent]:
    """Those of a list that stand below an event."""
    return rows.filter(Q(at__lt=event.at) | Q(at=event.at, pk__lt=event.pk))


def all_of(rows: QuerySet[AuditEvent]) -> Iterator[AuditEvent]:
    """Every event of a list, in its order, few of them in memory at once."""
    rest = rows
    while events := list(rest[:AT_ONCE]):
        yield from events
        rest = older_than(rows, events[-1])


def read_start(text: str, tenant: Tenant) -> datetime | None:
    """The moment, or the beginning of the day in the tenant's zone, that a text names.

    None = it is empty. ValueError where it can't be read.
    """
    return _read(text, tenant, timedelta())


def read_end(text: str, tenant: Tenant) -> datetime | None:
    """As `read_start`, for the first moment that is out: after the day, or after the moment."""
    return _read(text, tenant, timedelta(days=1))


def _read(text: str, tenant: Tenant, day: timedelta) -> datetime | None:
    text = text.strip()
    if not text:
        return None
    if len(text) == len("2026-06-15"):
        begins = date.fromisoformat(text) + day
        found = datetime.combine(begins, time.min, tenant.zone)
    else:
        found = datetime.fromisoformat(text) + (timedelta(microseconds=1) if day else day)
    if found.tzinfo is None or not FIRST_YEAR <= found.year <= LAST_YEAR:
        raise ValueError(text)
    return found.astimezone(UTC)
