"""Reads over words: what was said of them, and which wait for somebody who says it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, Final

from django.db.models import Q, QuerySet

from agreements import books, mrr
from agreements.figures import Money
from agreements.models import Agreement
from agreements.mrr.awaited import awaited_money
from agreements.mrr.words import CURRENCY, CYCLE, STATUS
from companies.models import Company
from integrations.models import Integration, PsaWord
from integrations.words.kinds import KINDS, WordKind, is_understood
from integrations.words.places import (
    MOST_WORDS,
    SeenWord,
    agreements_with,
    companies_with,
    counted_by_key,
    lines_with,
    seen_words,
    with_this_word,
)

#: Kinds of which a word that nobody explained keeps something out.
WAITING_KINDS: Final = (CYCLE, CURRENCY, STATUS)
#: Money that waits, by kind and key of the word.
AwaitedMoneys = dict[tuple[str, str], list[Money]]


@dataclass(frozen=True, slots=True)
class WaitingWord:
    """A word that was seen and that nobody has said the meaning of.

    `records`: agreements, lines and PSA companies that have it. `money`: what the rows of today
    would bring that it keeps out, by currency: a cycle where it is a cycle, else a month.
    """

    kind: str
    word: str
    key: str
    records: int
    money: list[Money]

    @property
    def kind_info(self) -> WordKind:
        return KINDS[self.kind]


def said_words(integration: Integration, kind: str = "") -> QuerySet[PsaWord]:
    """What was said of an account's words and is in force."""
    rows = PsaWord.objects.of(integration).in_force().order_by("kind", "key")
    return rows.filter(kind=kind) if kind else rows


def past_words(integration: Integration) -> QuerySet[PsaWord]:
    """What was said once, and changed or undone since; the newest first."""
    return PsaWord.objects.of(integration).exclude(ended_at=None).order_by("-ended_at", "-id")


def waiting_words(integration: Integration, kind: str = "") -> list[WaitingWord]:
    """Words of an account that keep something out, by kind and word. Ten statements or so,
    whatever the number of records; at most `MOST_WORDS` of each kind.
    """
    kinds = [name for name in WAITING_KINDS if kind in {"", name}]
    counted = {name: _waiting(integration, name) for name in kinds}
    money = _awaited(integration, [name for name in kinds if counted[name]])
    return [
        WaitingWord(name, seen.word, key, seen.records, money.get((name, key), []))
        for name in sorted(counted)
        for key, seen in sorted(counted[name].items())
    ]


def count_waiting(integration: Integration) -> int:
    """How many words of an account keep something out."""
    return sum(len(_waiting(integration, kind)) for kind in WAITING_KINDS)


def _waiting(integration: Integration, kind: str) -> dict[str, SeenWord]:
    said = set(said_words(integration, kind).values_list("key", flat=True)[:MOST_WORDS])
    seen = [word for rows in _kept_out(integration, kind) for word in seen_words(rows)]
    listed = {mrr.word_key(word) for word in integration.psa_info.inactive_words}
    return {
        key: word
        for key, word in counted_by_key(seen).items()
        if key
        and key not in said
        and not is_understood(kind, word.word)
        and not (kind == STATUS and key in listed)
    }


def _kept_out(integration: Integration, kind: str) -> Iterator[QuerySet[Any]]:
    """Records on which an unknown word of this kind would keep something out."""
    agreements, lines = agreements_with(integration, kind), lines_with(integration, kind)
    if agreements is not None:
        rows = agreements.filter(gone_at=None, company__status=Company.Status.ACTIVE)
        yield rows.filter(active=False) if kind == STATUS else rows
    if lines is not None:
        of_active = {"agreement__gone_at": None, "agreement__company__status": "active"}
        yield lines.filter(gone_at=None, **of_active)
    if kind == STATUS and integration.psa_info.only_active_importable:
        companies = companies_with(integration, kind)
        if companies is not None:
            yield companies.filter(gone_at=None, is_active=False, is_deleted=False)


