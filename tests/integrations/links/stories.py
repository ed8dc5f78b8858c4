"""audITees typed in by hand, the PSA's records that they are or are not, and what they come to."""

from __future__ import annotations

import itertools
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

from agreements import books, mrr
from agreements.figures import company_figure
from agreements.models import CompanyMrr
from audit_site.tenants.models import Tenant
from companies.models import Company, Contact
from companies.services import create_company
from integrations.links.linking import link_company
from integrations.models import Integration
from integrations.sandbox.server import SandboxServer
from tests.conftest import TODAY
from tests.syncing import change
from tests.worker import work_off

FIRST_DAY, DAYS = date(2023, 1, 1), 5 * 366
PERSON = {"first_name": "Ada", "last_name": "Byron", "email": "ada@acme.example", "phone": ""}


def by_hand(tenant: Tenant, name: str = "Acme", **over: Any) -> Company:
    """An audITee that a person typed in, with one contact."""
    values = {"name": name, "type": "prospect", "primary_contact": PERSON, **over}
    return create_company(tenant=tenant, actor=None, **values)


def linked(company: Company, integration: Integration, external_id: str) -> Company:
    """Linked, and read."""
    link_company(company=company, integration=integration, external_id=external_id, actor=None)
    work_off()
    return again(company)


def again(company: Company) -> Company:
    """The audITee as it is stored now."""
    return Company.objects.select_related("tenant").get(pk=company.pk)


def records_with_money(sandbox: SandboxServer, psa: str) -> list[str]:
    """PSA companies that can be added and have MRR, the one with the most agreements first."""
    companies = sandbox.psas[psa].truth(TODAY)["companies"]
    found = [
        (len(one["agreements"]), id_)
        for id_, one in companies.items()
        if one["importable"] and any(float(money["amount"]) > 0 for money in one["mrr"])
    ]
    return [id_ for _, id_ in sorted(found, reverse=True)]


def a_record_of_12187_60(sandbox: SandboxServer) -> str:
    """One that comes to 12,187.60 a month in US dollars: a flat agreement makes up the rest."""
    wrong = records_with_money(sandbox, "connectwise")[0]
    company = sandbox.psas["connectwise"].truth(TODAY)["companies"][wrong]
    for id_ in company["agreements"]:
        values = {"currency": {"id": 7, "currencyCode": "USD"}}
        change(sandbox, "agreements", id_, values=values)
    has = sandbox.psas["connectwise"].truth(TODAY)["companies"][wrong]["mrr"]
    missing = Decimal("12187.60") - Decimal(has[0]["amount"])
    added: dict[str, Any] = {
        "name": "Managed Services",
        "company": {"id": int(wrong), "name": company["name"]},
        "type": {"id": 10, "name": "Managed Services"},
        "startDate": "2025-03-01T00:00:00Z",
        "noEndingDateFlag": True,
        "cancelledFlag": False,
        "billingCycle": {"id": 2, "name": "Monthly"},
        "billAmount": float(missing),
        "currency": {"id": 7, "currencyCode": "USD"},
        "agreementStatus": "Active",
    }
    change(sandbox, "agreements", "49999", do="add", values=added)
    return wrong


def everything(company: Company) -> dict[str, Any]:
    """All that is said of a company's money, of every day, with no id of ours in it."""
    book = books.prepare_company(company.tenant, company.pk)
    days = [FIRST_DAY + timedelta(days=number) for number in range(DAYS)]
    edges = [date(2025, 1, 1), date(2026, 6, 30), company.tenant.today()]
    return {
        "figures": [[(f.currency, f.exact) for f in mrr.mrr(book, day)] for day in days],
        "ledgers": [_ledger(company, day) for day in edges],
        "series": mrr.series(book, FIRST_DAY, 60),
        "averages": mrr.averages(book, company.tenant.today()),
        "movements": [_movement(book, start, end) for start, end in itertools.pairwise(edges)],
        "stored": sorted(
            CompanyMrr.objects.filter(company=company).values_list("currency", "exact", "minor")
        ),
    }


def _ledger(company: Company, day: date) -> list[tuple[Any, ...]]:
    return [
        (row.row_id, row.kind, row.included, row.reason, row.mrr, row.sentence)
        for row in company_figure(company, day).ledger
    ]


def _movement(book: Any, start: date, end: date) -> list[Any]:
    return [
        (bridge.parts, [(one.kind, one.exact, one.rows) for one in bridge.companies])
        for bridge in mrr.movement(book, start, end)
    ]


def own_values(company: Company) -> dict[str, Any]:
    """Name, type, contacts with all their values, and the primary one."""
    company = again(company)
    columns = ("id", "external_id", "first_name", "last_name", "email", "phone", "is_active")
    people = Contact.objects.filter(company=company).order_by("id")
    return {
        "name": company.name,
        "type": company.type,
        "contacts": list(people.values_list(*columns, "fingerprint", "gone_at", "is_primary")),
    }
