"""What a decision would make of a company's figures, worked out before it is made."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from fractions import Fraction
from typing import Any, Final

from msgspec.structs import replace

from agreements import books, mrr, stored_mrr
from agreements.decision_rules import refuse_what_does_not_fit
from agreements.models import Agreement, AgreementLine
from agreements.mrr.words import CYCLE, read_meaning_of

#: The figures that are compared, and what they are called.
FIGURES: Final = {
    "today": "MRR today",
    "trailing12": "average of the last 12 months",
    "forward12": "average of the next 12 months as signed",
}
#: Choices about an agreement that the engine takes by the same name.
TAKEN: Final = ("exclude", "force_include", "assume_renewal")


@dataclass(frozen=True, slots=True)
class Effect:
    """What one of `FIGURES` of a company comes to in a currency, before and after."""

    figure: str
    currency: str
    before: str
    after: str

    @property
    def name(self) -> str:
        return FIGURES[self.figure]


def effects_of(
    *, agreement: Agreement, line: AgreementLine | None = None, changes: Mapping[str, Any]
) -> list[Effect]:
    """What `decisions.choose` would do to the figures of today; none = they stay what they are.

    Nothing is stored. Raises as `choose` does where the decision can't be.
    """
    choices = getattr(line or agreement, "choices", None)
    refuse_what_does_not_fit(agreement, line, changes, choices)
    tenant, company_id = agreement.tenant, agreement.company_id
    stored_mrr.refresh_stale(tenant, [company_id])
    settled = books.prepare_company(tenant, company_id)
    words = settled[0].words if settled else {}
    chosen = [_chosen(item.agreement, agreement, line, changes) for item in settled]
    decided = mrr.prepare(mrr.Book(chosen, tenant.currency, books.sources(), words))
    before, after = (_amounts(book, tenant.today()) for book in (settled, decided))
    found = [
        Effect(figure, currency, before.get(key, nothing), after.get(key, nothing))
        for key in sorted({*before, *after}, key=lambda key: ([*FIGURES].index(key[0]), key[1]))
        for figure, currency in (key,)
        for nothing in (mrr.money_text(currency, Fraction(0)),)
    ]
    return [effect for effect in found if effect.before != effect.after]


def _amounts(book: list[mrr.Prepared], today: date) -> dict[tuple[str, str], str]:
    """The amount of each of `FIGURES` by currency."""
    figures = {"today": mrr.mrr(book, today), **mrr.averages(book, today)}
    return {
        (name, figure.currency): figure.amount
        for name, by_currency in figures.items()
        for figure in by_currency
    }


def _chosen(
    item: mrr.Agreement,
    agreement: Agreement,
    line: AgreementLine | None,
    changes: Mapping[str, Any],
) -> mrr.Agreement:
    """An agreement of the book as it is once that is decided; others as they are."""
    if item.is_context or item.ref.pk != agreement.pk:
        return item
    if line is not None:
        return replace(item, lines=[_chosen_line(one, line, changes) for one in item.lines])
    values = {name: changes[name] for name in TAKEN if name in changes}
    if "cycle" in changes:
        values["chosen_cycle"] = read_meaning_of(CYCLE, changes["cycle"])
    if "renews" in changes:
        older = [one.external_id for one in changes["renews"]]
        values["renews"] = older or item.ref.renews_external_ids
    return replace(item, **values)


def _chosen_line(item: mrr.Line, line: AgreementLine, changes: Mapping[str, Any]) -> mrr.Line:
    if item.ref.pk != line.pk:
        return item
    values = {"exclude": changes["exclude"]} if "exclude" in changes else {}
    if "cycle" in changes:
        values["chosen_cycle"] = read_meaning_of(CYCLE, changes["cycle"])
    if "force_include" in changes:
        values["one_time"] = False if changes["force_include"] else item.ref.one_time
    return replace(item, **values)
