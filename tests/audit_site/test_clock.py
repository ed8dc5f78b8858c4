"""What the clock does by itself, hour after hour."""

from __future__ import annotations

from datetime import timedelta

import pytest
from celery import current_app
from django.conf import settings
from django.utils import timezone

from audit_site.api.models import IdempotentRequest
from audit_site.tenants.models import BrowserSession, Tenant
from tests.factories import make_member


@pytest.fixture(autouse=True)
def _all_tasks() -> None:
    current_app.loader.import_default_modules()


@pytest.mark.parametrize("name", settings.CELERY_BEAT_SCHEDULE)
def test_what_the_clock_starts_is_a_task(name: str) -> None:
    assert settings.CELERY_BEAT_SCHEDULE[name]["task"] in current_app.tasks


def run(name: str) -> None:
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
