from __future__ import annotations

import gc
import os
import shutil
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any

import hypothesis
import pytest
import stamina
import structlog
from celery import current_app
from django.contrib.auth.hashers import Argon2PasswordHasher
from django.core.management.base import BaseCommand
from django.db import connection, transaction
from django.test import TransactionTestCase, override_settings
from rest_framework.test import APIClient

from audit_site.api import conditional
from audit_site.api.conditional import KeptAnswers
from audit_site.db import walls
from audit_site.tenants import wrong_tokens
from audit_site.tenants.models import Tenant, User
from integrations.connecting.lifecycle import create_integration
from integrations.models import Integration
from integrations.sandbox.server import SandboxServer
from tests.beside_postgres import touches_a_database
from tests.databases import (
    ROLE,
    UNHURRIED,
    UNHURRIED_SQLITE,
    drop_template,
    postgres_url,
    template,
)
from tests.emptying import empty_what_is_filled
from tests.factories import make_api, make_integration, make_member, make_tenant
from tests.made_once import make_once
from tests.worker import work_off

TODAY = date(2026, 11, 25)
#: How fast a machine is decides no test.
hypothesis.settings.register_profile(
    "unhurried", deadline=None, suppress_health_check=[hypothesis.HealthCheck.too_slow]
)
hypothesis.settings.load_profile("unhurried")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if os.environ.get("AUDIT_TEST_DATABASE_ONLY"):
        leave_what_touches_a_database(config, items)
    begin_with_the_long(items)


def leave_what_touches_a_database(config: pytest.Config, items: list[pytest.Item]) -> None:
    """On a second database only what touches one runs again (AUDIT_TEST_DATABASE_ONLY)."""
    left = {item for item in items if not touches_a_database(item)}
    config.hook.pytest_deselected(items=[item for item in items if item in left])
    items[:] = [item for item in items if item not in left]


