"""Working suggestions out: wanted when something may be different, done by a worker, batched."""

from __future__ import annotations

import logging
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from time import monotonic
from typing import Final
from uuid import UUID

from django.db import IntegrityError, transaction
from django.db.models import Q
from django.utils import timezone

from audit_site.db import walls
from audit_site.db.bulk import AnyOf, bulk_upsert_values
from audit_site.ids import new_id
from audit_site.lanes import SYNC
from audit_site.queue import enqueue
from audit_site.tenants.models import Tenant
from integrations.links.following import links_that_left
from integrations.matching.candidates import Pair, best_pairs
from integrations.matching.rule import SURE_LEAD, sentence
from integrations.matching.sides import (
    Side,
    linkable,
    mark_of,
    movable,
    our_sides,
    their_sides,
)
from integrations.models import (
    Integration,
    LinkMatching,
    LinkSuggestion,
    PsaCompanyRecord,
    SuggestionKind,
)
from integrations.models.suggestions import LinkSuggestionQuerySet

log = logging.getLogger(__name__)

#: So long more changes are waited for, and so long after one working out nothing is worked out.
PATIENCE: Final = timedelta(seconds=5)
PAUSE: Final = timedelta(seconds=30)
#: A worker that holds it for longer has died.
LEASE: Final = timedelta(minutes=5)
DUE_LIMIT: Final = 100


# When


@walls.of_tenant
def want_suggestions(*, tenant_id: str) -> None:
    """Something has changed that suggestions rest on: have them worked out soon, once for all that
    changes within a short while.
    """
    tenant = Tenant.objects.filter(pk=tenant_id).first()
    if tenant is not None:
        _want(tenant, {"kind": SuggestionKind.LINK}, PATIENCE)


def want_moves(*, source: Integration, target: Integration) -> LinkMatching:
    """Have it worked out which audITees of an account may move to which companies of another."""
    what = {"kind": SuggestionKind.MOVE, "source": source, "target": target}
    matching = _want(source.tenant, what, timedelta(0))
    enqueue("integrations.match_links", str(source.tenant_id), str(matching.pk), queue=SYNC)
    return matching


def _want(tenant: Tenant, what: Mapping[str, object], patience: timedelta) -> LinkMatching:
    """Note it, unless it waits to be worked out already."""
    now = timezone.now()
    matching, is_new = LinkMatching.objects.get_or_create(
        tenant=tenant, **what, defaults={"wanted_at": now, "due_at": now + patience}
    )
    if is_new:
        return matching
    after = now if not patience or matching.done_at is None else matching.done_at + PAUSE
    rows = LinkMatching.objects.for_tenant(tenant).filter(pk=matching.pk)
    rows.filter(Q(wanted_at=None) | Q(lease_until__gt=now)).update(
        wanted_at=now, due_at=max(now + patience, after)
    )
    matching.refresh_from_db()
    return matching


def send_due() -> None:
    """Send workers what is due and nobody holds. Two clocks do no harm."""
    rows = LinkMatching.objects.filter(_due(timezone.now())).order_by("due_at")
    for tenant_id, ids in walls.first_by_tenant(rows, "match_links", DUE_LIMIT).items():
        with walls.within(tenant_id):
            for pk in ids:
                enqueue("integrations.match_links", str(tenant_id), str(pk), queue=SYNC)


def _due(now: datetime) -> Q:
    unheld = Q(lease_until=None) | Q(lease_until__lte=now)
    return Q(wanted_at__isnull=False, due_at__lte=now) & unheld


# What


@walls.of_tenant
def match_links(*, tenant_id: str, matching_id: str) -> None:
    """Work suggestions out, if that is due and no other worker does. Worker only."""
    now = timezone.now()
    rows = LinkMatching.objects.filter(tenant=UUID(tenant_id), pk=matching_id)
    if not rows.filter(_due(now)).update(lease_until=now + LEASE):
        return
    matching = rows.select_related("tenant", "source__tenant", "target__tenant").get()
    began = monotonic()
    try:
        found = _work_out(matching)
    except IntegrityError:  # one of them was erased meanwhile: the clock sends it again
        rows.update(lease_until=None, due_at=now + PAUSE)
        return
    log.info("links_matched found=%s seconds=%.1f", found, monotonic() - began)
    done = {"lease_until": None, "done_at": timezone.now(), "found": found}
    if not rows.filter(wanted_at=matching.wanted_at).update(wanted_at=None, due_at=None, **done):
        rows.update(**done)  # wanted once more meanwhile