def _awaited(integration: Integration, kinds: Collection[str]) -> AwaitedMoneys:
    """What waits today for words of these kinds, worked out by the engine."""
    chosen = Q(pk__in=())
    for kind in kinds:
        chosen |= _of_words(integration, kind)
    return _money(integration, chosen, kinds) if kinds else {}


def _of_words(integration: Integration, kind: str) -> Q:
    """Agreements that may wait for a word of this kind, and children that inherit it."""
    agreements, lines = agreements_with(integration, kind), lines_with(integration, kind)
    chosen = Q(pk__in=())
    if agreements is not None:
        rows = agreements.filter(active=False) if kind == STATUS else agreements
        if kind == CURRENCY:
            words = [word for word, _ in seen_words(rows) if not is_understood(kind, word)]
            rows = rows.filter(psa_word__in=words)
        chosen |= _with_children(kind, rows)
    if lines is not None:
        chosen |= Q(pk__in=lines.values("agreement_id"))
    return chosen


def _with_children(kind: str, rows: QuerySet[Any]) -> Q:
    """These agreements, and those that inherit their cycle."""
    chosen = Q(pk__in=rows.values("pk"))
    if kind == CYCLE:
        chosen |= Q(cycle__isnull=True, parent_external_id__in=rows.values("external_id"))
    return chosen


def _money(integration: Integration, chosen: Q, kinds: Collection[str]) -> AwaitedMoneys:
    tenant = integration.tenant
    waiting = Agreement.objects.for_tenant(tenant).filter(
        chosen, integration=integration, gone_at=None, company__status=Company.Status.ACTIVE
    )
    rows = books.agreements_of(tenant).filter(company__in=waiting.values("company"))
    book, today, account = books.book_of(tenant, rows), tenant.today(), str(integration.pk)
    sums: dict[tuple[str, str], dict[str, Fraction]] = defaultdict(lambda: defaultdict(Fraction))
    for kind in kinds:
        for awaited, currency, amount in awaited_money(book, today, account, kind):
            sums[kind, mrr.word_key(awaited.word)][currency] += amount
    return {
        word: [
            {"currency": currency, "amount": mrr.money_text(currency, amount)}
            for currency, amount in sorted(by_currency.items())
        ]
        for word, by_currency in sums.items()
    }


def word_now(integration: Integration, kind: str, word: str) -> WaitingWord:
    """One word with what has it and what waits for it, also where it was said before."""
    key = mrr.word_key(word)
    places = (agreements_with, lines_with, companies_with)
    found = [rows for place in places if (rows := place(integration, kind)) is not None]
    records = sum(with_this_word(rows.filter(gone_at=None), key).count() for rows in found)
    money: list[Money] = []
    agreements, lines = agreements_with(integration, kind), lines_with(integration, kind)
    chosen = Q(pk__in=())
    if agreements is not None:
        chosen |= _with_children(kind, with_this_word(agreements, key))
    if lines is not None:
        chosen |= Q(pk__in=with_this_word(lines, key).values("agreement_id"))
    if records:
        money = _money(integration, chosen, [kind]).get((kind, key), [])
    return WaitingWord(kind, word, key, records, money)


def suggestions(integration: Integration, kind: str, most: int = 200) -> list[str]:
    """Words of a kind that were seen and of which nothing was said, the most frequent first."""
    places = (agreements_with, lines_with, companies_with)
    found = [rows for place in places if (rows := place(integration, kind)) is not None]
    seen = counted_by_key(word for rows in found for word in seen_words(rows.filter(gone_at=None)))
    said = set(said_words(integration, kind).values_list("key", flat=True)[:MOST_WORDS])
    known = sorted(seen.items(), key=lambda item: -item[1].records)
    words = [seen_word.word for key, seen_word in known if key not in said]
    return [word for word in words if not is_understood(kind, word)][:most]
