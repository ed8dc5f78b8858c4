"""Every task, told one tenant and another one's ids: it finds nothing and changes nothing."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any
from uuid import uuid4

import pytest
from celery import current_app
from django.utils import timezone

from audit_site.tenants.models import Tenant
from integrations.issues.outages import BEGAN, ENDED
from integrations.models import (
    ConnectionTest,
    ImportBatch,
    Integration,
    LinkBatch,
    LinkMatching,
    SyncRun,
)
from integrations.words.saying import say_word
from tests.factories import make_company, make_preview
from tests.test_tenancy import snapshot

OURS = ("integrations.", "agreements.", "tenants.", "api.")
#: How each parameter of a task is filled beside the tenant: ids are those of another tenant.
Foreign = dict[str, str]


@pytest.fixture
def foreign(integration: Integration) -> Foreign:
    tenant = integration.tenant
    integration.address_change = {
        "by_id": None,
        "by": "",
        "at": "2026-01-01",
        "before": "",
        "after": "",
    }
    integration.save()
    test = ConnectionTest.objects.create(tenant=tenant, integration=integration)
    run = SyncRun.objects.create(tenant=tenant, integration=integration)
    preview = make_preview(make_company(tenant), integration)
    word, _ = say_word(
        integration=integration, actor=None, kind="cycle", word="Odd", meaning="annual"
    )
    type(word).objects.filter(pk=word.pk).update(followed_at=None)
    now = timezone.now()
    matching = LinkMatching.objects.create(tenant=tenant, wanted_at=now, due_at=now)
    return {
        "integration_id": str(integration.pk),
        "test_id": str(test.pk),
        "run_id": str(run.pk),
        "preview_id": str(preview.pk),
        "word_id": str(word.pk),
        "matching_id": str(matching.pk),
        "import_id": str(ImportBatch.objects.create(tenant=tenant, state="queued").pk),
        "batch_id": str(LinkBatch.objects.create(tenant=tenant, undo_wanted_at=now).pk),
    }


def tasks_of_tenants() -> dict[str, Callable[..., Any]]:
    """Those that are told a tenant and something of it."""
    current_app.loader.import_default_modules()
    return {
        name: task.run
        for name, task in current_app.tasks.items()
        if name.startswith(OURS) and {"tenant_id"} < set(inspect.signature(task.run).parameters)
    }


def test_the_walk_finds_the_tasks() -> None:
    assert sorted(tasks_of_tenants()) == [
        "integrations.follow_word",
        "integrations.match_links",
        "integrations.run_connection_test",
        "integrations.run_import_batch",
        "integrations.run_link_preview",
        "integrations.run_sync",
        "integrations.tell_address_change",
        "integrations.tell_admins",
        "integrations.undo_links",
    ]


@pytest.mark.parametrize("name", sorted(tasks_of_tenants()))
@pytest.mark.parametrize("whose", ["another tenant's", "nobody's"])
def test_another_tenants_ids_are_nothing_to_a_task(
    name: str, whose: str, other_tenant: Tenant, foreign: Foreign, mailoutbox: list[Any]
) -> None:
    task = tasks_of_tenants()[name]
    names = [*inspect.signature(task).parameters]
    tenant_id = str(other_tenant.pk if whose == "another tenant's" else uuid4())
    before = snapshot()

    for what in (BEGAN, ENDED):
        given = {**foreign, "what": what, "tenant_id": tenant_id}
        task(*[given[parameter] for parameter in names])

    assert snapshot() == before
    assert mailoutbox == []
