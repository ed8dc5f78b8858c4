"""Links that were made together and undone together, made again: both sides as they were reviewed.

Nothing that can't be linked again is forced: it says why, and stays undone.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from functools import partial
from uuid import UUID

from django.db import transaction
from django.utils import timezone

from audit_site import limits
from audit_site.db.bulk import AnyOf
from audit_site.db.each_by_itself import all_that_can
from audit_site.errors import DomainError
from audit_site.tenants.audit import record_audit
from audit_site.tenants.models import User
from integrations.links.linking import LinkResult, link_many, lock_companies
from integrations.links.undoing import lock_accounts
from integrations.matching.batches import as_left
from integrations.matching.moving import move_many
from integrations.models import CompanyLink, LinkBatch
from integrations.models.links import CompanyLinkQuerySet


@transaction.atomic
def bring_back(*, batch: LinkBatch, actor: User | None) -> None:
    """Link, or move, again what the undo of a batch undid, as one import of an hour.

    DomainError `under_way`, `nothing_to_bring_back`.
    """
    rows = LinkBatch.objects.for_tenant(batch.tenant).filter(pk=batch.pk)
    held = rows.select_for_update(no_key=True, of=("self",)).select_related("tenant").get()
    if held.is_being_undone:
        raise DomainError(
            "under_way", "These links are being undone.", "Wait until that has ended."
        )
    links = _hold(_returnable(held))
    if not links:
        raise DomainError(
            "nothing_to_bring_back",
            "No link that was undone with these can be made again.",
            "Look at the audITees: they may be linked elsewhere, or archived.",
        )
    limits.spend(held.tenant, limits.IMPORTS)
    held.back_at, held.back_by, held.not_back = timezone.now(), actor, []
    for some in _alike(links):
        act, failed = partial(_link_again, held, actor), partial(_keep_failure, held)
        all_that_can(some, act, failed, f"links {held.pk}")
    held.save(update_fields=["back_at", "back_by", "not_back"])
    record_audit(
        tenant=held.tenant,
        actor=actor,
        action="links.brought_back",
        subject=held,
        after={"links": len(links) - len(held.not_back)},
    )


def _returnable(batch: LinkBatch) -> CompanyLinkQuerySet:
    rows: CompanyLinkQuerySet = CompanyLink.objects.for_tenant(batch.tenant).filter(batch=batch)
    rows = rows.returnable().select_related("integration__tenant", "company__tenant")
    return rows.select_related("moved_from__integration__tenant").order_by("id")


def _hold(rows: CompanyLinkQuerySet) -> list[CompanyLink]:
    """These links with both accounts and audITees locked; those that changed meanwhile are out."""
    found = list(rows)
    if not found:
        return []
    lock_accounts(found)
    lock_companies(found[0].company.tenant, [link.company_id for link in found])
    return list(rows.filter(AnyOf("id", [link.pk for link in found])))


def _alike(links: Sequence[CompanyLink]) -> list[list[CompanyLink]]:
    """Those of one account, and that come from one account or from none, together."""
    found: dict[tuple[UUID, UUID | None], list[CompanyLink]] = defaultdict(list)
    for link in links:
        former = _leaves(link)
        found[link.integration_id, former.integration_id if former else None].append(link)
    return list(found.values())


def _leaves(link: CompanyLink) -> CompanyLink | None:
    """The link that the undo of a move led back to, which is left once more."""
    former = link.moved_from
    return former if former is not None and former.is_in_force else None


def _link_again(batch: LinkBatch, actor: User | None, links: Sequence[CompanyLink]) -> None:
    integration, former = links[0].integration, _leaves(links[0])
    pairs = [(link.company, link.external_id) for link in links]
    made: LinkResult
    if former is None:
        made = link_many(integration=integration, pairs=pairs, actor=actor)
    else:
        source = former.integration
        made = move_many(source=source, target=integration, pairs=pairs, actor=actor)
    refused = {one.company.pk: one.error for one in made.rejected}
    rows = CompanyLink.objects.for_tenant(batch.tenant)
    rows.filter(AnyOf("id", [link.pk for link in made.links])).update(batch=batch)
    again = [link.pk for link in links if link.company_id not in refused]
    rows.filter(AnyOf("id", again)).update(batch=None, undone_with_batch=False)
    batch.not_back += [
        as_left(link, refused[link.company_id]) for link in links if link.company_id in refused
    ]


def _keep_failure(batch: LinkBatch, links: Sequence[CompanyLink], error: DomainError) -> None:
    batch.not_back += [as_left(link, error) for link in links]
