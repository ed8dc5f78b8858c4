"""Whoever sends a hint knows the task, whatever was imported before."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

READY = """
import django
django.setup()
from audit_site.celery import app
from audit_site.queue import enqueue
app.conf.broker_url = "memory://"
app.conf.broker_transport_options = {}
from django.db import transaction
transaction.on_commit = lambda send: send()
"""
SEND = """
for name in ("tenants.send_invitations", "agreements.send_reports", "integrations.sweep"):
    enqueue(name)
print("sent")
"""
#: The second thread sends while the first one is importing the tasks.
SEND_AT_ONCE = """
import sys
import threading
from importlib.machinery import PathFinder
from django.core.checks import run_checks
run_checks()  # which Celery does, too: the second time it takes no time
importing, ended = threading.Event(), threading.Event()

class Slow:
    def find_spec(self, name, path=None, target=None):
        if name != "integrations.tasks":
            return None
        spec = PathFinder.find_spec(name, path)
        execute = spec.loader.exec_module

        def slowly(module):
            importing.set()
            ended.wait(3)
            execute(module)

        spec.loader.exec_module = slowly
        return spec

sys.meta_path.insert(0, Slow())

def second():
    importing.wait(30)
    try:
        enqueue("integrations.sweep")
        print("sent")
    finally:
        ended.set()

thread = threading.Thread(target=second)
thread.start()
enqueue("integrations.sweep")
thread.join()
print("sent")
"""


def said(code: str, folder: Path) -> str:
    """What a new process says that carries this out."""
    environment = {
        "DJANGO_SETTINGS_MODULE": "audit_site.settings",
        "DEBUG": "1",
        "VAR_DIR": str(folder),
    }
    command = [sys.executable, "-c", READY + code]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_a_process_that_has_sent_nothing_yet_knows_the_tasks_of_all_apps(tmp_path: Path) -> None:
    assert said(SEND, tmp_path) == "sent\n"


def test_of_two_that_send_first_at_once_both_know_the_tasks(tmp_path: Path) -> None:
    assert said(SEND_AT_ONCE, tmp_path) == "sent\nsent\n"