def begin_with_the_long(items: list[pytest.Item]) -> None:
    """Each process begins with its share of those that start processes: nobody waits for one."""
    count = int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1"))
    long = [item for item in items if item.get_closest_marker("processes")]
    rest = [item for item in items if not item.get_closest_marker("processes")]
    size = -(-len(rest) // count)  # xdist gives each process a stretch of the list
    items[:] = [
        item
        for share in range(count)
        for item in (*long[share::count], *rest[share * size : (share + 1) * size])
    ]


@pytest.fixture(scope="session")
def django_db_modify_db_settings(django_db_modify_db_settings_parallel_suffix: None) -> None:
    """pytest-django's own hook: the test database is a copy of the template."""
    postgres, test = postgres_url(), connection.settings_dict["TEST"]
    options = connection.settings_dict["OPTIONS"]
    if postgres:
        test["TEMPLATE"] = template(postgres)
        options["options"] = UNHURRIED
    else:
        shutil.copy(template(""), test["NAME"])
        options["init_command"] += UNHURRIED_SQLITE


@pytest.fixture(scope="session")
def django_db_keepdb() -> bool:
    """pytest-django's own: whether the test database is there already, as SQLite's copy is."""
    return not postgres_url()


@pytest.fixture(autouse=True)
def _needs_postgres(request: pytest.FixtureRequest) -> None:
    if request.node.get_closest_marker("postgres") and connection.vendor != "postgresql":
        pytest.skip("SQLite has neither policies nor triggers of statements, and prepares nothing")


def pytest_sessionstart() -> None:
    """Tests themselves see everything; requests, tasks and commands are who they are."""
    walls.enter(walls.Asker(everything=True))


@pytest.fixture(scope="session")
def django_db_setup(django_db_setup: None) -> Iterator[None]:
    """pytest-django's own, after which statements run in the application's role."""
    if postgres_url():
        connection.close()
        connection.settings_dict["OPTIONS"]["assume_role"] = ROLE
    yield
    if not postgres_url():
        connection.close()
        Path(connection.settings_dict["NAME"]).unlink()


@pytest.fixture(scope="module")
def rows_for_all(django_db_setup: None, django_db_blocker: Any) -> Iterator[None]:
    """What a fixture makes after it, each test of the module finds as it was made: the tests take
    back what they do, and the last of them these rows. For modules that are marked `django_db`
    as a whole, and don't commit.
    """
    with django_db_blocker.unblock(), transaction.atomic():
        yield
        transaction.set_rollback(True)


@pytest.fixture(autouse=True, scope="session")
def _passwords_are_hashed_cheaply() -> Iterator[None]:
    """By the same algorithm, which is made to cost a tenth of a second and a hundred megabytes."""
    with pytest.MonkeyPatch.context() as patch:
        for name, value in (("time_cost", 1), ("memory_cost", 8), ("parallelism", 1)):
            patch.setattr(Argon2PasswordHasher, name, value)
        yield


@pytest.fixture(autouse=True, scope="session")
def _what_comes_to_the_same_is_made_once() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        make_once(patch)
        yield


@pytest.fixture(autouse=True, scope="session")
def _commands_are_who_they_are() -> Iterator[None]:
    """Ours begin as nobody, as they do outside of tests; Django's own work for the test."""
    execute = BaseCommand.execute

    def as_nobody(command: BaseCommand, *args: Any, **options: Any) -> Any:
        if type(command).__module__.startswith("django."):
            return execute(command, *args, **options)
        with walls.door():
            return execute(command, *args, **options)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(BaseCommand, "execute", as_nobody)
        yield


def pytest_collection_finish(session: pytest.Session) -> None:
    prepare_databases(session)
    leave_what_is_there_for_good()


def prepare_databases(session: pytest.Session) -> None:
    """The migrations run before the first test: they are no part of the time that it has."""
    if not session.config.option.collectonly and any(map(touches_a_database, session.items)):
        template(postgres_url())


def leave_what_is_there_for_good() -> None:
    """Half a million objects: don't look through them again and again."""
    gc.collect()
    gc.freeze()
    gc.enable()
    gc.set_threshold(10_000, 20, 50)


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Where tests run side by side, the process that started the others ends last."""
    if not hasattr(session.config, "workerinput"):
        drop_template()


@pytest.fixture(autouse=True, scope="session")
def _what_is_filled_is_emptied() -> Iterator[None]:
    """After a test that commits, in the place of Django's `flush`."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(TransactionTestCase, "_fixture_teardown", empty_what_is_filled)
        yield


@pytest.fixture(autouse=True)
def _no_waiting() -> Iterator[None]:
    """Retries happen, the pauses between them don't."""
    stamina.set_testing(True, attempts=3, cap=True)
    yield
    stamina.set_testing(False)


@pytest.fixture(autouse=True)
def _nobody_asked() -> None:
    """What the last request of another test left in the process is of no concern here."""
    structlog.contextvars.clear_contextvars()
    wrong_tokens._suspects.clear()
    # the versions of a test that is taken back come again
    conditional.KEPT = KeptAnswers(conditional.MOST_BYTES)


@pytest.fixture(autouse=True, scope="session")
def _messages_stay_here() -> None:
    """Hints go to a broker inside this process: tests do the work themselves (`work_off`)."""
    current_app.conf.broker_url = "memory://"
    current_app.conf.broker_transport_options = {}


@pytest.fixture
def tenant(db: None) -> Tenant:
    return make_tenant(company_limit=100)


@pytest.fixture
def other_tenant(db: None) -> Tenant:
    return make_tenant(company_limit=100)


@pytest.fixture
def alex(tenant: Tenant) -> User:
    """An admin of `tenant`."""
    return make_member(tenant, "admin", email="alex@example.com", name="Alex Admin")


@pytest.fixture
def mia(tenant: Tenant) -> User:
    """A member of `tenant`."""
    return make_member(tenant, "member", email="mia@example.com", name="Mia Member")


@pytest.fixture
def vic(tenant: Tenant) -> User:
    """A viewer of `tenant`."""
    return make_member(tenant, "viewer", email="vic@example.com", name="Vic Viewer")


@pytest.fixture
def otto(other_tenant: Tenant) -> User:
    """An admin of `other_tenant`: a stranger to everyone above."""
    return make_member(other_tenant, "admin", email="otto@example.com", name="Otto Other")


@pytest.fixture
def api(tenant: Tenant) -> APIClient:
    """The REST API, asked by an admin of `tenant`."""
    return make_api(tenant)


@pytest.fixture
def integration(tenant: Tenant) -> Integration:
    """A ConnectWise that was connected and read nothing yet."""
    return make_integration(tenant)


@pytest.fixture
def sandbox(settings: Any) -> Iterator[SandboxServer]:
    """All sandbox PSAs at one address, which the settings name."""
    with SandboxServer(seed=1, companies=40, today=TODAY) as server:
        for name, value in server.settings().items():
            setattr(settings, name, value)
        yield server


@pytest.fixture(scope="module")
def sandbox_for_all() -> Iterator[SandboxServer]:
    """The same for all tests of a module, none of which changes anything in it."""
    with (
        SandboxServer(seed=1, companies=40, today=TODAY) as server,
        override_settings(**server.settings()),
    ):
        yield server


@pytest.fixture
def connected(tenant: Tenant, sandbox: SandboxServer) -> Integration:
    """The sandbox ConnectWise, connected and tested, its import list read."""
    return connect(tenant, sandbox, "connectwise")


def connect(tenant: Tenant, sandbox: SandboxServer, psa: str, /, **credentials: str) -> Integration:
    """Connect a sandbox PSA through the service that the pages use, and do the worker's part."""
    integration, _ = create_integration(
        tenant=tenant,
        actor=None,
        psa=psa,
        credentials={**sandbox.credentials(psa), **credentials},
    )
    work_off()
    integration.refresh_from_db()
    return integration
