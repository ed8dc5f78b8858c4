"""Stored agreements and lines, read as the engine's; as text where that is to be kept."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass, field
from datetime import datetime
from typing import NamedTuple

from django.db.models import F, QuerySet
from msgspec.json import encode

from agreements import mrr
from agreements.books.columns import AGREEMENT, AGREEMENTS, LINE, LINES, json_again
from agreements.books.ends import end_gone, settle_line
from agreements.models import Agreement, AgreementLine
from agreements.mrr.words import words_of_line
from audit_site.db.json_rows import IdText, JsonArray
from audit_site.tenants.models import Tenant


@dataclass(slots=True)
class AgreementText:
    """An agreement and its lines as JSON: what the engine is given, without the lines, and what is
    shown beside that. A line is `[the engine's, shown]`, with `gone_from` behind where it has one;
    those fields of the engine's that are no columns are not in it. `words`: kind and key of each
    word on its lines, where anything was said of words.
    """

    engine: str
    shown: str
    lines: list[str] = field(default_factory=list)
    words: set[tuple[str, str]] = field(default_factory=set)


class Kept(NamedTuple):
    """An agreement as it is kept: the engine's, and whose it is; as text where that is wanted."""

    id: str
    tenant: Tenant
    agreement: mrr.Agreement
    text: AgreementText | None = None

    @property
    def key(self) -> tuple[str, str]:
        return self.agreement.account, self.agreement.id

    @property
    def parent_key(self) -> tuple[str, str]:
        return self.agreement.account, self.agreement.parent_id


def agreements_of(*tenants: Tenant) -> QuerySet[Agreement]:
    """Agreements in the order of the book, each with its JSON."""
    return (
        Agreement.objects.for_tenants(tenants)
        .annotate(
            json=AGREEMENT,
            id_text=IdText("id"),
            tenant_text=IdText("tenant_id"),
        )
        .order_by("id")
    )


def lines_of(tenants: Iterable[Tenant]) -> QuerySet[AgreementLine]:
    """Lines in the PSA's order, each with its JSON."""
    return (
        AgreementLine.objects.for_tenants(tenants)
        .annotate(
            json=LINE,
            agreement_text=IdText("agreement_id"),
            chosen_force_include=F("choices__force_include"),
        )
        .order_by("position", "id")
    )


def read(
    chosen: QuerySet[Agreement], tenants: Iterable[Tenant], *, with_text: bool = False
) -> list[Kept]:
    """These agreements, without their lines; `ref` is the id. No instance is made of any row."""
    by_id = {str(tenant.pk): tenant for tenant in tenants}
    columns = ("json", "id_text", "tenant_text", "gone_at", "cycle_label")
    found = []
    for json, id_, tenant_id, gone_at, cycle_label in chosen.values_list(*columns):
        tenant = by_id[tenant_id]
        agreement = _agreement(json, gone_at, tenant)
        text = None
        if with_text:
            engine = json if gone_at is None else json_again(agreement, AGREEMENT)
            text = AgreementText(engine, encode((id_, cycle_label, gone_at)).decode())
        agreement.ref = id_
        found.append(Kept(id_, tenant, agreement, text))
    return found


def add_lines(kept: Iterable[Kept], lines: QuerySet[AgreementLine]) -> None:
    """Give agreements their lines. One of an agreement that came since is left."""
    by_id = {item.id: item for item in kept}
    columns = ("json", "agreement_text", "gone_at", "chosen_force_include")
    for json, agreement_id, gone_at, forced in lines.values_list(*columns):
        if item := by_id.get(agreement_id):
            item.agreement.lines.append(_line(json, gone_at, forced, item.tenant))


def add_lines_with_text(
    kept: Iterable[Kept],
    counting: Collection[str],
    lines: QuerySet[AgreementLine],
    *,
    with_words: bool,
) -> None:
    """As `add_lines`, for those that are `counting`; all are given the texts of their lines."""
    by_id = {item.id: item for item in kept}
    columns = ("json", "agreement_text", "gone_at", "chosen_force_include", "shown")
    rows = lines.annotate(shown=JsonArray(IdText("id"), "description"))
    for json, agreement_id, gone_at, forced, shown in rows.values_list(*columns):
        item = by_id.get(agreement_id)
        if item is None or item.text is None:
            continue
        is_counting = agreement_id in counting
        if is_counting or gone_at is not None or forced or with_words:
            line = _line(json, gone_at, forced, item.tenant)
            if is_counting:
                item.agreement.lines.append(line)
            if with_words:
                item.text.words.update(words_of_line(line))
            if forced:
                json = json_again(line, LINE)  # noqa: PLW2901  as the engine is given it
            if line.gone_from is not None:
                shown = f'{shown},"{line.gone_from}"'  # noqa: PLW2901
        item.text.lines.append(f"[{json},{shown}]")


def _agreement(json: str, gone_at: datetime | None, tenant: Tenant) -> mrr.Agreement:
    agreement = AGREEMENTS.decode(json)
    end_gone(agreement, gone_at, tenant)
    return agreement


def _line(json: str, gone_at: datetime | None, forced: bool | None, tenant: Tenant) -> mrr.Line:
    line = LINES.decode(json)
    settle_line(line, gone_at, forced, tenant)
    return line
