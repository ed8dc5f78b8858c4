"""`manage.py doctor` itself."""

from __future__ import annotations

import json
from io import StringIO
from typing import Any

import pytest
from django.core.management import call_command
from django.db import connection

from audit_site import worker_heartbeat
from audit_site.doctor.examination import CHECKS
from tests.audit_site.doctor.servers import behind, web

pytestmark = pytest.mark.once


def run(*arguments: str) -> tuple[int, str]:
    out = StringIO()
    try:
        call_command("doctor", *arguments, stdout=out)
    except SystemExit as end:
        return int(str(end.code)), out.getvalue()
    return 0, out.getvalue()


def test_one_line_a_check_and_a_sum(settings: Any, db: None) -> None:
    settings.PUBLIC_URL = "http://127.0.0.1:1"

    code, text = run()

    lines = text.splitlines()
    failing = {line.split()[1] for line in lines if line.startswith("failing")}
    assert (code, "worker" in failing) == (1, True)
    assert [line.split()[1] for line in lines[:-1]] == list(CHECKS)
    assert {line.split()[0] for line in lines[:-1]} == {"ok", "warning", "failing"}
    assert lines[-1].startswith(f"{len(CHECKS)} checks: {len(failing)} failing, ")


def test_nothing_failing_ends_with_0(settings: Any, db: None) -> None:
    if connection.vendor != "sqlite":
        pytest.skip("what PostgreSQL adds is looked at in test_database_roles")
    worker_heartbeat.beat()
    with web(behind(0)) as settings.PUBLIC_URL:
        code, text = run("--json")

    found = json.loads(text)
    assert [entry["check"] for entry in found] == list(CHECKS)
    assert (code, [entry for entry in found if entry["level"] == "failing"]) == (0, [])
    assert all(bool(entry["mend"]) == (entry["level"] != "ok") for entry in found)


def test_no_secret_is_shown(settings: Any, db: None) -> None:
    settings.SECRET_KEY = "canary-secret-key"
    settings.CREDENTIAL_KEYS = "1:canary-ring"
    settings.CELERY_BROKER_URL = "redis://:canary-broker@redis.example.com/0"
    settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
    settings.EMAIL_HOST, settings.EMAIL_PORT = "127.0.0.1", 1
    settings.EMAIL_HOST_PASSWORD = "canary-mail"
    settings.PUBLIC_URL = "http://127.0.0.1:1"

    assert "canary" not in run("--json")[1]


def test_a_check_that_cannot_be_carried_out_stops_no_other(settings: Any, db: None) -> None:
    settings.PRIVATE_FOLDERS = [None]
    settings.PUBLIC_URL = "http://127.0.0.1:1"

    found = {entry["check"]: entry for entry in json.loads(run("--json")[1])}

    assert found["machine.folders"]["says"] == "This could not be looked at (TypeError)."
    assert found["machine.disk"]["level"] == "ok"
