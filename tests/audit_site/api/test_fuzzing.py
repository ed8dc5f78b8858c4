"""Schemathesis: what the schema says and what the API does are one thing, whatever is sent.

The real application answers, on the database of the run; stateful walks use ids of one answer in
the next call. Left out is the check that whatever fits the schema is taken: rules (a note that is
needed, a licence that is full) are no part of a schema. That nobody gets in without a token is
tests/test_tenancy.py's; and what is deleted here can still be read: it is archived or disconnected.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
import schemathesis
from django.core.signals import request_finished, request_started
from django.db import close_old_connections, transaction
from hypothesis import HealthCheck, given, settings
from hypothesis.stateful import run_state_machine_as_test
from schemathesis import GenerationMode

from audit_site.tenants.models import Tenant
from audit_site.wsgi import application
from integrations.models import ConnectionTest, Integration
from integrations.runs.starting import start_sync_run
from tests.clients import V1
from tests.factories import (
    make_agreement,
    make_api,
    make_company,
    make_issue,
    make_line,
    make_link,
    make_psa_company,
)

Ids = dict[str, dict[str, str]]
#: A body is looked at after the condition that it comes with: 412 refuses it as well.
REFUSED = [400, 401, 403, 404, 405, 406, 409, 412, 415, 422, 429]
CONTRACT = schemathesis.openapi.from_wsgi(
    f"{V1}/schema/?format=json",
    application,
    config=schemathesis.Config.from_dict(
        {
            "checks": {
                "positive_data_acceptance": {"enabled": False},
                "ignored_auth": {"enabled": False},
                "use_after_free": {"enabled": False},
                "negative_data_rejection": {"expected-statuses": REFUSED},
            },
        }
    ),
)
OPERATIONS = [found.ok() for found in CONTRACT.get_all_operations()]
#: Every run tries the same, so that a failure is one of the change that it is seen with.
SAME_EACH_TIME = settings(
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=list(HealthCheck),
)


@pytest.fixture
def ids(tenant: Tenant, connected: Integration, settings: Any) -> Ids:
    """Ids of rows that there are, by the first part of an address."""
    for name in ("TESTS", "SYNCS", "RESYNCS", "LOOKUPS", "IMPORTS", "INVITATIONS"):
        setattr(settings, f"LIMIT_{name}", 10_000)
    company = make_company(tenant)
    make_link(company, connected)
    agreement = make_agreement(company, connected)
    record = make_psa_company(connected)
    test = ConnectionTest.objects.create(tenant=tenant, integration=connected)
    run, _ = start_sync_run(integration=connected)
    return {
        "integrations": {
            "id": str(connected.pk),
            "test_id": str(test.pk),
            "external_id": record.external_id,
        },
        "issues": {"id": str(make_issue(connected, run).pk)},
        "sync-runs": {"id": str(run.pk)},
        "companies": {"id": str(company.pk), "agreement_id": str(agreement.pk)},
        "agreements": {"id": str(agreement.pk)},
        "agreement-lines": {"id": str(make_line(agreement).pk)},
    }


@pytest.fixture(autouse=True)
def _one_connection() -> Iterator[None]:
    """As Django's own test client has it: a request does not close the test's connection."""
    for signal in (request_started, request_finished):
        signal.disconnect(close_old_connections)
    yield
    for signal in (request_started, request_finished):
        signal.connect(close_old_connections)


@pytest.fixture
def headers(tenant: Tenant) -> dict[str, str]:
    return {"Authorization": make_api(tenant)._credentials["HTTP_AUTHORIZATION"]}


def send_all(examples: int, mode: GenerationMode, send: Callable[[Any], None]) -> None:
    """Send some cases of each operation; each begins with the same rows."""
    failures = []
    for operation in OPERATIONS:
        cases = given(case=operation.as_strategy(generation_mode=mode))
        with transaction.atomic():
            try:
                settings(SAME_EACH_TIME, max_examples=examples)(cases(send))()
            except Exception as failure:  # noqa: BLE001  told with those of all others
                failure.add_note(operation.label)
                failures.append(failure)
            transaction.set_rollback(True)
    if failures:
        raise ExceptionGroup("The API is not as its schema says", failures)


def test_what_fits_the_schema(ids: Ids, headers: dict[str, str]) -> None:
    def send(case: Any) -> None:
        case.call_and_validate(headers=headers)

    send_all(3, GenerationMode.POSITIVE, send)


@pytest.mark.once  # it is refused before a database is asked
def test_what_does_not_fit_the_schema(ids: Ids, headers: dict[str, str]) -> None:
    def send(case: Any) -> None:
        if "" not in (case.query or {}).values():  # which is as if it were absent
            case.call_and_validate(headers=headers)

    send_all(4, GenerationMode.NEGATIVE, send)


def test_what_is_sent_about_what_there_is(ids: Ids, headers: dict[str, str]) -> None:
    def send(case: Any) -> None:
        known = ids.get(case.operation.path.split("/")[3], {})
        case.path_parameters.update({n: known[n] for n in case.path_parameters if n in known})
        case.call_and_validate(headers=headers)

    send_all(3, GenerationMode.POSITIVE, send)


def test_walks_from_one_answer_to_the_next_call(ids: Ids, headers: dict[str, str]) -> None:
    machine = CONTRACT.as_state_machine()
    machine.get_call_kwargs = lambda self, case: {"headers": headers}

    run_state_machine_as_test(
        machine, settings=settings(SAME_EACH_TIME, max_examples=8, stateful_step_count=10)
    )
