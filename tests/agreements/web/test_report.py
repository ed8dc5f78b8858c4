"""Doubting a figure: the report is shown, then sent by a worker to the help address."""

from __future__ import annotations

import json
import re
from datetime import timedelta
from typing import Any

import pytest
from django.core import mail
from django.utils import timezone

from agreements.models import FigureReport
from agreements.reports import send_waiting_reports
from audit_site.tenants.models import Tenant, User
from companies.models import Company
from integrations.models import Integration, SyncRun
from integrations.runs.selectors import last_reading
from tests.clients import browser, text
from tests.factories import make_agreement, make_company, make_integration, make_link
from tests.mail_server import picky_server


@pytest.fixture
def company(tenant: Tenant, integration: Integration) -> Company:
    company = make_company(tenant, name="Secret Client")
    make_link(company, integration)
    make_agreement(company, integration, amount="1250", name="Gold")
    return company


@pytest.fixture
def _mail(settings: Any) -> None:
    settings.EMAIL_BACKEND = "django.core.mail.backends.locmem.EmailBackend"
    settings.HELP_EMAIL = "help@vendor.example"


def page_of(company: Company) -> str:
    return f"/companies/{company.pk}/mrr/report/?as_of=2026-06-15"


@pytest.mark.usefixtures("_mail")
def test_what_it_holds_is_shown_then_one_click_sends_it(vic: User, company: Company) -> None:
    client = browser(vic)
    shown = re.sub(r"\s+", " ", text(client.get(page_of(company))))
    assert "The sum as of 15 Jun 2026, line by line: USD 1,250.00" in shown
    assert "What the PSA sent: 1 agreement with" in shown
    assert "&quot;external_id&quot;" in shown
    assert "Send it to help@vendor.example" in shown
    assert mail.outbox == []

    done = client.post(page_of(company), {"note": "Gold should be 1,300"}, follow=True)
    said = re.sub("<[^>]*>", "", text(done))
    assert "On its way to help@vendor.example. The answer comes to vic@example.com." in said
    assert mail.outbox == []
    send_waiting_reports()
    send_waiting_reports()

    (sent,) = mail.outbox
    assert (sent.to, sent.reply_to) == (["help@vendor.example"], ["vic@example.com"])
    assert "Gold should be 1,300" in sent.body
    assert "Secret Client" not in sent.subject
    name, content, kind = sent.attachments[0]
    assert (name, kind) == (f"mrr-report-{company.pk}-2026-06-15.json", "application/json")
    assert json.loads(content)["totals"][0]["amount"] == "1250.00"


def test_without_a_mail_server_it_is_downloaded(vic: User, company: Company, settings: Any) -> None:
    settings.EMAIL_BACKEND = "django.core.mail.backends.console.EmailBackend"
    client = browser(vic)

    shown = text(client.get(page_of(company)))
    figure = text(client.get(f"/companies/{company.pk}/mrr/"))

    assert "This installation sends no e-mail." in shown
    assert "Send it to" not in shown
    assert "Looks wrong?" in figure
    assert "with one click" not in figure
    client.post(page_of(company), {"note": "x"})
    assert not FigureReport.objects.exists()


def test_a_mail_server_that_is_away_delays_it(vic: User, company: Company, settings: Any) -> None:
    settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
    settings.EMAIL_HOST, settings.EMAIL_PORT = "127.0.0.1", 1  # nothing listens there
    browser(vic).post(page_of(company), {"note": "x"})
    send_waiting_reports()
    assert FigureReport.objects.get().sent_at is None

    settings.EMAIL_BACKEND = "django.core.mail.backends.locmem.EmailBackend"
    send_waiting_reports()

    assert len(mail.outbox) == 1
    assert FigureReport.objects.get().sent_at is not None


@pytest.mark.usefixtures("_mail")
def test_a_report_that_can_not_be_sent_does_not_hold_the_others_up(
    vic: User, company: Company, caplog: pytest.LogCaptureFixture
) -> None:
    for note in ("first", "second"):
        browser(vic).post(page_of(company), {"note": note})
    bad = FigureReport.objects.order_by("id")[0]
    User.objects.filter(pk=vic.pk).update(email="vic@example.com\nBcc: all@example.com")
    FigureReport.objects.exclude(pk=bad.pk).update(sent_by=None)

    send_waiting_reports()

    assert [sent.body.splitlines()[0] for sent in mail.outbox] == ["second"]
    assert FigureReport.objects.get(sent_at=None) == bad
    assert f"mail_not_made report={bad.pk}" in caplog.text


@pytest.mark.usefixtures("_mail")
def test_a_report_that_is_refused_is_not_tried_again(
    vic: User, company: Company, settings: Any
) -> None:
    for note in ("first", "second"):
        browser(vic).post(page_of(company), {"note": note})

    with picky_server(settings) as server:
        server.after_data = "552 5.3.4 Message too big"
        send_waiting_reports()
        send_waiting_reports()

    assert server.asked == [settings.HELP_EMAIL] * 2
    kept = FigureReport.objects.values_list("sent_at", "mail_refused")
    assert list(kept) == [(None, "552 5.3.4")] * 2


@pytest.mark.usefixtures("_mail")
def test_reports_are_not_kept(vic: User, company: Company) -> None:
    browser(vic).post(page_of(company), {"note": "x"})
    FigureReport.objects.update(created_at=timezone.now() - timedelta(days=8))

    send_waiting_reports()

    assert not FigureReport.objects.exists()
    assert mail.outbox == []


def test_a_stranger_gets_404(otto: User, company: Company) -> None:
    client = browser(otto)

    for address in (page_of(company), f"/companies/{company.pk}/mrr/report.json"):
        assert client.get(address).status_code == 404
    assert client.post(page_of(company), {"note": "x"}).status_code == 404


def test_the_run_that_read_it_last_is_named(
    tenant: Tenant, company: Company, integration: Integration
) -> None:
    now = timezone.now()
    assert last_reading(company) is None

    def run(hours: int, integration: Integration, of: Company | None = None) -> SyncRun:
        return SyncRun.objects.create(
            tenant=tenant,
            integration=integration,
            company=of,
            state="succeeded",
            started_at=now - timedelta(hours=hours),
        )

    run(9, integration, company)
    whole = run(5, integration)
    run(4, integration, make_company(tenant))
    run(4, make_integration(tenant))
    imported = run(4, integration)
    SyncRun.objects.filter(pk=imported.pk).update(scope="companies", companies=["other"])
    company.links.update(last_synced_at=now - timedelta(hours=3))
    assert last_reading(company) == whole
    own = run(2, integration, company)
    assert last_reading(company) == whole
    company.links.update(last_synced_at=now - timedelta(hours=1))
    assert last_reading(company) == own
    SyncRun.objects.filter(pk=imported.pk).update(
        companies=["other", company.links.get().external_id],
        started_at=now - timedelta(hours=1.5),
    )
    assert last_reading(company) == imported


@pytest.mark.usefixtures("_mail")
def test_so_many_an_hour_and_no_more(vic: User, company: Company, settings: Any) -> None:
    settings.LIMIT_REPORTS = 1
    client = browser(vic)

    client.post(page_of(company), {"note": "x"})
    refused = client.post(page_of(company), {"note": "y"}, HTTP_REFERER="http://testserver/mrr/")

    assert refused["Location"] == "http://testserver/mrr/"
    assert "may have 1 questions about figures an hour" in text(client.get("/mrr/"))
    assert FigureReport.objects.get().note == "x"
