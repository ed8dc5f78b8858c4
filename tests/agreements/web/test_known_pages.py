"""Pages and files of figures as they were known at a moment."""

from __future__ import annotations

import csv
import io
import re
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.utils import timezone

from agreements import stored_mrr
from agreements.causes import caused_by
from agreements.decisions import choose
from agreements.models import (
    AgreementLine,
    BookPiece,
    BookVersion,
    ChoiceRecord,
    CompanyBook,
    FigureShown,
)
from agreements.typed import remove_agreement
from agreements.web.asked_days import as_text
from audit_site.tenants.models import AuditEvent, Tenant, User
from companies.models import Company
from companies.services import update_company
from tests.clients import browser, text
from tests.factories import make_agreement, make_company, make_integration, make_line, make_typed


@pytest.fixture
def client_company(alex: User, tenant: Any) -> Company:
    """One line of 100.00 a month, known since yesterday; 3,100.00 since now."""
    company = make_company(tenant, name="Amber Vet")
    agreement = make_agreement(company, make_integration(tenant), name="Care", amount=None)
    line = make_line(agreement, description="Managed Firewall", quantity="1", unit_price="100")
    with caused_by("import", name="ConnectWise"):
        stored_mrr.refresh(tenant, [company.pk])
    BookVersion.objects.update(known_from=yesterday())
    BookPiece.objects.update(known_from=yesterday())
    AgreementLine.objects.filter(pk=line.pk).update(unit_price="3100")
    with caused_by("sync", name="ConnectWise"):
        stored_mrr.refresh(tenant, [company.pk])
    return company


def yesterday() -> datetime:
    return timezone.now().replace(hour=0, minute=0, second=0, microsecond=0) - timedelta(hours=12)


def test_a_figure_as_known_then_and_now(alex: User, client_company: Company) -> None:
    client, address = browser(alex), f"/companies/{client_company.pk}/mrr/"

    now = text(client.get(address))
    then = text(client.get(f"{address}?known={yesterday():%Y-%m-%d}"))
    as_rest = text(client.get(f"{address}?known_at={yesterday():%Y-%m-%d}"))
    before = text(client.get(f"{address}?known=2026-01-01"))

    assert ("USD 3,100.00" in now, "As known on" in now) == (True, False)
    assert ("USD 100.00" in then, "3,100.00" in then) == (True, False)
    for page in (then, as_rest):
        assert f"As known on {yesterday():%-d %b %Y}, 23:59:59" in page
    assert "Nothing was known of Amber Vet on 1 Jan 2026, 23:59" in before


def test_nobody_knows_what_is_to_come(alex: User, client_company: Company) -> None:
    address = f"/companies/{client_company.pk}/mrr/"
    sentence = "As known at: type a date as 2026-11-27 or a moment as 2026-11-27T14:05, and none"

    for query in (
        "known=2199-01-01",
        "known_at=soon",
        "known=2026-13-01",
        "known=0001-01-01T00:00",
    ):
        page = browser(alex).get(f"{address}?{query}")
        file = browser(alex).get(f"{address}ledger.csv?{query}")
        assert text(page).count(sentence) == 1
        assert (file.status_code, sentence in text(file)) == (400, True)


def test_the_same_day_and_moment_give_the_same_file(alex: User, client_company: Company) -> None:
    client, address = browser(alex), f"/companies/{client_company.pk}/mrr/ledger.csv"
    first = client.get(f"{address}?as_of=2026-01-31")
    rows = read_csv(first)
    known = rows[0]["Known at"]
    line = AgreementLine.objects.get()
    choose(
        agreement=line.agreement, line=line, actor=alex, changes={"exclude": True}, note="They left"
    )

    again = client.get(f"{address}?as_of=2026-01-31&known={known}")
    later = client.get(f"{address}?as_of=2026-01-31")

    assert again.content == first.content
    assert again["Content-Disposition"] == first["Content-Disposition"]
    assert re.search(
        rf'"mrr-{client_company.pk}-2026-01-31-known-\d{{8}}T\d{{6}}Z.csv"',
        first["Content-Disposition"],
    )
    assert [(row["Row"], row["MRR"], row["As of"]) for row in rows][-1] == (
        "total",
        "3100.00",
        "2026-01-31",
    )
    (left_out,) = [row for row in read_csv(later) if row["Decision"]]
    assert (left_out["Counted"], left_out["Decision"], left_out["Why"]) == (
        "no",
        "Left out",
        "They left",
    )
    assert left_out["Decided by"] == str(alex)