@dataclass(frozen=True, slots=True)
class Found:
    """A pair to suggest: ids of the audITee and of the row of the import list."""

    pair: Pair[UUID, UUID]
    mark: str


def _work_out(matching: LinkMatching) -> int:
    """The suggestions of a tenant, or those for a move; how many they are."""
    tenant, kind = matching.tenant, matching.kind
    rows = LinkSuggestion.objects.for_tenant(tenant).filter(kind=kind)
    if matching.source is not None and matching.target is not None:
        rows = rows.filter(source=matching.source, record__integration=matching.target)
        ours, targets = our_sides(tenant, movable(matching.source)), [matching.target]
    else:
        ours = our_sides(tenant, linkable(tenant))
        targets = list(Integration.objects.for_tenant(tenant).not_disconnected().order_by("id"))
    refused = set(rows.exclude(dismissed_at=None).values_list("company_id", "record_id"))
    found = [one for target in targets for one in _pairs(ours, target, refused)] if ours else []
    found = _with_other_accounts(found)
    _store(matching, rows, found)
    return len(found)


def _pairs(
    ours: Mapping[UUID, Side], target: Integration, refused: set[tuple[UUID, UUID]]
) -> Iterable[Found]:
    theirs = their_sides(target)
    left, returns = _left_before(ours, target)
    pairs = best_pairs(
        {pk: side.profile for pk, side in ours.items() if pk not in left},
        {pk: side.profile for pk, side in theirs.items()},
        refused | returns,
    )
    return [Found(pair, mark_of(ours[pair.ours], theirs[pair.theirs])) for pair in pairs]


def _left_before(
    ours: Collection[UUID], target: Integration
) -> tuple[set[UUID], set[tuple[UUID, UUID]]]:
    """AudITees that have left this account, and those that have left a company of it for another
    one of it, each with the row of that company: a link would be refused (`moved_before`).
    """
    links = [link for some in links_that_left(target, ours).values() for link in some]
    former = [(link, link.moved_from.external_id) for link in links if link.moved_from]
    rows = PsaCompanyRecord.objects.of(target)
    rows = rows.filter(AnyOf("external_id", [external_id for _, external_id in former]))
    records = dict(rows.values_list("external_id", "pk")) if former else {}
    return {link.company_id for link in links if link.closes_account}, {
        (link.company_id, records[external_id])
        for link, external_id in former
        if external_id in records and link.closes(target.pk, external_id)
    }


def _with_other_accounts(found: list[Found]) -> list[Found]:
    """An audITee that companies of several accounts are suggested for: each has the others as its
    rivals, and is only sure when it is far ahead.
    """
    scores: dict[UUID, list[int]] = defaultdict(list)
    for one in found:
        scores[one.pair.ours].append(one.pair.match.score)
    return [_among(one, scores[one.pair.ours]) for one in found]


def _among(one: Found, scores: list[int]) -> Found:
    others = list(scores)
    others.remove(one.pair.match.score)
    if not others:
        return one
    is_ahead = one.pair.match.score - max(others) >= SURE_LEAD
    pair = replace(
        one.pair, rivals=one.pair.rivals + len(others), is_sure=one.pair.is_sure and is_ahead
    )
    return replace(one, pair=pair)


#: What is written of a suggestion; who dismissed it is another's.
COLUMNS: Final = (
    *("id", "tenant_id", "kind", "company_id", "record_id", "source_id", "score", "reasons"),
    *("rivals", "is_sure", "mark", "found_at"),
)


@transaction.atomic
def _store(matching: LinkMatching, rows: LinkSuggestionQuerySet, found: Iterable[Found]) -> None:
    """Write what differs; suggestions that nothing speaks for any more go. Three statements."""
    known = {(row.company_id, row.record_id): row for row in rows}
    written = []
    for one in found:
        pair = one.pair
        row = known.pop((pair.ours, pair.theirs), None)
        reasons = [
            {"code": code, "message": sentence(code, value)} for code, value in pair.match.reasons
        ]
        values = (pair.match.score, reasons, pair.rivals, pair.is_sure, one.mark)
        if row is None or values != (*(row.score, row.reasons, row.rivals, row.is_sure, row.mark),):
            pk = row.pk if row else new_id()
            owner = (matching.tenant_id, matching.kind, pair.ours, pair.theirs)
            written.append((pk, *owner, matching.source_id, *values, timezone.now()))
    bulk_upsert_values(LinkSuggestion, COLUMNS, written)
    stale = [row.pk for row in known.values() if row.dismissed_at is None]
    rows.model.objects.for_tenant(matching.tenant).filter(
        AnyOf("id", stale), dismissed_at=None
    ).delete()
