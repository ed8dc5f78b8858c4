"""Whoever sends a hint knows the task, whatever was imported before."""

from __future__ import annotations

import subprocess
import sys

SEND = """
import django
django.setup()
from audit_site.celery import app
from audit_site.queue import enqueue
app.conf.broker_url = "memory://"
app.conf.broker_transport_options = {}
from django.db import transaction
transaction.on_commit = lambda send: send()
for name in ("tenants.send_invitations", "agreements.send_reports", "integrations.sweep"):
    enqueue(name)
print("sent")
"""


def test_a_process_that_has_sent_nothing_yet_knows_the_tasks_of_all_apps(tmp_path: object) -> None:
    environment = {
        "DJANGO_SETTINGS_MODULE": "audit_site.settings",
        "DEBUG": "1",
        "VAR_DIR": str(tmp_path),
    }
    done = subprocess.run(
        [sys.executable, "-c", SEND], env=environment, capture_output=True, text=True, check=False
    )

    assert (done.stdout.strip(), done.returncode) == ("sent", 0), done.stderr
