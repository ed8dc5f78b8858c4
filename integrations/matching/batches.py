"""Links that were made together: what came of each pair, and taking all of them back."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import timedelta
from functools import partial
from typing import Final
from uuid import UUID

from django.db import transaction
from django.db.models import OuterRef, QuerySet
from django.utils import timezone

from audit_site.db import walls
from audit_site.db.bulk import AnyOf
from audit_site.db.counting import CountOf, one_each
from audit_site.db.each_by_itself import failure_of
from audit_site.db.json_rows import JsonLength
from audit_site.db.lengths import fitted
from audit_site.errors import DomainError
from audit_site.lanes import SYNC
from audit_site.queue import enqueue
from audit_site.tenants.audit import record_audit
from audit_site.tenants.models import Tenant, User
from integrations.links.undoing import undo_link
from integrations.matching.pairs import MOST_PAIRS
from integrations.models import CompanyLink, LinkBatch
from integrations.models.links import CompanyLinkQuerySet

#: After so long without a worker at it, an undo is sent again: `undo_wanted_at` moves on with each
#: link.
LOST_AFTER: Final = timedelta(minutes=2)


def keep_batch(
    tenant: Tenant,
    links: Iterable[CompanyLink],
    rejected: list[dict[str, str]],
    actor: User | None,
) -> LinkBatch:
    """Note what was confirmed together, inside the transaction that did it."""
    batch = LinkBatch.objects.create(
        tenant=tenant,
        made_by_name=fitted(LinkBatch, "made_by_name", str(actor or "")),
        rejected=rejected,
    )
    rows = CompanyLink.objects.for_tenant(tenant)
    rows.filter(AnyOf("id", [link.pk for link in links])).update(batch=batch)
    return batch


def batches_of(tenant: Tenant) -> QuerySet[LinkBatch]:
    """The newest first, each with `linked` and `standing`, how many links it made and how many of
    them are not undone; `back`, how many of these were brought back, and `unlinked`, how many can
    be; and `refused`, how many pairs were rejected.
    """
    links = CompanyLink.objects.for_tenant(tenant).filter(batch=OuterRef("pk"))
    rows = LinkBatch.objects.for_tenant(tenant).select_related("undo_by", "back_by")
    return rows.order_by("-id").annotate(
        linked=CountOf(_ones(links)),
        standing=CountOf(_ones(links.standing())),
        back=CountOf(_ones(links.standing().filter(linked_at__gt=OuterRef("made_at")))),
        unlinked=CountOf(_ones(links.returnable())),
        refused=JsonLength("rejected"),
    )


def _ones(links: CompanyLinkQuerySet) -> QuerySet[CompanyLink]:
    return one_each(links, MOST_PAIRS)


def links_of_batch(batch: LinkBatch) -> QuerySet[CompanyLink]:
    """The links of a batch, undone ones too, each with `can_undo`."""
    rows = CompanyLink.objects.for_tenant(batch.tenant).filter(batch=batch).undoable_first()
    found: QuerySet[CompanyLink] = rows.select_related("integration", "company", "linked_by")
    return found.order_by("id")


@transaction.atomic
def undo_batch(*, batch: LinkBatch, actor: User | None) -> None:
    """Have a worker undo each link of a batch that is not undone yet; nothing when one does.

    DomainError `nothing_to_undo`.
    """
    rows = LinkBatch.objects.for_tenant(batch.tenant).filter(pk=batch.pk)
    if not batch.links.filter(tenant=batch.tenant_id, undone_at=None).exists():
        raise DomainError(
            "nothing_to_undo",
            "No link that was made with these is left to undo.",
            "There is nothing to do.",
        )
    free = rows.filter(undo_wanted_at=None) | rows.exclude(undo_done_at=None)
    now = timezone.now()
    anew: dict[str, object] = {"left": [], "back_at": None, "back_by": None, "not_back": []}
    if not free.update(undo_wanted_at=now, undo_done_at=None, undo_by=actor, **anew):
        return
    record_audit(
        tenant=batch.tenant,
        actor=actor,
        action="links.batch_undone",
        subject=batch,
        before={"links": batch.links.filter(undone_at=None).count()},
    )
    enqueue("integrations.undo_links", str(batch.tenant_id), str(batch.pk), queue=SYNC)


@walls.of_tenant
def carry_undo_out(*, tenant_id: str, batch_id: str) -> None:
    """A worker's part: each link by itself. May run twice, also at once, and changes nothing more:
    the later one goes on, the earlier one stops.

    What can't be undone is said and stays as it is.
    """
    rows = LinkBatch.objects.filter(tenant=UUID(tenant_id), pk=batch_id, undo_done_at=None)
    batch = rows.exclude(undo_wanted_at=None).select_related("tenant", "undo_by").first()
    if batch is None:
        return
    links = CompanyLink.objects.for_tenant(batch.tenant).standing().filter(batch=batch)
    left = []
    for link in links.select_related("company__tenant").order_by("id"):
        if not hold(batch):
            return
        if error := _undo(link, batch):
            left.append(as_left(link, error))
    rows.filter(undo_wanted_at=batch.undo_wanted_at).update(undo_done_at=timezone.now(), left=left)


def hold(batch: LinkBatch) -> bool:
    """Say that this worker is still at it; False when another one is."""
    now = timezone.now()
    held = LinkBatch.objects.for_tenant(batch.tenant).filter(
        pk=batch.pk, undo_wanted_at=batch.undo_wanted_at, undo_done_at=None
    )
    if not held.update(undo_wanted_at=now):
        return False
    batch.undo_wanted_at = now
    return True


def _undo(link: CompanyLink, batch: LinkBatch) -> DomainError | None:
    """Undo one link; returns why it could not be."""
    error = failure_of(partial(_undo_together, link, batch), f"the undo of links {batch.pk}")
    return None if error and error.code == "already_undone" else error


def _undo_together(link: CompanyLink, batch: LinkBatch) -> None:
    undo_link(company=link.company, actor=batch.undo_by, link_id=link.pk)
    rows = CompanyLink.objects.for_tenant(batch.tenant).filter(pk=link.pk)
    rows.update(undone_with_batch=True)


def as_left(link: CompanyLink, error: DomainError) -> dict[str, str]:
    """What a batch keeps of a link that could not be undone, or not be made again."""
    return {"name": link.company.name, "code": error.code, "message": error.sentence}


def send_lost() -> None:
    """Send undos again whose message never came, or whose worker died."""
    rows = LinkBatch.objects.filter(
        undo_wanted_at__lt=timezone.now() - LOST_AFTER, undo_done_at=None
    )
    for tenant_id, ids in walls.first_by_tenant(rows.order_by("id"), "match_links", 100).items():
        with walls.within(tenant_id):
            for pk in ids:
                enqueue("integrations.undo_links", str(tenant_id), str(pk), queue=SYNC)
