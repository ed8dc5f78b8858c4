"""Who did what, from where: each door says it, and the trail writes it down as it was."""

from __future__ import annotations

import ast
import getpass
import re
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from celery import current_app
from django.utils import timezone

from audit_site.tenants import audit_actions
from audit_site.tenants.audit import record_audit
from audit_site.tenants.models import ApiToken, AuditEvent, Tenant, User
from companies.models import Company
from tests.clients import V1, api_of, browser

FAMILIES = {action.partition(".")[0] for action in audit_actions.ACTIONS}
AN_ACTION = re.compile(rf"({'|'.join(FAMILIES)})\.[a-z_]+")
WRITES = re.compile("record_audit|record_of_person")
HISTORY = import_module("audit_site.tenants.migrations.0005_audit_history")
COMPANY = {"name": "Acme", "primary_contact": {"phone": "1"}}


def test_a_page_says_address_browser_and_request(alex: User) -> None:
    typed = {"name": "Acme", "phone": "+1 555 0100", "type": "client"}
    browser(alex).post(
        "/companies/add/",
        typed,
        headers={"user-agent": "Firefox " + "x" * 300, "x-request-id": "click.1"},
        REMOTE_ADDR="203.0.113.9",
    )

    event = AuditEvent.objects.get()
    assert (event.door, event.ip, event.request_id) == ("page", "203.0.113.9", "click.1")
    assert event.user_agent == ("Firefox " + "x" * 300)[:200]
    assert (event.actor_type, event.actor_id, event.actor_name, event.person_id) == (
        *("user", str(alex.pk), "Alex Admin", str(alex.pk)),
    )
    assert (event.action, event.object_type, event.object_name) == (
        *("company.created", "company", "Acme"),
    )
    assert event.object_id == str(Company.objects.get().pk)
    assert (event.before, event.after) == (None, {"name": "Acme", "type": "client"})


def test_a_token_acts_under_its_own_name_for_its_owner(alex: User) -> None:
    api = api_of(alex)
    ApiToken.objects.update(name="Nightly import")

    api.post(f"{V1}/companies/", COMPANY, HTTP_USER_AGENT="curl/8")

    event = AuditEvent.objects.get(action="company.created")
    assert (event.door, event.user_agent, event.ip) == ("api", "curl/8", "127.0.0.1")
    assert (event.actor_type, event.actor_id) == ("token", str(ApiToken.objects.get().pk))
    assert (event.actor_name, event.person_id) == ("Nightly import of Alex Admin", str(alex.pk))


def test_the_browsers_session_acts_as_its_person_over_rest(alex: User) -> None:
    browser(alex).post(f"{V1}/companies/", COMPANY, content_type="application/json")

    event = AuditEvent.objects.get()
    assert (event.door, event.actor_type, event.actor_id) == ("api", "user", str(alex.pk))


def test_one_request_says_nothing_of_the_next_piece_of_work(alex: User, tenant: Tenant) -> None:
    api_of(alex).post(f"{V1}/companies/", COMPANY)
    AuditEvent.objects.filter(action="company.created").get()

    record_audit(tenant=tenant, actor=None, action="company.changed", subject=tenant)

    event = AuditEvent.objects.get(action="company.changed")
    assert (event.door, event.ip, event.user_agent) == ("command", "", "")
    assert (event.actor_type, event.actor_id) == ("operator", "")
    assert event.actor_name == getpass.getuser()


@pytest.fixture
def task(tenant: Tenant, alex: User) -> Iterator[Any]:
    """A task that writes an event of audIT itself, and one of the person who asked."""

    import_module("audit_site.tenants.tasks")  # as a worker does when it starts

    @current_app.task(name="tests.audit", shared=False)
    def work() -> None:
        for actor in (None, alex):
            record_audit(tenant=tenant, actor=actor, action="sync.started", subject=tenant)

    yield work
    current_app.tasks.pop("tests.audit", None)


def test_a_worker_says_that_it_was_one(task: Any, tenant: Tenant, alex: User) -> None:
    task.apply()
    record_audit(tenant=tenant, actor=None, action="sync.cancelled", subject=tenant)

    itself, person, after = AuditEvent.objects.order_by("id")
    assert (itself.door, itself.actor_type, itself.actor_name) == ("worker", "system", "audIT")
    assert (person.door, person.actor_type, person.actor_id) == ("worker", "user", str(alex.pk))
    assert after.door == "command"


def test_names_stay_as_they_were(alex: User, tenant: Tenant) -> None:
    record_audit(tenant=tenant, actor=alex, action="company.changed", subject=alex)

    alex.delete()

    event = AuditEvent.objects.get()
    assert (event.actor_name, event.object_name) == ("Alex Admin", "Alex Admin")


@pytest.mark.parametrize(
    ("details", "before", "after"),
    [
        ({}, None, None),
        ({"fields": ["a"]}, None, {"fields": ["a"]}),
        ({"before": {"a": 1}, "after": {"a": 2}}, {"a": 1}, {"a": 2}),
        ({"before": "x", "after": "y", "word": "w"}, {"value": "x"}, {"word": "w", "value": "y"}),
        ({"before": "x", "after": None}, {"value": "x"}, {"value": None}),
    ],
)
@pytest.mark.parametrize("is_known", [True, False])
def test_what_was_written_earlier_is_brought_over(
    alex: User, tenant: Tenant, details: Any, before: Any, after: Any, is_known: bool
) -> None:
    event = SimpleNamespace(
        pk="1", id="1", tenant_id=tenant.pk, at=timezone.now(), actor=alex if is_known else None,
        after=details, ip="", user_agent="", door="", request_id="", action="a.b",
        object_type="x", object_id="1", object_name="X",
    )  # fmt: skip

    HISTORY._rewrite(event)

    who = ("user", "Alex Admin", str(alex.pk)) if is_known else ("system", "audIT", "")
    assert (event.actor_type, event.actor_name, event.person_id) == who
    assert (event.before, event.after) == (before, after)
    assert len(event.content_hash) == 64


def actions_in_the_code() -> Iterator[str]:
    """Texts that look like actions, in every file that writes to the trail."""
    for root in ("audit_site", "companies", "agreements", "integrations"):
        for path in Path(root).rglob("*.py"):
            text = path.read_text()
            if not WRITES.search(text) or path.name == "audit_actions.py":
                continue
            for node in ast.walk(ast.parse(text)):
                value = getattr(node, "value", None)
                if isinstance(node, ast.keyword) and node.arg == "action":
                    yield from _texts(node.value)
                elif isinstance(value, str) and AN_ACTION.fullmatch(value):
                    yield value


def _texts(node: ast.expr) -> Iterator[str]:
    for part in ast.walk(node):
        if isinstance(part, ast.Constant) and "." in str(part.value).rstrip("."):
            yield str(part.value)


def test_every_action_that_is_written_has_words() -> None:
    written = set(actions_in_the_code())

    assert {"integration.connected", "token.revoked", "issue.dismissed"} <= written
    assert {"person.renamed", "person.sessions_ended", "person.signed_in"} <= written
    assert written - set(audit_actions.ACTIONS) == set()


def test_words_of_an_action_that_is_unknown_are_its_name() -> None:
    assert audit_actions.words_of("token.revoked") == "revoked the API token"
    assert audit_actions.words_of("robot.built_itself") == "robot built itself"
