"""Where the words of an account stand: columns of agreements, of lines and of PSA companies."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final, NamedTuple
from uuid import UUID

from django.db.models import Count, F, QuerySet, TextField
from django.db.models.fields.json import KeyTextTransform
from django.db.models.functions import Cast

from agreements import mrr
from agreements.models import Agreement, AgreementLine
from agreements.mrr.words import AGREEMENT_TYPE, CURRENCY, CYCLE, PRODUCT, STATUS
from integrations.importing.said_words import COMPANY_TYPE
from integrations.models import Integration, PsaCompanyRecord, PsaWord

#: So many words of a kind are looked at, the most frequent first: nobody says more of them.
MOST_WORDS: Final = 1000

#: The word of a cycle that its adapter did not know, null where it did.
UNKNOWN_CYCLE: Final = Cast(KeyTextTransform("unknown", "cycle"), TextField())


class SeenWord(NamedTuple):
    """A word as it is spelled somewhere, and on how many records it stands."""

    word: str
    records: int


def agreements_with(integration: Integration, kind: str) -> QuerySet[Any] | None:
    """Agreements with the word of this kind as `psa_word`, and whose they are as `owner`."""
    rows = Agreement.objects.for_tenant(integration.tenant).filter(integration=integration)
    columns: dict[str, Any] = {
        CYCLE: UNKNOWN_CYCLE,
        CURRENCY: F("currency"),
        STATUS: F("status"),
        AGREEMENT_TYPE: F("type"),
    }
    return _with_word(rows, columns.get(kind), "company_id")


def lines_with(integration: Integration, kind: str) -> QuerySet[Any] | None:
    """Lines with the word of this kind as `psa_word`, and whose they are as `owner`."""
    rows = AgreementLine.objects.for_tenant(integration.tenant)
    columns: dict[str, Any] = {
        CYCLE: UNKNOWN_CYCLE,
        PRODUCT: F("product"),
    }
    rows = rows.filter(agreement__integration=integration)
    return _with_word(rows, columns.get(kind), "agreement__company_id")


def companies_with(integration: Integration, kind: str) -> QuerySet[Any] | None:
    """PSA companies with the word of this kind as `psa_word`."""
    rows = PsaCompanyRecord.objects.of(integration)
    columns: dict[str, Any] = {STATUS: F("status"), COMPANY_TYPE: F("type")}
    return _with_word(rows, columns.get(kind), "external_id")


def _with_word(rows: QuerySet[Any], column: Any, owner: str) -> QuerySet[Any] | None:
    if column is None:
        return None
    named: QuerySet[Any] = rows.annotate(psa_word=column, owner=F(owner)).order_by()
    return named.exclude(psa_word=None).exclude(psa_word="")


def seen_words(rows: QuerySet[Any]) -> list[SeenWord]:
    """The words of such rows, the most frequent first. One statement."""
    counted = rows.values("psa_word").annotate(number=Count("pk")).order_by("-number", "psa_word")
    pairs = counted.values_list("psa_word", "number")[:MOST_WORDS]
    return [SeenWord(word, number) for word, number in pairs]


def with_this_word(rows: QuerySet[Any], key: str) -> QuerySet[Any]:
    """Rows on which a word of this key stands, however it is spelled there. One statement more."""
    spelled = rows.values_list("psa_word", flat=True).distinct()
    return rows.filter(psa_word__in=[word for word in spelled if mrr.word_key(word) == key])


def books_resting_on(word: PsaWord) -> list[UUID]:
    """Companies of ours whose MRR may rest on a word. Four statements at the most."""
    found: set[UUID] = set()
    for rows in (
        agreements_with(word.integration, word.kind),
        lines_with(word.integration, word.kind),
    ):
        if rows is not None:
            chosen = with_this_word(rows, word.key)
            found |= set(chosen.values_list("owner", flat=True).distinct())
    return sorted(found)


def listed_with(word: PsaWord) -> list[str]:
    """Ids of the PSA companies whose import rules may rest on a word."""
    rows = companies_with(word.integration, word.kind) if word.kind == STATUS else None
    if rows is None:
        return []
    return sorted(with_this_word(rows, word.key).values_list("external_id", flat=True))


def counted_by_key(seen: Iterable[SeenWord]) -> dict[str, SeenWord]:
    """Spellings of one word together, under the most frequent one."""
    found: dict[str, SeenWord] = {}
    for word, number in seen:
        key = mrr.word_key(word)
        first = found.get(key, SeenWord(word, 0))
        found[key] = SeenWord(first.word, first.records + number)
    return found
