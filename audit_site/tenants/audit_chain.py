"""The chain of the audit trail: what of an event is hashed, and how a break of it is found.

Each event carries the SHA-256 of its own columns, made here. When its transaction commits, a
trigger of the database gives it the next number of its tenant's chain and a hash of the link
before, this number and that SHA-256 (migration 0004, on PostgreSQL and SQLite alike). A changed,
removed or slipped-in event no longer fits. Whoever owns the database can write a whole new chain,
or cut its end off: that shows only against a head that was kept elsewhere.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

from django.core.serializers.json import DjangoJSONEncoder
from django.db import connection, transaction
from django.db.models import Exists, OuterRef

from audit_site.tenants.audit_triggers import without_refusals
from audit_site.tenants.models import AuditEvent, AuditLink, Tenant

#: What of an event is hashed. A column that is added later stands in no hash of older events.
HASHED: Final = (
    *("id", "tenant_id", "at", "actor_type", "actor_id", "actor_name", "person_id"),
    *("ip", "user_agent", "door", "request_id"),
    *("action", "object_type", "object_id", "object_name", "before", "after"),
)
#: What the first link has for the hash of the link before.
BEGINNING: Final = "0" * 64
#: So many links are looked at at once.
AT_ONCE: Final = 1000


def plain(values: Mapping[str, Any] | None) -> dict[str, Any] | None:
    """Values as JSON gives them back: dates, ids and numbers of money are texts."""
    if values is None:
        return None
    read: dict[str, Any] = json.loads(json.dumps(values, cls=DjangoJSONEncoder))
    return read


def canonical(event: Any) -> str:
    """What is hashed of an event, in the one way of writing it."""
    columns = {name: _written(getattr(event, name)) for name in HASHED}
    return json.dumps(columns, sort_keys=True, separators=(",", ":"), ensure_ascii=False)


def _written(value: Any) -> Any:
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat(timespec="microseconds")
    return value if value is None or isinstance(value, dict | list) else str(value)


def content_hash(event: Any) -> str:
    return hashlib.sha256(canonical(event).encode()).hexdigest()


def link_hash(previous: str, number: int, content: str) -> str:
    """The hash of a link, as the triggers make it."""
    return hashlib.sha256(f"{previous} {number} {content}".encode()).hexdigest()


@dataclass(frozen=True, slots=True)
class Break:
    """The first place at which a chain does not hold; number and time are of the event there.

    None = not known.
    """

    what: str
    number: int | None
    at: datetime | None
    event_id: str


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a look at a tenant's trail found: how many links hold, the last one's hash, a break."""

    count: int
    head: str
    broken: Break | None


def verify(tenant: Tenant) -> Verdict:
    """Look at all of a tenant's trail, in order, a piece at a time."""
    number, head = 0, BEGINNING
    for link, event in _links(tenant):
        broken = _break_at(link, event, number, head)
        if broken is not None:
            return Verdict(number, head, broken)
        number, head = link.number, link.hash
    return Verdict(number, head, _unlinked(tenant))


def hash_at(tenant: Tenant, number: int) -> str | None:
    """The hash of the link of this number; None = there is none."""
    if number == 0:
        return BEGINNING
    rows = AuditLink.objects.for_tenant(tenant).filter(number=number)
    return rows.values_list("hash", flat=True).first()


def _links(tenant: Tenant) -> Iterator[tuple[AuditLink, AuditEvent | None]]:
    """Links in the order of their numbers, each with its event."""
    last = 0
    rows = AuditLink.objects.for_tenant(tenant).order_by("number")
    while links := list(rows.filter(number__gt=last)[:AT_ONCE]):
        events = AuditEvent.objects.for_tenant(tenant).in_bulk([link.pk for link in links])
        for link in links:
            yield link, events.get(link.pk)
        last = links[-1].number


def _break_at(link: AuditLink, event: AuditEvent | None, number: int, head: str) -> Break | None:
    expected = number + 1
    if link.number != expected:
        return Break("Its link was removed.", expected, None, "")
    if event is None:
        return Break("It was removed.", link.number, link.at, str(link.pk))
    if content_hash(event) != link.content_hash or event.content_hash != link.content_hash:
        return Break("It was changed.", link.number, link.at, str(link.pk))
    if link_hash(head, link.number, link.content_hash) != link.hash or link.at != event.at:
        return Break("Its link was changed.", link.number, link.at, str(link.pk))
    return None


def _unlinked(tenant: Tenant) -> Break | None:
    """An event that stands in no chain: it was put in behind the database's back."""
    linked = AuditLink.objects.for_tenant(tenant).filter(pk=OuterRef("pk"))
    rows = AuditEvent.objects.for_tenant(tenant).filter(~Exists(linked))
    event = rows.order_by("at", "id").first()
    if event is None:
        return None
    return Break("It was put in, and has no link.", None, event.at, str(event.pk))


@contextmanager
def maintenance() -> Iterator[None]:
    """Inside, the trail may be changed by the role that owns its tables, and by no other.

    For erasing a whole tenant. One transaction: when it ends, the trail refuses as before.
    """
    with transaction.atomic(), without_refusals(connection):
        yield
