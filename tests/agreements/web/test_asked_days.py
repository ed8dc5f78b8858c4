"""The days that the pages of MRR are asked for."""

from __future__ import annotations

import pytest

from audit_site.tenants.models import User
from companies.models import Company
from tests.clients import browser, text


@pytest.mark.parametrize(
    ("query", "sentence"),
    [
        ("as_of=yesterday", "As of: type a date as 2026-11-27, from 1950 to 2200."),
        ("as_of=9999-12-31", "As of: type a date as 2026-11-27, from 1950 to 2200."),
        ("from=27/11/2026", "From: type a date as 2026-11-27, from 1950 to 2200."),
        ("to=0001-01-01", "To: type a date as 2026-11-27, from 1950 to 2200."),
        (
            "from=2026-02-30",
            "From: 2026-02-30 does not exist; type a date as 2026-11-27, from 1950 to 2200.",
        ),
        ("from=2026-05-01&to=2026-04-01", "The first day must come before the last one."),
    ],
)
def test_a_day_that_is_none_is_said_at_its_name(
    alex: User, company: Company, query: str, sentence: str
) -> None:
    client, one = browser(alex), f"/companies/{company.pk}/mrr/"

    page = client.get(f"{one}?{query}")
    downloads = [
        client.get(f"{path}?{query}")
        for path in (f"{one}ledger.csv", f"{one}report/", "/mrr/series.csv", "/mrr/movement.csv")
    ]

    assert page.status_code == 200
    assert text(page).count(sentence) == 1
    for download in downloads:
        assert (download.status_code, text(download)) == (400, f"{sentence}\n")
        assert download["Content-Type"] == "text/plain; charset=utf-8"
    assert "alert" not in text(client.get("/mrr/"))  # nothing is left for another page to say
    assert client.get("/mrr/charts/?to=x").status_code == 400


def test_two_wrong_days_are_two_sentences(alex: User) -> None:
    page = text(browser(alex).get("/mrr/?from=abc&to=zzz"))

    for name in ("From", "To"):
        assert f"{name}: type a date as 2026-11-27, from 1950 to 2200." in page


def test_a_movement_ends_on_the_as_of_day(alex: User, company: Company) -> None:
    page = text(browser(alex).get(f"/companies/{company.pk}/mrr/charts/?as_of=2025-06-15"))

    assert "From 31 May 2025 to 15 Jun 2025" in page


def test_no_form_or_link_forgets_the_days_of_another(alex: User, company: Company) -> None:
    client = browser(alex)

    page = text(
        client.get(f"/companies/{company.pk}/mrr/?as_of=2025-06-15&from=2026-01-31&to=2026-03-31")
    )
    book = text(client.get("/mrr/?within=60&from=2026-01-31&to=2026-03-31"))
    fresh = text(client.get(f"/companies/{company.pk}/mrr/"))

    for name, day in (("as_of", "2025-06-15"), ("from", "2026-01-31"), ("to", "2026-03-31")):
        assert f'<input type="hidden" name="{name}" value="{day}">' in page
    assert 'href="?within=30&amp;currency=USD&amp;from=2026-01-31&amp;to=2026-03-31"' in book
    assert '<input type="hidden" name="within" value="60">' in book
    assert 'type="hidden" name="from"' not in fresh
