"""Moving audITees from one account to another: the same audITee, with its history."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

from django.db import transaction
from django.utils import timezone

from audit_site.db.bulk import AnyOf
from audit_site.errors import DomainError, FieldErrors
from audit_site.tenants.audit import record_audit
from audit_site.tenants.models import User
from integrations.importing.rules import REASONS
from integrations.issues.inbox import close_issues
from integrations.links.linking import (
    LinkResult,
    Pair,
    RejectedLink,
    audited,
    link_many,
)
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
    back = _came_from(target, list(former))
    result = LinkResult(
        rejected=[
            RejectedLink(company, id_, MOVED_BEFORE) for company, id_ in pairs if company.pk in back
        ]
    )
    going = [(company, id_) for company, id_ in pairs if company.pk not in back]
    rows = CompanyLink.objects.of(source)
    leaving = rows.filter(AnyOf("id", [former[company.pk].pk for company, _ in going]))
    leaving.in_force().update(unlinked_at=timezone.now())
    made = link_many(integration=target, pairs=going, actor=actor)
    stay = [former[one.company.pk].pk for one in made.rejected]
    rows.filter(AnyOf("id", stay)).update(unlinked_at=None)
    for link in made.links:
        link.moved_from = former[link.company_id]
    CompanyLink.objects.bulk_update(made.links, ["moved_from"])
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
    result.links, result.sync_run = made.links, made.sync_run
    result.rejected += made.rejected
    return result


MOVED_BEFORE = DomainError(
    "moved_before",
    "This audITee came from that account by a move.",
    "Undo that move: it leads back, and figures are as if it had not been.",
)


def _links_to_leave(source: Integration, pairs: Sequence[Pair]) -> dict[UUID, CompanyLink]:
    links = CompanyLink.objects.of(source).in_force()
    links = links.filter(AnyOf("company_id", [company.pk for company, _ in pairs]))
    return {link.company_id: link for link in links.select_related("integration")}


def _came_from(target: Integration, companies: Sequence[UUID]) -> set[UUID]:
    """Those that have left this account by a move which stands."""
    moves = CompanyLink.objects.for_tenant(target.tenant).standing()
    moves = moves.filter(AnyOf("company_id", companies), moved_from__integration=target)
    return set(moves.values_list("company_id", flat=True))


def _stop_reading(source: Integration, links: Sequence[CompanyLink], actor: User | None) -> None:
    """End the re-syncs of what has left, and what the inbox says of it."""
    runs = SyncRun.objects.of(source).filter(
        AnyOf("company_id", [link.company_id for link in links]), state__in=SyncRun.ACTIVE_STATES
    )
    for run in runs:
        cancel_sync_run(run=run, actor=actor)
    ids = {link.external_id for link in links}
    close_issues(source, kind="company", codes=REASONS.keys(), external_ids=ids)
