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
from agreements.figures import Money, Total
from agreements.models import AgreementMrr, CompanyMrr
from agreements.mrr.money import sum_of_exact
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


def own_first(tenant: Tenant, totals: Sequence[Total]) -> list[Total]:
    """The currencies in which anything counts, the tenant's own before the others."""
    return sorted(
        totals, key=lambda total: (total["currency"] != tenant.currency, total["currency"])
    )


def exact_in(tenant: Tenant, currency: str) -> Fraction:
    """What all active companies come to today in a currency, from what is stored."""
    return sum_of_exact(_of_active(tenant, currency).values_list("exact", flat=True))


def _of_active(tenant: Tenant, currency: str) -> QuerySet[CompanyMrr]:
    rows = CompanyMrr.objects.for_tenant(tenant)
    return rows.filter(company__status=Company.Status.ACTIVE, currency=currency)


def currency_book(tenant: Tenant, currency: str, largest: int = 10) -> CurrencyBook:
    """Concentration and sources in one currency, from what is stored; three statements."""
    active = _of_active(tenant, currency)
    everyone = list(active.values_list("exact", flat=True))
    total = sum_of_exact(everyone)
    rows = list(active.select_related("company").order_by("-minor", "company__name")[:largest])
    top = [
        _share(str(row.company_id), row.company.name, currency, Fraction(row.exact), total)
        for row in rows
    ]
    return CurrencyBook(
        currency,
        mrr.money_text(currency, total),
        len(everyone),
        top,
        _percent(sum_of_exact(row.exact for row in rows), total),
        _shares_of_sources(_by_source(tenant, currency), currency, total),
    )


def _shares_of_sources(
    sources: Mapping[tuple[str, bool], Fraction], currency: str, total: Fraction
) -> list[Share]:
    """What each integration brings of a currency's total, the largest first."""
    return [
        replace(_share("", name, currency, amount, total), is_disconnected=is_disconnected)
        for (name, is_disconnected), amount in sorted(sources.items(), key=lambda item: -item[1])
    ]


def _by_source(tenant: Tenant, currency: str) -> dict[tuple[str, bool], Fraction]:
    """What the agreements of each integration come to, and whether it is disconnected.

    Those without one were typed in here.
    """
    counted = AgreementMrr.objects.for_tenant(tenant).filter(
        included=True, company__status=Company.Status.ACTIVE, currency=currency
    )
    integration = "agreement__integration"
    columns = ("exact", f"{integration}__name", f"{integration}__disconnected_at")
    found: dict[tuple[str, bool], list[str]] = defaultdict(list)
    for exact, name, disconnected_at in counted.values_list(*columns):
        found[name or TYPED, disconnected_at is not None].append(exact)
    return {source: sum_of_exact(texts) for source, texts in found.items()}


def mrr_of_integration(integration: Integration) -> list[Money]:
    """What the agreements of one integration come to today, by currency. One statement."""
    counted = AgreementMrr.objects.for_tenant(integration.tenant).filter(
        included=True, company__status=Company.Status.ACTIVE, agreement__integration=integration
    )
    found: dict[str, list[str]] = defaultdict(list)
    for currency, exact in counted.values_list("currency", "exact"):
        found[currency].append(exact)
    return [
        {"currency": currency, "amount": mrr.money_text(currency, sum_of_exact(found[currency]))}
        for currency in sorted(found)
    ]


def _share(id_: str, name: str, currency: str, amount: Fraction, total: Fraction) -> Share:
    money: Money = {"currency": currency, "amount": mrr.money_text(currency, amount)}
    return Share(id_, name, money, _percent(amount, total))


def _percent(amount: Fraction, total: Fraction) -> float:
    return float(round(100 * amount / total, 1)) if total > 0 else 0.0


def ending_soon(tenant: Tenant, within_days: int, currency: str) -> QuerySet[AgreementMrr]:
    """Agreements that count today in a currency and whose last day comes within so many days,
    soonest first.
    """
    today = tenant.today()
    return (
        AgreementMrr.objects.for_tenant(tenant)
        .filter(
            included=True,
            currency=currency,
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
