"""A person says that two are not the same, and takes that back."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from django.db import transaction
from django.utils import timezone

from audit_site.db.bulk import AnyOf
from audit_site.db.lengths import fitted
from audit_site.tenants.audit import record_audit
from audit_site.tenants.models import Tenant, User
from companies.services import suggestions_may_differ
from integrations.matching.pairs import (
    NOT_SUGGESTED,
    AskedPair,
    KnownPair,
    RejectedPair,
    known_pairs,
    refuse_too_many,
    rejected,
)
from integrations.models import LinkSuggestion

#: What is written of who dismissed it, when nobody did.
NOBODY: Final[Mapping[str, object]] = {"dismissed_at": None, "dismissed_by_name": ""}


@dataclass(slots=True)
class DismissResult:
    """The suggestions that are dismissed now, or not any more, and why others are as they were."""

    suggestions: list[LinkSuggestion] = field(default_factory=list)
    rejected: list[RejectedPair] = field(default_factory=list)


@transaction.atomic
def dismiss_pairs(
    *, tenant: Tenant, pairs: Sequence[AskedPair], actor: User | None
) -> DismissResult:
    """Say of pairs that they are not the same: they are not suggested until that is taken back."""
    name = fitted(LinkSuggestion, "dismissed_by_name", str(actor or ""))
    values = {"dismissed_at": timezone.now(), "dismissed_by_name": name}
    return _change(tenant, pairs, actor, "suggestion.dismissed", values)


@transaction.atomic
def restore_pairs(
    *, tenant: Tenant, pairs: Sequence[AskedPair], actor: User | None
) -> DismissResult:
    """Take that back: they are suggested as far as the rule finds them good enough."""
    return _change(tenant, pairs, actor, "suggestion.restored", NOBODY)


def _change(
    tenant: Tenant,
    pairs: Sequence[AskedPair],
    actor: User | None,
    action: str,
    values: Mapping[str, object],
) -> DismissResult:
    refuse_too_many(pairs)
    known, bad = known_pairs(tenant, pairs)
    bad += [rejected(pair.asked, NOT_SUGGESTED) for pair in known if pair.suggestion is None]
    chosen = [pair for pair in known if pair.suggestion is not None]
    rows = LinkSuggestion.objects.for_tenant(tenant)
    rows = rows.filter(AnyOf("id", [pair.suggestion.pk for pair in chosen if pair.suggestion]))
    will_be = values["dismissed_at"] is not None
    changing = rows.filter(dismissed_at__isnull=will_be)
    changed = set(changing.values_list("pk", flat=True))
    changing.filter(pk__in=changed).update(**values)
    for pair in chosen:
        if pair.suggestion and pair.suggestion.pk in changed:
            _audit(pair, actor, action, will_be=will_be)
    if changed:
        suggestions_may_differ(tenant)
    fresh = rows.select_related("company", "record__integration", "source").best_first()
    return DismissResult(list(fresh), bad)


def _audit(pair: KnownPair, actor: User | None, action: str, *, will_be: bool) -> None:
    record_audit(
        tenant=pair.integration.tenant,
        actor=actor,
        action=action,
        subject=pair.company,
        before={"dismissed": not will_be},
        after={
            "dismissed": will_be,
            "integration": str(pair.integration.pk),
            "external_id": pair.external_id,
        },
    )
