"""What rests on a word is worked out again: MRR, the import list, and linked companies' flags."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from contextlib import AbstractContextManager
from datetime import timedelta
from typing import Final
from uuid import UUID

from django.db import transaction
from django.utils import timezone

from agreements import stored_mrr
from agreements.causes import caused_by
from audit_site.db import walls
from audit_site.db.batches import batched
from audit_site.db.bulk import AnyOf
from audit_site.queue import enqueue
from companies.models import Company
from integrations.importing import mirror
from integrations.issues.inbox import close_issues, raise_issues
from integrations.models import (
    CompanyLink,
    Integration,
    PsaCompanyRecord,
    PsaWord,
    lock_integration,
)
from integrations.sync import linked_companies
from integrations.words.places import books_resting_on, listed_with

log = logging.getLogger(__name__)
#: So many books, and PSA companies, are worked out at once while a person waits; more by a worker.
MOST_AT_ONCE: Final = 400
CHUNK: Final = 1000
#: After so long a word whose message was lost is followed all the same.
LOST_AFTER: Final = timedelta(minutes=2)


def follow(word: PsaWord) -> None:
    """Work out what rests on a word, at once or, where it is much, by a worker.

    Call it in the transaction that changed the word, behind its integration's lock. Until a worker
    has come, who asks for one company's MRR gets it right already.
    """
    companies, listed = books_resting_on(word), listed_with(word)
    if max(len(companies), len(listed)) > MOST_AT_ONCE:
        with _caused_by(word):
            stored_mrr.mark_stale(word.integration.tenant, companies)
        enqueue("integrations.follow_word", str(word.tenant_id), str(word.pk))
        return
    _follow_at_once(word, companies, listed)


def _follow_at_once(word: PsaWord, companies: Sequence[UUID], listed: Sequence[str]) -> None:
    _check_rules(word.integration, listed)
    with _caused_by(word):
        stored_mrr.refresh(word.integration.tenant, companies)
    _note_followed(word)


@walls.of_tenant
def follow_word(*, tenant_id: str, word_id: str) -> None:
    """A worker's part, in short transactions. May run twice and changes nothing more."""
    rows = PsaWord.objects.filter(tenant=UUID(tenant_id), pk=word_id, followed_at=None)
    word = rows.select_related("integration__tenant").first()
    if word is None:
        return
    for external_ids in batched(listed_with(word), CHUNK):
        with transaction.atomic():
            _check_rules(lock_integration(word.integration), external_ids)
    with _caused_by(word):
        stored_mrr.refresh(word.integration.tenant, books_resting_on(word))
    _note_followed(word)


def follow_lost() -> None:
    """Follow the words whose message never came."""
    rows = PsaWord.objects.filter(followed_at=None)
    waiting = rows.filter(at__lt=timezone.now() - LOST_AFTER).order_by("at")
    for tenant_id, word_ids in walls.first_by_tenant(waiting, "follow_words", 100).items():
        for word_id in word_ids:
            try:
                follow_word(tenant_id=str(tenant_id), word_id=str(word_id))
            except Exception:  # the others don't wait for it
                log.exception("word_not_followed word=%s", word_id)


def _caused_by(word: PsaWord) -> AbstractContextManager[None]:
    """Books change since somebody said, or takes back, what the word means."""
    actor, who = (None, word.ended_by_name) if word.ended_at else (word.by, word.by_name)
    return caused_by("choice", actor=actor, name=f'"{word.word}"' + (f", {who}" if who else ""))


def _note_followed(word: PsaWord) -> None:
    """Unless it was changed once more meanwhile: then somebody else follows that."""
    word.followed_at = timezone.now()
    same = PsaWord.objects.filter(
        tenant=word.tenant_id, pk=word.pk, at=word.at, ended_at=word.ended_at
    )
    same.update(followed_at=word.followed_at)


def _check_rules(integration: Integration, external_ids: Sequence[str]) -> None:
    """Check the import rules of these PSA companies, and flag those that are linked.

    Of a disconnected account nothing is brought over: names and contacts are ours to edit then, and
    who connects it again has all rules checked.
    """
    if not external_ids or integration.is_disconnected:
        return
    checked = mirror.apply_rules(integration, external_ids)
    links = CompanyLink.objects.of(integration).in_force()
    links = links.filter(company__status=Company.Status.ACTIVE)  # as a sync does it
    chosen = list(links.filter(AnyOf("external_id", external_ids)))
    linked_companies.apply_companies(integration, chosen, checked, timezone.now())
    linked = [checked.companies[link.external_id] for link in chosen]
    _tell_of_status(integration, linked)


def _tell_of_status(integration: Integration, linked: Sequence[PsaCompanyRecord]) -> None:
    """The inbox says of which linked companies the status stands in the way now."""
    info = integration.psa_info
    active = {record.external_id for record in linked if "inactive" not in record.rule_codes}
    close_issues(integration, kind="company", codes={"inactive"}, external_ids=active)
    reports = [
        report
        for record in linked
        if record.external_id not in active
        for report in linked_companies.reports_of(record, info, "")
        if report.code == "inactive"
    ]
    raise_issues(integration, reports)
