"""What a decision would make of a company's figure of today, worked out before it is made."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, Final

from msgspec.structs import replace

from agreements import books, mrr, stored_mrr
from agreements.decisions import refuse_what_does_not_fit
from agreements.models import Agreement, AgreementLine
from agreements.mrr.words import CYCLE, read_meaning_of

#: Choices about an agreement that the engine takes by the same name.
TAKEN: Final = ("exclude", "force_include", "assume_renewal")


@dataclass(frozen=True, slots=True)
class Effect:
    """What a company's MRR of today comes to in a currency, before and after."""

    currency: str
    before: str
    after: str


def effects_of(
    *, agreement: Agreement, line: AgreementLine | None = None, changes: Mapping[str, Any]
) -> list[Effect]:
    """What `decisions.choose` would do to the figure of today; none = it stays what it is.

    Nothing is stored. Raises as `choose` does where the decision can't be.
    """
    refuse_what_does_not_fit(agreement, line, changes)
    tenant, company_id = agreement.tenant, agreement.company_id
    stored_mrr.refresh_stale(tenant, [company_id])
    settled = books.prepare_company(tenant, company_id)
    words = settled[0].words if settled else {}
    chosen = [_chosen(item.agreement, agreement, line, changes) for item in settled]
    decided = mrr.prepare(mrr.Book(chosen, tenant.currency, books.sources(), words))
    today = tenant.today()
    before, after = (_amounts(mrr.mrr(book, today)) for book in (settled, decided))
    found = [
        Effect(currency, before.get(currency, nothing), after.get(currency, nothing))
        for currency in sorted({*before, *after})
        for nothing in (mrr.money_text(currency, Fraction(0)),)
    ]
    return [effect for effect in found if effect.before != effect.after]


def _amounts(figures: list[mrr.Figure]) -> dict[str, str]:
    return {figure.currency: figure.amount for figure in figures}


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
