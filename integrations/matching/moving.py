"""Moving audITees from one account to another: the same audITee, with its history."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

from django.db import transaction
from django.utils import timezone

from audit_site.db.bulk import AnyOf
from audit_site.errors import FieldErrors
from audit_site.tenants.audit import record_audit
from audit_site.tenants.models import User
from integrations.importing.rules import REASONS
from integrations.issues.inbox import close_issues
from integrations.links.following import Pair
from integrations.links.linking import LinkResult, audited, link_many
from integrations.matching.suggesting import want_moves
from integrations.models import CompanyLink, Integration, LinkMatching, SyncRun
from integrations.runs.starting import cancel_sync_run


@transaction.atomic
def propose_moves(*, source: Integration, target: Integration, actor: User | None) -> LinkMatching:
    """Have it worked out to which companies of another account the audITees of one may move.

    Nothing moves before somebody confirms it.
    """
    target.refuse_disconnected()
    if source.pk == target.pk:
        message = "Choose another account than the one that the audITees leave."
        raise FieldErrors([{"field": "to", "code": "invalid_choice", "message": message}])
    record_audit(
        tenant=source.tenant,
        actor=actor,
        action="integration.moves_asked",
        subject=source,
        after={"to": str(target.pk), "to_name": target.name},
    )
    return want_moves(source=source, target=target)


def move_many(
    *, source: Integration, target: Integration, pairs: Sequence[Pair], actor: User | None
) -> LinkResult:
    """Inside the transaction that holds both accounts and the audITees: end their links to one
    account and link them to companies of the other.

    What the former account had counts until the day before; what the new one has, from that day on
    (`integrations.sync.moved_companies`). Undoing the new link leads back to the former one.
    """
    former = _links_to_leave(source, pairs)
    rows = CompanyLink.objects.of(source)
    leaving = rows.filter(AnyOf("id", [link.pk for link in former.values()]))
    leaving.in_force().update(unlinked_at=timezone.now())
    made = link_many(integration=target, pairs=pairs, actor=actor)
    stay = [former[one.company.pk].pk for one in made.rejected]
    rows.filter(AnyOf("id", stay)).update(unlinked_at=None)
    for link in made.links:  # also where the former one has brought nothing
        link.moved_from = former[link.company_id]
        link.counts_from = source.tenant.today(link.linked_at)
    CompanyLink.objects.bulk_update(made.links, ["moved_from", "counts_from"])
    _stop_reading(source, [former[link.company_id] for link in made.links], actor)
    for link in made.links:
        record_audit(
            tenant=source.tenant,
            actor=actor,
            action="company.moved",
            subject=link.company,
            before=audited(former[link.company_id]),
            after=audited(link),
        )
    return made


def _links_to_leave(source: Integration, pairs: Sequence[Pair]) -> dict[UUID, CompanyLink]:
    links = CompanyLink.objects.of(source).in_force()
    links = links.filter(AnyOf("company_id", [company.pk for company, _ in pairs]))
    return {link.company_id: link for link in links.select_related("integration")}


def _stop_reading(source: Integration, links: Sequence[CompanyLink], actor: User | None) -> None:
    """End the re-syncs of what has left, and what the inbox says of it."""
    runs = SyncRun.objects.of(source).filter(
        AnyOf("company_id", [link.company_id for link in links]), state__in=SyncRun.ACTIVE_STATES
    )
    for run in runs:
        cancel_sync_run(run=run, actor=actor)
    ids = {link.external_id for link in links}
    close_issues(source, kind="company", codes=REASONS.keys(), external_ids=ids)
