"""Confirming suggestions: many pairs at once, with what came of each."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from uuid import UUID

from django.db import transaction

from audit_site import limits
from audit_site.db.bulk import AnyOf
from audit_site.errors import DomainError
from audit_site.tenants.models import Tenant, User
from companies.models import Company
from companies.services import suggestions_may_differ
from integrations.links.linking import link_many, lock_companies
from integrations.matching.batches import keep_batch
from integrations.matching.pairs import (
    CHANGED,
    NOT_SUGGESTED,
    AskedPair,
    KnownPair,
    RejectedPair,
    known_pairs,
    refuse_too_many,
    rejected,
    unknown_company,
)
from integrations.matching.sides import mark_of, our_sides, their_sides
from integrations.models import (
    CompanyLink,
    Integration,
    LinkBatch,
    PsaCompanyRecord,
    SyncRun,
    lock_integration,
)


@dataclass(slots=True)
class ConfirmResult:
    """The links that were made, why others were not, and the runs that read their agreements: one
    for each account.
    """

    links: list[CompanyLink] = field(default_factory=list)
    rejected: list[RejectedPair] = field(default_factory=list)
    sync_runs: list[SyncRun] = field(default_factory=list)
    batch: LinkBatch | None = None


@transaction.atomic
def confirm_pairs(
    *, tenant: Tenant, pairs: Sequence[AskedPair], actor: User | None
) -> ConfirmResult:
    """Link each of these pairs, if it is suggested and as it was when it was suggested.

    What can't be linked is rejected by itself; the others are. Takes the locks of all accounts,
    then of all audITees, each in the order of their ids. How many statements it takes depends on
    the number of accounts, and on that of pairs for the audit trail alone.
    """
    refuse_too_many(pairs)
    limits.spend(tenant, limits.IMPORTS)
    known, bad = known_pairs(tenant, pairs)
    result = ConfirmResult(rejected=bad)
    by_account: dict[UUID, list[KnownPair]] = defaultdict(list)
    for pair in known:
        by_account[pair.integration.pk].append(pair)
    _lock(tenant, known)
    for _, some in sorted(by_account.items()):
        _confirm(some[0].integration, some, actor, result)
    if any(one.code == CHANGED.code for one in result.rejected):
        suggestions_may_differ(tenant)
    result.batch = keep_batch(tenant, result.links, _said(known, result.rejected), actor)
    return result


def _said(known: Iterable[KnownPair], rejected: Iterable[RejectedPair]) -> list[dict[str, str]]:
    """What was rejected, as the batch keeps it."""
    names = {
        pair.asked: (pair.company.name, pair.suggestion.record.name if pair.suggestion else "")
        for pair in known
    }
    return [
        {"name": ours, "theirs": theirs, "code": one.code, "message": one.message}
        for one in rejected
        for ours, theirs in (names.get(one.pair, ("", one.pair.external_id)),)
    ]


def _lock(tenant: Tenant, pairs: Iterable[KnownPair]) -> None:
    pairs = list(pairs)
    accounts = {pair.integration.pk: pair.integration for pair in pairs}
    for _, integration in sorted(accounts.items()):
        lock_integration(integration)
    lock_companies(tenant, [pair.company.pk for pair in pairs])


def _confirm(
    integration: Integration,
    pairs: Sequence[KnownPair],
    actor: User | None,
    result: ConfirmResult,
) -> None:
    try:
        integration.refresh_from_db(fields=["status"])
        integration.refuse_disconnected()
    except DomainError as error:
        result.rejected += [rejected(pair.asked, error) for pair in pairs]
        return
    wanted = _wanted(integration, pairs, result)
    made = link_many(
        integration=integration,
        pairs=[(pair.company, pair.external_id) for pair in wanted],
        actor=actor,
    )
    result.links += made.links
    asked = {(pair.company.pk, pair.external_id): pair.asked for pair in wanted}
    result.rejected += [
        rejected(asked[one.company.pk, one.external_id], one.error) for one in made.rejected
    ]
    result.sync_runs += [made.sync_run] if made.sync_run else []


def _wanted(
    integration: Integration, pairs: Sequence[KnownPair], result: ConfirmResult
) -> list[KnownPair]:
    """Those that are as they were suggested; of linked ones linking itself says what is wrong."""
    ids = [pair.external_id for pair in pairs]
    rows = PsaCompanyRecord.objects.of(integration).filter(AnyOf("external_id", ids))
    there = set(rows.values_list("external_id", flat=True))
    linked_ours, linked_theirs = _linked(integration, pairs)
    companies = Company.objects.for_tenant(integration.tenant)
    active = companies.filter(
        AnyOf("id", [pair.company.pk for pair in pairs]), status=Company.Status.ACTIVE
    )
    ours, theirs = our_sides(integration.tenant, active), their_sides(integration, ids)
    wanted = []
    for pair in pairs:
        suggestion = pair.suggestion
        if pair.external_id not in there:
            result.rejected.append(rejected(pair.asked, unknown_company(integration)))
        elif pair.company.pk in linked_ours or pair.external_id in linked_theirs:
            wanted.append(pair)
        elif (
            suggestion is None
            or suggestion.dismissed_at is not None
            or pair.company.pk not in ours
            or suggestion.record_id not in theirs
        ):
            result.rejected.append(rejected(pair.asked, NOT_SUGGESTED))
        elif mark_of(ours[pair.company.pk], theirs[suggestion.record_id]) != suggestion.mark:
            result.rejected.append(rejected(pair.asked, CHANGED))
        else:
            wanted.append(pair)
    return wanted


def _linked(integration: Integration, pairs: Sequence[KnownPair]) -> tuple[set[UUID], set[str]]:
    """Which audITees of these pairs are linked, and which companies of the account."""
    links = CompanyLink.objects.for_tenant(integration.tenant).in_force()
    ours = links.filter(AnyOf("company_id", [pair.company.pk for pair in pairs]))
    theirs = links.filter(
        AnyOf("external_id", [pair.external_id for pair in pairs]), integration=integration
    )
    return (
        set(ours.values_list("company_id", flat=True)),
        set(theirs.values_list("external_id", flat=True)),
    )
