"""The books of companies as they were known at a moment, settled by the rules of then."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any
from uuid import UUID

from django.db.models import Q, QuerySet

from agreements.known import values
from agreements.known.editions import Rules, rules_of
from agreements.known.keeping import with_base
from agreements.models import Agreement, AgreementLine, BookPiece
from audit_site.db.bulk import AnyOf
from audit_site.db.json_rows import IdText
from audit_site.tenants.models import Tenant

#: The texts of a company's book, and since when each is known.
Found = dict[values.Key, bytes]


@dataclass(frozen=True, slots=True)
class KnownBook:
    """A company's book as it was known: settled, with what it was read with.

    `ref` of its agreements and lines are instances that are in no table, or else what is kept of
    them to be shown; each has our `id`.
    """

    company_id: str
    rules: Rules
    frame: values.Frame
    prepared: list[Any]

    def today(self, moment: datetime) -> date:
        return Tenant(timezone=self.frame.timezone).today(moment)


def pieces_at(tenant: Tenant, moment: datetime | None) -> QuerySet[BookPiece]:
    """The pieces that were known at a moment; None = now."""
    rows = BookPiece.objects.for_tenant(tenant)
    if moment is None:
        return rows.filter(known_to=None)
    return rows.filter(Q(known_to=None) | Q(known_to__gt=moment), known_from__lte=moment)


def books_at(
    tenant: Tenant,
    moment: datetime | None,
    company_ids: Collection[Any] | None = None,
    *,
    with_shown: bool = True,
) -> dict[str, KnownBook]:
    """The books that were known at a moment, by company; of these, or of all. One statement.

    `with_shown`: with instances of agreements and lines, for pages; they take longer than figures.
    """
    rows = pieces_at(tenant, moment)
    if company_ids is not None:
        rows = rows.filter(AnyOf("company_id", company_ids))
    found: dict[str, Found] = defaultdict(dict)
    columns = (IdText("company_id"), "agreement", "part", "value", "base_value")
    for company_id, agreement, part, value, base in with_base(rows).values_list(*columns):
        found[company_id][values.as_key(agreement, part)] = values.unpack(value, base)
    return {
        company_id: book_of(company_id, texts, tenant, with_shown=with_shown)
        for company_id, texts in sorted(found.items())
        if values.FRAME in texts
    }


def book_of(
    company_id: str,
    texts: Mapping[values.Key, bytes],
    tenant: Tenant,
    *,
    with_shown: bool = True,
) -> KnownBook:
    """Settle a book from its texts."""
    frame = values.read_frame(texts[values.FRAME])
    rules = rules_of(frame.edition)
    of_agreements = sorted(key for key in texts if key[0] is not None)
    agreements: list[Any] = []
    for key in of_agreements:
        if key[1] == 0:
            agreement, shown, lines = rules.first.decode(texts[key])
            agreement.ref = shown
            if with_shown:
                agreement.ref = _shown_agreement(agreement, shown, company_id, tenant)
            agreements.append(agreement)
        else:
            lines = rules.more.decode(texts[key])
        of_whom = agreements[-1].ref if with_shown else None
        agreements[-1].lines += _lines(lines, of_whom)
    return KnownBook(company_id, rules, frame, rules.engine.prepare(rules.book(agreements, frame)))


def _lines(kept: Iterable[Any], agreement: Agreement | None) -> Iterable[Any]:
    """The engine's lines; as instances of this agreement's where that is given."""
    for item in kept:
        line = item.line
        if item.gone_from is not None:
            line.gone_from = item.gone_from
        line.ref = item.shown
        if agreement is not None:
            line.ref = _shown_line(line, item.shown, agreement)
        yield line


def _shown_line(line: Any, shown: values.ShownLine, agreement: Agreement) -> AgreementLine:
    return AgreementLine(
        id=shown.id,
        tenant_id=agreement.tenant_id,
        agreement=agreement,
        external_id=line.id,
        description=shown.description,
        kind=line.kind,
        product=line.product,
        quantity=line.quantity,
        unit_price=line.unit_price,
    )


def _shown_agreement(
    agreement: Any, shown: values.ShownAgreement, company_id: str, tenant: Tenant
) -> Agreement:
    """What pages and programs show of an agreement, as it was."""
    return Agreement(
        id=shown.id,
        tenant=tenant,
        company_id=UUID(company_id),
        integration_id=UUID(agreement.account) if agreement.account else None,
        source=agreement.source,
        external_id=agreement.id,
        name=agreement.name,
        type=agreement.type,
        status=agreement.status,
        currency=agreement.currency,
        start_date=agreement.start_date,
        end_date=agreement.end_date,
        no_end=agreement.no_end,
        cycle=agreement.cycle,
        cycle_label=shown.cycle_label,
        amount=agreement.amount,
        set_aside=agreement.set_aside,
        set_aside_psa=agreement.set_aside_psa,
        set_aside_since=agreement.set_aside_since,
        gone_at=shown.gone_at,
    )
