"""What is old is deleted, a slice a statement, and the guide tells the same."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from django.db import connection
from django.utils import timezone

from agreements.models import FigureReport
from audit_site.api.models import ActCount, IdempotentRequest
from audit_site.db.slices import SLICE, delete_in_slices
from audit_site.privacy import retention
from audit_site.privacy.tasks import forget_old
from audit_site.tenants.models import BrowserSession, SharedCacheEntry, Tenant, TryCount, User
from integrations.models import (
    ConnectionTest,
    Integration,
    Issue,
    PsaUser,
    SyncEvent,
    SyncRun,
    SyncRunPage,
)
from tests.databases import ROOT
from tests.factories import make_company, make_event, make_issue, make_run

LONG_AGO = timezone.now() - timedelta(days=100)


@contextmanager
def deleted_rows() -> Iterator[list[int]]:
    """How many rows each DELETE inside took away."""
    counts: list[int] = []

    def watch(execute: Callable[..., Any], sql: str, params: Any, many: bool, context: Any) -> Any:
        result = execute(sql, params, many, context)
        if sql.lstrip().startswith("DELETE"):
            counts.append(context["cursor"].rowcount)
        return result

    with connection.execute_wrapper(watch):
        yield counts


def test_ten_thousand_rows_go_a_slice_at_a_time(integration: Integration) -> None:
    old = make_run(integration, state="succeeded", finished_at=LONG_AGO)
    new = make_run(integration, state="succeeded", finished_at=timezone.now())
    events = [
        SyncEvent(tenant=run.tenant, run=run, kind="company", change="created")
        for run in (*[old] * 10_000, new)
    ]
    SyncEvent.objects.bulk_create(events, batch_size=1000)

    with deleted_rows() as counts:
        forget_old()

    assert list(SyncRun.objects.all()) == [new]
    assert SyncEvent.objects.count() == 1
    assert sum(counts) == 10_001
    assert max(counts) == SLICE


def test_what_hangs_on_rows_goes_before_them_and_nothing_else(integration: Integration) -> None:
    runs = [make_run(integration, state="succeeded", finished_at=LONG_AGO) for _ in range(5)]
    for run in runs:
        for _ in range(3):
            make_event(run, "created")
        SyncRunPage.objects.create(tenant=run.tenant, run=run, kind="companies", external_ids=[])
    issue = make_issue(integration, runs[0])

    with deleted_rows() as counts:
        deleted = delete_in_slices(SyncRun.objects.all(), size=2)

    assert deleted == 5
    assert max(counts) == 2
    assert not SyncEvent.objects.exists()
    assert not SyncRunPage.objects.exists()
    issue.refresh_from_db()
    assert issue.run is None


@pytest.mark.django_db(transaction=True)
def test_a_deletion_that_is_killed_goes_on(integration: Integration) -> None:
    class Killed(Exception):
        pass

    for _ in range(5):
        make_run(integration, state="succeeded", finished_at=LONG_AGO)

    def dying(execute: Callable[..., Any], sql: str, *more: Any) -> Any:
        if "DELETE" in sql and "syncrun" in sql and SyncRun.objects.count() == 3:
            raise Killed
        return execute(sql, *more)

    with connection.execute_wrapper(dying), pytest.raises(Killed):
        delete_in_slices(SyncRun.objects.all(), size=2)
    left = SyncRun.objects.count()

    assert left == 3
    assert delete_in_slices(SyncRun.objects.all(), size=2) == 3


def make_one_of_each(integration: Integration, user: User, age: timedelta) -> None:
    at, tenant = timezone.now() - age, integration.tenant
    make_run(integration, state="succeeded", finished_at=at)
    ConnectionTest.objects.create(
        tenant=tenant, integration=integration, state="done", finished_at=at
    )
    Issue.objects.filter(pk=make_issue(integration).pk).update(closed_at=at)
    FigureReport.objects.create(
        tenant=tenant, company=make_company(tenant), as_of=at.date(), content="{}", created_at=at
    )
    IdempotentRequest.objects.create(
        tenant=tenant, user=user, key=str(age), request_hash="", created_at=at
    )
    BrowserSession.objects.create(session_key=str(age), session_data="", expire_date=at)
    TryCount.objects.create(key=str(age), last_at=at, free_at=at)
    SharedCacheEntry.objects.create(cache_key=str(age), value="", expires=at)
    ActCount.objects.create(tenant=tenant, act=str(age.days), began_at=at)
    PsaUser.objects.create(key=str(age), changed_at=at)


MODELS = (
    SyncRun, ConnectionTest, Issue, FigureReport, IdempotentRequest, BrowserSession, TryCount,
    SharedCacheEntry, ActCount, PsaUser,
)  # fmt: skip


def test_each_kind_goes_in_its_time_and_no_sooner(integration: Integration, alex: User) -> None:
    make_one_of_each(integration, alex, timedelta(days=91))
    make_one_of_each(integration, alex, -timedelta(minutes=1))

    forget_old()

    assert {model.__name__: model._default_manager.count() for model in MODELS} == {
        model.__name__: 1 for model in MODELS
    }


def test_settings_say_for_how_long(integration: Integration, tenant: Tenant, settings: Any) -> None:
    settings.SYNC_HISTORY_DAYS, settings.REPORT_DAYS = 2, 3
    for days in (1, 2, 3, 4):
        at = timezone.now() - timedelta(days=days, minutes=1)
        make_run(integration, state="succeeded", finished_at=at)
        FigureReport.objects.create(
            tenant=tenant, company=make_company(tenant), as_of=at.date(), content="", created_at=at
        )

    forget_old()

    assert (SyncRun.objects.count(), FigureReport.objects.count()) == (1, 2)


def test_one_kind_that_fails_holds_up_no_other(
    integration: Integration, monkeypatch: pytest.MonkeyPatch
) -> None:
    def failing() -> None:
        raise OSError

    broken = retention.Kept("Broken", "", "", failing)
    monkeypatch.setattr("audit_site.privacy.tasks.RETENTION", (broken, *retention.RETENTION))
    make_run(integration, state="succeeded", finished_at=LONG_AGO)

    forget_old()

    assert not SyncRun.objects.exists()


def test_the_guide_tells_the_same() -> None:
    guide = (Path(ROOT) / "docs" / "operating.md").read_text()

    for kept in retention.RETENTION:
        setting = f"`{kept.setting}`" if kept.setting else ""
        assert f"| {kept.what} | {kept.how_long} | {setting} |" in guide
        assert not kept.setting or isinstance(getattr(settings, kept.setting), int)