def test_nothing_that_happens_later_changes_a_file(
    alex: User, client_company: Company, tenant: Tenant
) -> None:
    typed = make_typed(client_company)
    choose(agreement=typed, actor=alex, changes={"assume_renewal": True}, note="They said so")
    client, days = browser(alex), "as_of=2026-01-31&from=2025-12-31&to=2026-01-31"
    ledger = client.get(f"/companies/{client_company.pk}/mrr/ledger.csv?{days}")
    known = read_csv(ledger)[0]["Known at"]
    addresses = [
        f"/companies/{client_company.pk}/mrr/ledger.csv?{days}&known={known}",
        f"/mrr/movement.csv?{days}&known={known}",
    ]
    before = [client.get(address).content for address in addresses]
    statement = f"/companies/{client_company.pk}/mrr/statement/?{days}&known={known}"

    remove_agreement(agreement=typed, actor=alex)
    for name in ("Acme", "Zebra"):
        update_company(company=client_company, actor=alex, name=name)
    Tenant.objects.update(timezone="Pacific/Kiritimati")

    assert [client.get(address).content for address in addresses] == before
    assert before[0] == ledger.content
    (decided,) = [row for row in read_csv(ledger) if row["Decision"]]
    record = ChoiceRecord.objects.get()
    assert (decided["Why"], decided["Decided on"]) == ("They said so", as_text(record.at))
    assert (record.agreement, record.agreement_pk, record.name) == (None, typed.pk, "Gold support")
    assert "Amber Vet" in before[1].decode()
    assert "Monthly recurring revenue of Amber Vet" in text(client.get(statement))
    assert client.post(f"/decisions/{record.pk}/undo/").status_code == 404
    now = f"/companies/{client_company.pk}/mrr/statement/"
    assert "Monthly recurring revenue of Zebra" in text(client.get(now, follow=True))


def words(answer: Any) -> str:
    """What a page says, without its tags."""
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", text(answer)))


def read_csv(answer: Any) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(answer.content.decode("utf-8-sig"))))


def test_the_history_names_each_change_with_its_figures(
    alex: User, client_company: Company
) -> None:
    page = words(browser(alex).get(f"/companies/{client_company.pk}/history/"))

    assert re.search(r"Read from ConnectWise\s+USD 3,100.00\s+100.00 before, \+3,000.00", page)
    assert re.search(r"Imported from ConnectWise\s+USD 100.00\s+none before, \+100.00", page)


def test_a_statement_names_its_day_and_its_moment(alex: User, client_company: Company) -> None:
    client, address = browser(alex), f"/companies/{client_company.pk}/mrr/statement/"

    sent_on = client.get(f"{address}?as_of=2026-01-31")
    page = words(client.get(sent_on["Location"]))
    then = f"{yesterday() + timedelta(minutes=1):%Y-%m-%dT%H:%M}"
    old = words(client.get(f"{address}?as_of=2026-01-31&known={then}"))

    assert sent_on.status_code == 302
    assert "As of 31 Jan 2026, as known on" in page
    assert "Total USD USD 3,100.00" in page
    assert "Total USD USD 100.00" in old
    event = AuditEvent.objects.filter(action="export.downloaded").order_by("at").last()
    assert event is not None
    assert event.after["what"] == "statement"
    assert event.after["as_of"] == "2026-01-31"


@pytest.mark.parametrize(
    "path",
    ["mrr/", "mrr/charts/", "mrr/statement/", "mrr/statement.pdf", "history/", "mrr/ledger.csv"],
)
def test_none_of_it_is_another_tenants(otto: User, client_company: Company, path: str) -> None:
    address = f"/companies/{client_company.pk}/{path}?known=2026-01-01"

    assert browser(otto).get(address).status_code == 404


