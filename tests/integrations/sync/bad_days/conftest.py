"""Each bad day runs once for each PSA; what a day begins with is made once for a PSA."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from django.test import override_settings

from integrations.models import SyncRun
from integrations.sandbox.server import SandboxServer
from tests.conftest import TODAY
from tests.emptying import empty_what_is_filled
from tests.integrations.sync.bad_days.day import PSAS, Day, Outcome


@pytest.fixture(scope="package", params=PSAS)
def psa(request: Any) -> str:
    key: str = request.param
    return key


@pytest.fixture(scope="package")
def sandbox(psa: str) -> Iterator[SandboxServer]:
    """The sandbox of one PSA, alone: what is not asked for need not be made."""
    with (
        SandboxServer(seed=1, companies=33, today=TODAY, only=psa) as server,
        override_settings(**server.settings()),
    ):
        yield server


@pytest.fixture(scope="package")
def imported(
    psa: str, sandbox: SandboxServer, django_db_setup: None, django_db_blocker: Any
) -> Iterator[Day]:
    """What every day of a PSA begins with: committed once, and each test takes back what it does."""
    with django_db_blocker.unblock():
        yield Day(sandbox, psa)
        empty_what_is_filled()


@pytest.fixture
def day(imported: Day, db: None, monkeypatch: pytest.MonkeyPatch) -> Day:
    return imported.begin(monkeypatch)


@pytest.fixture
def open_day(imported: Day, monkeypatch: pytest.MonkeyPatch) -> Iterator[Day]:
    """A day that other threads see too: nothing but runs may come of it."""
    before = set(SyncRun.objects.values_list("pk", flat=True))
    yield imported.begin(monkeypatch)
    SyncRun.objects.exclude(pk__in=before).delete()


@pytest.fixture
def outcome(record_property: Any) -> Outcome:
    """Keep the outcome for the table."""
    return lambda ended: record_property("outcome", ended)
