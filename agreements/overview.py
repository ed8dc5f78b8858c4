"""The tenant's MRR at a glance, from what is stored."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from fractions import Fraction
from typing import Final

from django.db.models import OuterRef, QuerySet, Subquery, Value
from django.db.models.functions import Coalesce

from agreements import mrr
from agreements.figures import Money
from agreements.models import AgreementMrr, CompanyMrr
from audit_site.tenants.models import Tenant
from companies.models import Company
from integrations.models import Integration

#: Where agreements come from that no integration has brought.
TYPED: Final = "Typed by hand"


@dataclass(frozen=True, slots=True)
class Share:
    """A company, integration or so with its MRR and its part of the whole, in percent.

    `is_disconnected`: an integration that no sync reads any more.
    """

    id: str
    name: str
    money: Money
    percent: float
    is_disconnected: bool = False


@dataclass(frozen=True, slots=True)
class CurrencyBook:
    """All active companies in one currency: the sum, the largest, and how much hangs on them."""

    currency: str
    amount: str
    companies: int
    largest: list[Share]
    top_percent: float
    by_source: list[Share]

    @property
    def largest_rounding(self) -> Money | None:
        """What all of them, rounded one by one, differ by from the sum; None = nothing."""
        return self._rounding(self.largest) if len(self.largest) == self.companies else None

    @property
    def sources_rounding(self) -> Money | None:
        return self._rounding(self.by_source)

    def _rounding(self, shares: Sequence[Share]) -> Money | None:
        shown = sum((Fraction(share.money["amount"]) for share in shares), Fraction(0))
        difference = Fraction(self.amount) - shown
        if not difference:
            return None
        return {"currency": self.currency, "amount": mrr.money_text(self.currency, difference)}


def currency_books(tenant: Tenant, largest: int = 10) -> list[CurrencyBook]:
    """Concentration and sources by currency, from what is stored; a constant number of queries."""
    active = CompanyMrr.objects.for_tenant(tenant).filter(company__status=Company.Status.ACTIVE)
    sums: dict[str, list[Fraction]] = defaultdict(list)
    for currency, exact in active.values_list("currency", "exact"):
        sums[currency].append(Fraction(exact))
    sources = _by_source(tenant)
    found = []
    for currency in sorted(sums):
        total = sum(sums[currency], Fraction(0))
        of_currency = active.filter(currency=currency).select_related("company")
        rows = list(of_currency.order_by("-minor", "company__name")[:largest])
        top = [
            _share(str(row.company_id), row.company.name, currency, Fraction(row.exact), total)
            for row in rows
        ]
        found.append(
            CurrencyBook(
                currency,
                mrr.money_text(currency, total),
                len(sums[currency]),
                top,
                _percent(sum((Fraction(row.exact) for row in rows), Fraction(0)), total),
                _shares_of_sources(sources[currency], currency, total),
            )
        )
    return found


def _shares_of_sources(
    sources: Mapping[tuple[str, bool], Fraction], currency: str, total: Fraction
) -> list[Share]:
    """What each integration brings of a currency's total, the largest first."""
    return [
        replace(_share("", name, currency, amount, total), is_disconnected=is_disconnected)
        for (name, is_disconnected), amount in sorted(sources.items(), key=lambda item: -item[1])
    ]


def _by_source(tenant: Tenant) -> dict[str, dict[tuple[str, bool], Fraction]]:
    """By currency: what the agreements of each integration come to, and is it disconnected.

    Those without one were typed in here.
    """
    counted = AgreementMrr.objects.for_tenant(tenant).filter(
        included=True, company__status=Company.Status.ACTIVE
    )
    integration = "agreement__integration"
    columns = ("currency", "exact", f"{integration}__name", f"{integration}__disconnected_at")
    found: dict[str, dict[tuple[str, bool], Fraction]] = defaultdict(lambda: defaultdict(Fraction))
    for currency, exact, name, disconnected_at in counted.values_list(*columns):
        found[currency][name or TYPED, disconnected_at is not None] += Fraction(exact)
    return found


def mrr_of_integration(integration: Integration) -> list[Money]:
    """What the agreements of one integration come to today, by currency. One statement."""
    counted = AgreementMrr.objects.for_tenant(integration.tenant).filter(
        included=True, company__status=Company.Status.ACTIVE, agreement__integration=integration
    )
    sums: dict[str, Fraction] = defaultdict(Fraction)
    for currency, exact in counted.values_list("currency", "exact"):
        sums[currency] += Fraction(exact)
    return [
        {"currency": currency, "amount": mrr.money_text(currency, sums[currency])}
        for currency in sorted(sums)
    ]


def _share(id_: str, name: str, currency: str, amount: Fraction, total: Fraction) -> Share:
    money: Money = {"currency": currency, "amount": mrr.money_text(currency, amount)}
    return Share(id_, name, money, _percent(amount, total))


def _percent(amount: Fraction, total: Fraction) -> float:
    return float(round(100 * amount / total, 1)) if total > 0 else 0.0


def ending_soon(tenant: Tenant, within_days: int) -> QuerySet[AgreementMrr]:
    """Agreements that count today and whose last day comes within so many days, soonest first."""
    today = tenant.today()
    return (
        AgreementMrr.objects.for_tenant(tenant)
        .filter(
            included=True,
            last_day__range=(today, today + timedelta(days=within_days)),
            company__status=Company.Status.ACTIVE,
        )
        .select_related("agreement", "company")
        .order_by("last_day", "company__name", "id")
    )


def with_mrr(rows: QuerySet[Company], tenant: Tenant, currency: str = "") -> QuerySet[Company]:
    """Companies with `mrr_minor`, their stored MRR in a currency's minor units (none = 0)."""
    stored = CompanyMrr.objects.for_tenant(tenant).filter(
        company=OuterRef("pk"), currency=currency or tenant.currency
    )
    return rows.annotate(mrr_minor=Coalesce(Subquery(stored.values("minor")[:1]), Value(0)))