def test_a_movement_says_what_became_known_since_it_was_last_told(
    alex: User, client_company: Company
) -> None:
    client, then = browser(alex), f"{yesterday():%Y-%m-%d}"
    days = f"from=2025-12-31&to=2026-01-31&opens={then}"

    page = words(client.get(f"/companies/{client_company.pk}/mrr/charts/?{days}"))
    book = words(client.get(f"/mrr/charts/?{days}"))
    file = read_csv(client.get(f"/mrr/movement.csv?{days}"))
    refused = client.get("/mrr/movement.csv?from=2025-12-31&opens=2026-11-02&known=2026-11-01")

    assert "Restated: USD 3,000.00" in page
    assert "Managed Firewall 100.00 before, 3,100.00 after price of Managed Firewall" in page
    assert re.search(
        r"price of Managed Firewall USD 100.00 → 3,100.00 \(read \d+ [A-Z][a-z]+ \d\d:\d\d\)", page
    )
    assert "Restated: USD 3,000.00 audITee Amount Amber Vet USD 3,000.00" in book
    assert [(row["Movement"], row["Amount"]) for row in file] == [
        ("opening", "100.00"),
        ("restated", "3000.00"),
        ("closing", "3100.00"),
    ]
    assert text(refused) == "The movement must not open with what became known after its end.\n"


def test_the_page_says_what_is_new_since_somebody_last_looked(
    alex: User, vic: User, client_company: Company
) -> None:
    client, address = browser(alex), f"/companies/{client_company.pk}/mrr/"
    FigureShown.objects.create(
        tenant=client_company.tenant, company=client_company, user=alex, at=yesterday()
    )

    page = words(client.get(address))
    again = words(client.get(address))
    then = words(client.get(f"{address}?known={yesterday():%Y-%m-%d}"))
    others = words(browser(vic).get(address))

    assert re.search(
        r"\+3,000.00 USD since \d+ [A-Z][a-z]+ \d+, 12:00 "
        r"price of Managed Firewall USD 100.00 → 3,100.00 \(read \d+ [A-Z][a-z]+ \d\d:\d\d\)",
        page,
    )
    assert "+3,000.00 USD since" in again  # one visit
    assert "USD since" not in then + others


@pytest.mark.parametrize("path", ["mrr/ledger.csv", "mrr/statement/", "mrr/report.json"])
def test_what_a_sync_has_just_read_is_in_what_is_taken_away(
    alex: User, client_company: Company, path: str
) -> None:
    AgreementLine.objects.update(unit_price="4100")
    stored_mrr.mark_stale(client_company.tenant, [client_company.pk])

    answer = browser(alex).get(f"/companies/{client_company.pk}/{path}", follow=True)

    assert "4100.00" in text(answer).replace(",", "")
    look = FigureShown.objects.get(company=client_company, user=alex)
    assert (look.version, look.told) == (CompanyBook.objects.get().kept_from, False)


def test_a_movement_closes_with_what_a_sync_has_just_read(
    alex: User, client_company: Company
) -> None:
    AgreementLine.objects.update(unit_price="4100")
    stored_mrr.mark_stale(client_company.tenant, [client_company.pk])
    days = f"from=2025-12-31&to=2026-01-31&opens={yesterday():%Y-%m-%d}"

    rows = read_csv(browser(alex).get(f"/mrr/movement.csv?{days}"))

    assert [(row["Movement"], row["Amount"]) for row in rows] == [
        ("opening", "100.00"),
        ("restated", "4000.00"),
        ("closing", "4100.00"),
    ]


def test_a_statement_of_today_names_the_moment(alex: User, client_company: Company) -> None:
    address = f"/companies/{client_company.pk}/mrr/statement/"
    today = client_company.tenant.today().isoformat()

    answer = browser(alex).get(f"{address}?as_of={today}&known={today}")

    assert answer.status_code == 302
    assert re.search(r"known=\d{4}-\d\d-\d\dT", answer["Location"])
