"""Home: what needs somebody, what is new, the MRR; and the first steps of a new tenant."""

from __future__ import annotations

import re
from datetime import timedelta

import pytest
from django.test import Client
from django.utils import timezone

from agreements import stored_mrr
from agreements.models import FigureShown
from audit_site.tenants.models import Tenant, User
from integrations.issues.inbox import KIND_INTEGRATION, IssueReport, raise_issues
from integrations.models import ImportListVisit, Integration
from tests.clients import browser, page_text
from tests.factories import (
    PASSWORD,
    make_agreement,
    make_company,
    make_integration,
    make_issue,
    make_link,
    make_psa_company,
    make_run,
)
from tests.queries import queries


def lines(client: Client) -> dict[str, str]:
    """What stands under each heading, without its markup."""
    page = page_text(client.get("/"))
    found = re.findall(r"<article.*?<h2[^>]*>(.*?)</h2>(.*?)</article>", page, re.DOTALL)
    return {title: " ".join(re.sub(r"<[^>]*>", " ", text).split()) for title, text in found}


def done(client: Client) -> list[bool]:
    """Which of the first steps are ticked; [] = there are none any more."""
    page = page_text(client.get("/"))
    steps = page.partition('<ol class="steps">')[2].partition("</ol>")[0]
    return ['aria-label="Done"' in step for step in steps.split("<li")[1:]]


@pytest.fixture
def book(tenant: Tenant) -> Integration:
    """A connection that was read, with one audITee that brings 100 a month."""
    desk = make_integration(tenant, name="Desk", status="connected")
    counts = {kind: {"seen": 1} for kind in ("companies", "contacts")}
    make_run(desk, state="succeeded", phase="", finished_at=timezone.now(), counts=counts)
    company = make_company(tenant, name="Acme")
    make_link(company, desk, external_id="1")
    make_agreement(company, desk, amount="100.00")
    stored_mrr.verify([tenant.pk], mend=True)
    return desk


def test_sign_in_leads_home_or_where_one_wanted_to_go(alex: User) -> None:
    form = {"login": alex.email, "password": PASSWORD}

    assert Client().post("/accounts/login/", form)["Location"] == "/"
    asked = Client().post("/accounts/login/?next=/mrr/", {**form, "next": "/mrr/"})
    assert asked["Location"] == "/mrr/"


def test_the_first_steps_tick_themselves_and_go(tenant: Tenant, alex: User) -> None:
    client = browser(alex)
    assert done(client) == [False, False, False]

    desk = make_integration(tenant, status="failing")
    assert done(client) == [False, False, False]
    Integration.objects.update(status="connected")
    assert done(client) == [True, False, False]
    company = make_company(tenant)
    make_link(company, desk)
    assert done(client) == [True, True, False]
    client.get(f"/companies/{company.pk}/mrr/")
    assert FigureShown.objects.count() == 1
    assert done(client) == []


def test_when_all_is_well_there_are_four_calm_lines(book: Integration, mia: User) -> None:
    ImportListVisit.objects.create(
        tenant=book.tenant, integration=book, user=mia, looked_at=timezone.now()
    )

    assert lines(browser(mia)) == {
        "MRR today": "USD 100.00 What changed since last month See where it comes from",
        "Connections": "Desk is healthy. See them",
        "New in your PSA": "Nothing has come since you last looked. Import &amp; link",
        "audITees that need a look": "None. All audITees",
    }


def test_what_needs_somebody_is_said_with_its_button(book: Integration, mia: User) -> None:
    tenant = book.tenant
    raise_issues(book, [IssueReport(KIND_INTEGRATION, "invalid_credentials", "Wrong keys.")])
    make_issue(book)
    looked_at = timezone.now() - timedelta(days=1)
    ImportListVisit.objects.create(tenant=tenant, integration=book, user=mia, looked_at=looked_at)
    for number in range(2):
        make_psa_company(book, external_id=f"new{number}")
    flagged = make_company(tenant, name="Flagged")
    make_link(flagged, book, external_id="7", problem_codes=["inactive"])
    client = browser(mia)

    found = lines(client)

    assert re.sub(r"today \d\d:\d\d", "today", found["Connections"]) == (
        "Desk : refused Wrong keys. Since today. 2 open issues wait for somebody. See what to do"
    )
    assert "no longer accepts the keys" not in page_text(client.get("/"))  # said once
    assert (
        found["New in your PSA"] == "2 companies have come since you last looked. See what is new"
    )
    assert found["audITees that need a look"] == (
        "1 audITee no longer fits what may be imported. Look at them"
    )
    listed = page_text(client.get("/companies/?flagged=yes"))
    assert "Flagged" in listed
    assert "Acme" not in listed


def test_a_viewer_sees_work_alone(book: Integration, vic: User) -> None:
    client = browser(vic)
    page = page_text(client.get("/"))
    menu = page[page.index("<nav") : page.index("</nav>")]

    assert list(lines(client)) == ["MRR today", "audITees that need a look"]
    assert re.findall(r'<div class="group">(\w+)</div>', menu) == ["Work"]


@pytest.mark.parametrize(
    ("role", "groups"),
    [("mia", ["Work", "Connections"]), ("alex", ["Work", "Connections", "Account"])],
)
def test_the_menu_has_what_one_may(
    book: Integration, request: pytest.FixtureRequest, role: str, groups: list[str]
) -> None:
    page = page_text(browser(request.getfixturevalue(role)).get("/companies/"))
    menu = page[page.index("<nav") : page.index("</nav>")]

    assert re.findall(r'<div class="group">(\w+)</div>', menu) == groups
    dot = '<span class="dot good" aria-hidden="true"></span>'
    assert f'{dot}<span class="visually-hidden">Healthy:</span>' in menu.replace("> <", "><")


def test_the_difference_since_last_month_is_that_of_the_page_of_all(
    book: Integration, mia: User
) -> None:
    client = browser(mia)
    start = book.tenant.today().replace(day=1) - timedelta(days=1)
    agreement = make_agreement(
        make_company(book.tenant), book, amount="23.45", start_date=start + timedelta(days=1)
    )
    assert agreement.start_date <= book.tenant.today()
    stored_mrr.verify([book.tenant.pk], mend=True)

    home = page_text(client.get("/mrr/difference/", headers={"HX-Request": "true"}))
    charts = page_text(client.get("/mrr/charts/", headers={"HX-Request": "true"}))

    assert '<span class="good-ink">+23.45</span>' in home
    assert '<span class="good-ink">+23.45</span>' in charts
    assert f"since {start.day} {start:%b %Y}" in home


def test_home_takes_the_same_statements_whatever_there_is(book: Integration, alex: User) -> None:
    client = browser(alex)
    client.get("/")
    few = queries(lambda: client.get("/"))
    for number in range(4):
        other = make_integration(book.tenant, name=f"Desk {number}")
        raise_issues(other, [IssueReport(KIND_INTEGRATION, "timeout", "It is slow.")])
        make_link(make_company(book.tenant), other, external_id="1", problem_codes=["inactive"])
    stored_mrr.verify([book.tenant.pk], mend=True)
    client.get("/")

    assert queries(lambda: client.get("/")) == few
