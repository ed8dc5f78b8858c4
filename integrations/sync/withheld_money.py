"""Which MRR rests on records that a PSA withholds."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from fractions import Fraction
from typing import Any
from uuid import UUID

from django.db.models import Q

from agreements import books, mrr
from agreements.models import Agreement, AgreementLine, AgreementMrr
from audit_site.db.bulk import AnyOf
from audit_site.tenants.models import Tenant
from integrations.kinds import AGREEMENTS, COMPANIES, LINES, KindName
from integrations.models import CompanyLink, Integration

#: Amounts by currency, each the money of one record.
Amounts = Iterable[tuple[str, Fraction]]


def money_on(integration: Integration, kind: KindName, ids: Sequence[Any]) -> str:
    """`, with 200.00 USD of MRR`: what rests on these records today; "" = nothing.

    `ids`: primary keys; of companies, their PSA ids. No money rests on contacts.
    """
    if kind == COMPANIES.name:
        links = CompanyLink.objects.of(integration).in_force().filter(AnyOf("external_id", ids))
        rows = Agreement.objects.of(integration).present()
        agreements = rows.filter(company__in=links.values("company"))
        chosen = Q(agreement__in=agreements.values("pk"))
        return _in_words(_of_agreements(integration.tenant, chosen))
    if kind == AGREEMENTS.name:
        return _in_words(_of_agreements(integration.tenant, AnyOf("agreement_id", ids)))
    if kind == LINES.name:
        return _in_words(_of_lines(integration.tenant, ids))
    return ""


def _of_agreements(tenant: Tenant, agreements: Q | AnyOf) -> Amounts:
    rows = AgreementMrr.objects.for_tenant(tenant).filter(agreements, included=True)
    return [
        (currency, Fraction(exact)) for currency, exact in rows.values_list("currency", "exact")
    ]


def _of_lines(tenant: Tenant, lines: Sequence[UUID]) -> Amounts:
    rows = AgreementLine.objects.for_tenant(tenant).filter(AnyOf("id", lines))
    wanted = {(str(owner), id_) for owner, id_ in rows.values_list("agreement_id", "external_id")}
    owners = {owner for owner, _ in wanted}
    day = tenant.today().toordinal()
    prepared = books.prepare_all(tenant, books.agreements_of(tenant).filter(AnyOf("id", owners)))
    return [
        (item.currency, row.mrr(day))
        for item in prepared
        for row in item.rows
        if row.line is not None
        and (item.agreement.ref, row.line.id) in wanted
        and row.reason_on(day) is None
    ]


def _in_words(amounts: Amounts) -> str:
    sums: dict[str, Fraction] = defaultdict(Fraction)
    for currency, amount in amounts:
        sums[currency] += amount
    texts = [f"{mrr.money_text(name, sums[name])} {name}" for name in sorted(sums) if sums[name]]
    return f", with {', '.join(texts)} of MRR" if texts else ""
