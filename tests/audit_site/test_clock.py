"""What the clock does by itself, hour after hour."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from celery import current_app
from django.conf import settings
from django.utils import timezone

from agreements import stored_mrr
from agreements.models import CompanyBook, CompanyMrr, FigureReport
from audit_site.api.models import IdempotentRequest
from audit_site.db import walls
from audit_site.tenants.models import BrowserSession, Tenant
from integrations.models import ConnectionTest, Integration, Issue, PsaWord, SyncEvent, SyncRun
from integrations.words.saying import say_word
from tests.factories import (
    make_agreement,
    make_company,
    make_event,
    make_integration,
    make_issue,
    make_member,
    make_run,
)


@pytest.fixture(autouse=True)
def _all_tasks() -> None:
    current_app.loader.import_default_modules()


@pytest.mark.parametrize("name", settings.CELERY_BEAT_SCHEDULE)
def test_what_the_clock_starts_is_a_task(name: str) -> None:
    assert settings.CELERY_BEAT_SCHEDULE[name]["task"] in current_app.tasks


def run(name: str) -> None:
    """As a worker carries it out: nobody, until the task says for whom it works."""
    with walls.door():
        current_app.tasks[settings.CELERY_BEAT_SCHEDULE[name]["task"]].apply(throw=True)


def test_sessions_that_have_run_out_are_deleted(db: None) -> None:
    now = timezone.now()
    for key, days in (("over", -1), ("in-use", 1)):
        BrowserSession.objects.create(session_key=key, expire_date=now + timedelta(days=days))

    run("forget_old")

    assert list(BrowserSession.objects.values_list("session_key", flat=True)) == ["in-use"]


def test_answers_are_kept_for_a_day(tenant: Tenant) -> None:
    now, user = timezone.now(), make_member(tenant, "member")
    for key, age in (("old", timedelta(hours=24, minutes=1)), ("new", timedelta(hours=23))):
        IdempotentRequest.objects.create(
            tenant=tenant, user=user, key=key, request_hash="x", status=200, created_at=now - age
        )

    run("forget_old")

    assert list(IdempotentRequest.objects.values_list("key", flat=True)) == ["new"]


# Each of these does its work for every tenant


@pytest.fixture
def both(integration: Integration, other_tenant: Tenant) -> list[Integration]:
    """An integration of each of two tenants."""
    return [integration, make_integration(other_tenant)]


LONG_AGO = timedelta(days=400)


def test_work_that_nobody_holds_is_sent_again(both: list[Integration]) -> None:
    for integration in both:
        make_run(integration, state="queued", dispatched_at=None, lease_until=None)
        ConnectionTest.objects.create(tenant=integration.tenant, integration=integration)

    run("sweep")

    assert SyncRun.objects.filter(dispatched_at=None).count() == 0
    assert ConnectionTest.objects.filter(dispatched_at=None).count() == 0


def test_what_is_due_starts_and_what_has_no_time_gets_one(both: list[Integration]) -> None:
    now = timezone.now()
    for integration in both:
        integration.schedule, integration.next_sync_at = "hourly", now - timedelta(minutes=1)
        integration.save()
        make_integration(integration.tenant, schedule="nightly")

    run("dispatch_due")

    started = SyncRun.objects.order_by("id").values_list("integration", flat=True)
    assert sorted(started) == sorted(integration.pk for integration in both)
    assert Integration.objects.filter(next_sync_at__gt=now).count() == 4


def test_a_new_day_changes_stored_figures(both: list[Integration]) -> None:
    for integration in both:
        company = make_company(integration.tenant)
        make_agreement(company, integration)
        stored_mrr.verify([integration.tenant_id], mend=True)
        make_agreement(company, integration, amount="1")
    CompanyBook.objects.update(next_change=timezone.now().date())

    run("pass_days")

    assert list(CompanyMrr.objects.values_list("exact", flat=True)) == ["101/1", "101/1"]


def test_reports_are_sent_and_old_ones_forgotten(
    both: list[Integration], mailoutbox: list[Any]
) -> None:
    for integration in both:
        company = make_company(integration.tenant)
        for age in (timedelta(0), LONG_AGO):
            FigureReport.objects.create(
                tenant=company.tenant,
                company=company,
                as_of="2026-01-01",
                content="{}",
                created_at=timezone.now() - age,
            )

    run("send_reports")

    assert len(mailoutbox) == 2
    assert FigureReport.objects.exclude(sent_at=None).count() == FigureReport.objects.count() == 2


def test_words_whose_message_was_lost_are_followed(both: list[Integration]) -> None:
    for integration in both:
        say_word(integration=integration, actor=None, kind="cycle", word="Odd", meaning="annual")
    PsaWord.objects.update(followed_at=None, at=timezone.now() - LONG_AGO)

    run("follow_words")

    assert PsaWord.objects.exclude(followed_at=None).count() == 2


def test_what_ended_long_ago_is_forgotten(both: list[Integration]) -> None:
    long_ago = timezone.now() - LONG_AGO
    for integration in both:
        ended = make_run(integration, state="succeeded", finished_at=long_ago)
        make_event(ended, "created")
        make_issue(integration)
    Issue.objects.update(closed_at=long_ago)

    run("forget_old")

    assert [model.objects.count() for model in (SyncRun, SyncEvent, Issue)] == [0, 0, 0]


def test_changes_of_address_that_nobody_was_told_of_are_queued_again(
    both: list[Integration], django_capture_on_commit_callbacks: Any
) -> None:
    Integration.objects.update(address_change={"at": "2026-01-01T00:00:00+00:00"})

    with django_capture_on_commit_callbacks() as queued:
        run("remind_of_address_changes")

    assert len(queued) == 2
