"""The statement as PDF: what is in it, and that it stays the same."""

from __future__ import annotations

from io import BytesIO
from typing import Any

import pytest
from pypdf import PdfReader

from agreements import stored_mrr
from agreements.decisions import choose
from audit_site.tenants.models import AuditEvent, Tenant, User
from companies.models import Company
from tests.clients import browser
from tests.factories import make_line

DAYS = "as_of=2026-06-15&known=2026-11-30T10:00:00Z"


def pages_of(content: bytes) -> list[str]:
    """The texts of the pages, line by line as they stand."""
    return [page.extract_text() for page in PdfReader(BytesIO(content)).pages]


@pytest.fixture
def address(company: Company) -> str:
    return f"/companies/{company.pk}/mrr/statement.pdf"


def test_it_has_the_sum_what_is_left_out_and_who_decided_so(
    alex: User, tenant: Tenant, company: Company, address: str
) -> None:
    line = make_line(company.agreements.get(), description="<b>Łódź & Sons</b>", unit_price="7")
    choose(
        agreement=line.agreement, line=line, actor=alex, changes={"exclude": True}, note="A gift"
    )

    answer = browser(alex).get(address)

    (page,) = pages_of(answer.content)
    words = " ".join(page.split())
    assert answer["Content-Type"] == "application/pdf"
    assert page.splitlines()[2] == tenant.name
    assert "Monthly recurring revenue of =HYPERLINK(evil) USD 1,300.00 As of " in words
    assert "It is not an invoice and not cash." in words
    assert "Flat amount 1,250.00 Monthly 1,250.00 Seats 2" in words
    assert "Total USD USD 1,300.00" in words
    assert "<b>Łódź & Sons</b>" in words
    assert "someone in your team excluded this line from MRR." in words
    assert "Alex Admin" in words
    assert words.count("A gift") == 1
    assert words.count(" 1 / 1 ") == 1


def test_the_same_day_and_moment_give_the_same_file(
    alex: User, tenant: Tenant, company: Company, address: str
) -> None:
    client = browser(alex)
    named = client.get(address)["Content-Disposition"]
    moment = named.partition("known-")[2].partition(".")[0]
    asked = f"{address}?as_of={tenant.today()}&known={moment}"

    first = client.get(asked)
    Tenant.objects.filter(pk=tenant.pk).update(timezone="Asia/Tokyo")
    make_line(company.agreements.get(), description="Later", unit_price="7")
    stored_mrr.refresh(tenant, [company.pk])
    second = client.get(asked)

    assert first.status_code == 200
    assert first.content == second.content
    assert "Later" in " ".join(pages_of(client.get(address).content))
    stamp = PdfReader(BytesIO(first.content)).metadata
    assert stamp is not None
    assert str(stamp["/CreationDate"]) == f"D:{moment.replace('T', '').rstrip('Z')}+00'00'"


def test_a_long_one_has_its_header_and_number_on_each_page(
    alex: User, tenant: Tenant, company: Company, address: str
) -> None:
    agreement = company.agreements.get()
    for number in range(80):
        make_line(agreement, description=f"Line {number} {'x' * 120}", unit_price="1")
    stored_mrr.refresh(tenant, [company.pk])

    pages = pages_of(browser(alex).get(address).content)

    assert len(pages) > 2
    for number, page in enumerate(pages, start=1):
        assert "A month" in page or "Why" in page
        assert page.splitlines()[1] == f"{number} / {len(pages)}"


def test_it_stands_in_the_trail_and_counts_as_an_export(
    alex: User, otto: User, company: Company, address: str, settings: Any
) -> None:
    settings.LIMIT_EXPORTS = 1
    assert browser(otto).get(address).status_code == 404
    assert browser(alex).get(f"{address}?as_of=never").status_code == 400
    assert not AuditEvent.objects.filter(action="export.downloaded").exists()

    browser(alex).get(f"{address}?{DAYS}")

    event = AuditEvent.objects.get(action="export.downloaded")
    assert event.after == {
        "what": "statement",
        "as_of": "2026-06-15",
        "known_at": "2026-11-30T10:00:00Z",
    }
    assert browser(alex).get(f"{address}?{DAYS}").status_code == 302
    assert AuditEvent.objects.filter(action="export.downloaded").count() == 1
