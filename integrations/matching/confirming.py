"""Confirming suggestions: many pairs at once, with what came of each."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from uuid import UUID

from django.db import transaction

from audit_site import limits
from audit_site.db.bulk import AnyOf
from audit_site.db.each_by_itself import all_that_can
from audit_site.errors import DomainError
from audit_site.tenants.models import Tenant, User
from companies.models import Company
from companies.services import suggestions_may_differ
from integrations.links.following import Pair
from integrations.links.linking import LinkResult, link_many, lock_companies
from integrations.matching.batches import keep_batch
from integrations.matching.moving import move_many
from integrations.matching.pairs import (
    CHANGED,
    NOT_SUGGESTED,
    AskedPair,
    KnownPair,
    RejectedPair,
    known_pairs,
    not_yours,
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
    held = _lock(tenant, known)
    for pair in held:
        by_account[pair.integration.pk].append(pair)
    there = {pair.asked for pair in held}  # of some the audITee was erased at this moment
    bad += [rejected(pair.asked, not_yours()) for pair in known if pair.asked not in there]
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


def _lock(tenant: Tenant, pairs: Sequence[KnownPair]) -> list[KnownPair]:
    """The same pairs with the links that their audITees have now, all of it held."""
    accounts = {pair.integration.pk: pair.integration for pair in pairs}
    for suggestion in (one for pair in pairs for one in pair.suggestions):
        if suggestion.source is not None:
            accounts[suggestion.source.pk] = suggestion.source
    for _, integration in sorted(accounts.items()):
        lock_integration(integration)
    ids = [pair.company.pk for pair in pairs]
    held = lock_companies(tenant, ids)
    links = CompanyLink.objects.for_tenant(tenant).in_force().filter(AnyOf("company_id", ids))
    of_company = {link.company_id: link for link in links.select_related("integration__tenant")}
    return [
        replace(pair, company=held[pair.company.pk], link=of_company.get(pair.company.pk))
        for pair in pairs
        if pair.company.pk in held
    ]


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
    moves: dict[UUID, list[KnownPair]] = defaultdict(list)
    links = []
    for pair in _wanted(integration, pairs, result):
        if pair.source is not None:
            moves[pair.source.pk].append(pair)
        else:
            links.append(pair)
    if links:
        _carry_out(partial(link_many, integration=integration, actor=actor), links, result)
    for _, some in sorted(moves.items()):
        if (source := some[0].source) is not None:
            act = partial(move_many, source=source, target=integration, actor=actor)
            _carry_out(act, some, result)


def _carry_out(
    act: Callable[..., LinkResult], pairs: Sequence[KnownPair], result: ConfirmResult
) -> None:
    """Link or move them, and note what came of each; one that fails holds no other up."""

    def failed(pairs: Sequence[KnownPair], error: DomainError) -> None:
        result.rejected += [rejected(pair.asked, error) for pair in pairs]

    all_that_can(
        pairs, lambda some: _note(act(pairs=_both(some)), some, result), failed, "suggested links"
    )


def _both(pairs: Iterable[KnownPair]) -> list[Pair]:
    return [(pair.company, pair.external_id) for pair in pairs]


def _note(made: LinkResult, pairs: Iterable[KnownPair], result: ConfirmResult) -> None:
    asked = {(pair.company.pk, pair.external_id): pair.asked for pair in pairs}
    result.links += made.links
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
    links = CompanyLink.objects.of(integration).in_force().filter(AnyOf("external_id", ids))
    taken = set(links.values_list("external_id", flat=True))
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
        elif pair.external_id in taken or (pair.link is not None and suggestion is None):
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
