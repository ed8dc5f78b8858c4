"""A movement of MRR, and what moved most."""

from __future__ import annotations

import re
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from agreements.web import movement_rows
from audit_site.tenants.models import Tenant, User
from companies.models import Company
from tests.clients import browser, text
from tests.factories import make_agreement, make_company, make_integration, make_line


def cells_of(page: str, part: str) -> list[str]:
    """The texts of the tables of a page that name this part, row by row."""
    tables = re.findall(rf"<caption[^>]*>{part}.*?</table>", page, flags=re.DOTALL)
    cells = [re.findall(r"<t[dh].*?>(.*?)</t[dh]>", table, flags=re.DOTALL) for table in tables]
    return [re.sub(r"<.*?>", " ", cell).strip() for found in cells for cell in found]


def test_each_step_of_the_book_names_its_largest_companies(
    alex: User, tenant: Tenant, monkeypatch: pytest.MonkeyPatch, django_assert_num_queries: Any
) -> None:
    monkeypatch.setattr(movement_rows, "MOST_MOVERS", 2)
    integration = make_integration(tenant)
    for name, amount in (("Ash", "10"), ("Birch", "30"), ("Cedar & Co", "20")):
        make_agreement(make_company(tenant, name=name), integration, amount=amount,
                       start_date="2026-02-01")  # fmt: skip
    gone = make_company(tenant, name="Dogwood")
    make_agreement(gone, integration, amount="7", end_date="2026-02-28")
    client = browser(alex)
    client.get("/companies/")

    page = text(client.get("/mrr/charts/?from=2026-01-31&to=2026-03-31"))

    assert cells_of(page, "New") == [
        "audITee", "Amount", "Birch  Managed Services: 0.00 → 30.00", "USD 30.00",
        "Cedar &amp; Co  Managed Services: 0.00 → 20.00", "USD 20.00", "and 1 more, in the CSV",
    ]  # fmt: skip
    assert "<caption>New: USD 60.00</caption>" in page
    assert cells_of(page, "Churn") == [
        "audITee", "Amount", "Dogwood  Managed Services: 7.00 → 0.00", "USD -7.00",
    ]  # fmt: skip
    assert cells_of(page, "Movement, USD")[4:] == [
        "Opening", "", "", "USD 7.00", "New", "", "3", "USD 60.00",
        "Churn", "", "1", "USD -7.00", "Closing", "", "", "USD 60.00",
    ]  # fmt: skip
    assert "None: back again, expansion, contraction." in page
    assert "New: 3 audITees, who and why" in page
    days = "?from=2026-01-31&amp;to=2026-03-31"
    assert f'<a href="/companies/{gone.pk}/mrr/{days}">Dogwood</a>' in page
    with CaptureQueriesContext(connection) as many:
        client.get("/mrr/charts/?from=2026-01-31&to=2026-03-31")
    with django_assert_num_queries(len(many) - 1):  # nobody moved, so no name is asked for
        client.get("/mrr/charts/?from=2026-03-30&to=2026-03-31")


def test_a_movement_of_one_company_names_its_lines(alex: User, company: Company) -> None:
    agreement = company.agreements.get()
    make_line(agreement, quantity="3", unit_price="1000", description="Phones",
              start_date="2026-02-01")  # fmt: skip
    client, one = browser(alex), f"/companies/{company.pk}/mrr/charts/"

    page = text(client.get(f"{one}?from=2026-01-31&to=2026-03-31"))
    still = text(client.get(f"{one}?from=2026-03-30&to=2026-03-31"))

    assert cells_of(page, "Expansion") == [
        "Line", "Amount", "Phones of Gold &amp; Co 0.00 before, 3,000.00 after", "USD 3,000.00",
    ]  # fmt: skip
    assert "Each line behind it is below." in page
    assert "nothing changed in sum." in still
    assert "Line by line" not in still
