"""The real processes: web server and workers as in production, against a database of their own."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import requests

from integrations.sandbox.server import SandboxServer
from tests.databases import (
    ROOT,
    copy_template,
    drop,
    template,
    template_with_a_tenant,
    two_roles,
)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port


def wait_for(
    what: Callable[[], Any], seconds: float = 90, *, tell: Callable[[], Any] | None = None
) -> Any:
    """What comes, within so many seconds; `tell` says what is in its way if it doesn't."""
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        if found := what():
            return found
        time.sleep(0.25)
    raise AssertionError(f"waited {seconds} s in vain {tell() if tell else ''}")


class Installation:
    """One installation: its folder, its environment, its processes, and a client of its API."""

    def __init__(
        self, var: Path, sandbox: SandboxServer, database_url: str, broker_url: str
    ) -> None:
        self.var, self.sandbox = var, sandbox
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.env = {
            **os.environ,
            **sandbox.settings(),
            "VAR_DIR": str(var),
            **two_roles(database_url),
            "CELERY_BROKER_URL": broker_url,
            "PUBLIC_URL": self.url,
            "LOG_LEVEL": "INFO",
        }
        self.processes: list[subprocess.Popen[bytes]] = []
        self.session = requests.Session()

    def manage(self, *arguments: str) -> str:
        done = subprocess.run(
            [sys.executable, "manage.py", *arguments],
            cwd=ROOT,
            env=self.env,
            capture_output=True,
            text=True,
            check=True,
        )
        return done.stdout

    def doctor(self, **env: str) -> dict[str, dict[str, str]]:
        """What `manage.py doctor` finds, by the name of the check."""
        done = subprocess.run(
            [sys.executable, "manage.py", "doctor", "--json"],
            cwd=ROOT,
            env={**self.env, **env},
            capture_output=True,
            text=True,
            check=False,
        )
        return {entry["check"]: entry for entry in json.loads(done.stdout)}

    def _start(self, name: str, *module: str) -> subprocess.Popen[bytes]:
        return self.start_process(name, sys.executable, "-m", *module)

    def start_process(self, name: str, *command: str) -> subprocess.Popen[bytes]:
        with (self.var / f"{name}.log").open("ab") as log:
            process = subprocess.Popen(
                command,
                cwd=ROOT,
                env=self.env,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        self.processes.append(process)
        return process

    def start_web(self) -> subprocess.Popen[bytes]:
        web = self.begin_web()
        wait_for(lambda: self._answers("/healthz/"))
        return web

    def begin_web(self) -> subprocess.Popen[bytes]:
        """A web server that may not answer yet."""
        return self._start("web", "gunicorn", "audit_site.wsgi", f"--bind=127.0.0.1:{self.port}")

    def start_worker(self, name: str = "worker", *options: str) -> subprocess.Popen[bytes]:
        """A worker with the clock; a further one has a name and options of its own."""
        return self._start(name, "celery", "-A", "audit_site", "worker", *(options or ("-B",)))

    def _answers(self, path: str) -> bool:
        try:
            return requests.get(self.url + path, timeout=5).status_code == 200
        except requests.RequestException:
            return False

    def start_ready_worker(self) -> subprocess.Popen[bytes]:
        """A worker whose clock has been seen to beat."""
        worker = self.start_worker()
        wait_for(self.is_ready)
        return worker

    def is_ready(self) -> bool:
        return self._answers("/readyz/")

    @staticmethod
    def kill(process: subprocess.Popen[bytes]) -> None:
        """SIGKILL, children included: no handler runs."""
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()

    def sign_in(self, company_limit: str = "500", *, password: str = "") -> None:
        """Make a tenant, and be its admin; with a password, who may sign in to pages too."""
        tenant = json.loads(
            self.manage(
                "create_tenant",
                "Acme",
                "--admin-email",
                "a@example.com",
                "--company-limit",
                company_limit,
                *(("--password", password) if password else ()),
            )
        )
        token = json.loads(
            self.manage(
                "create_api_token",
                "--tenant",
                tenant["tenant"],
                "--email",
                "a@example.com",
                "--role",
                "admin",
            )
        )
        self.session.headers["Authorization"] = f"Bearer {token['token']}"

    def api(self, method: str, path: str, body: Any = None) -> Any:
        answer = self.session.request(method, f"{self.url}/api/v1{path}", json=body, timeout=30)
        assert answer.status_code < 400, answer.text
        return answer.json() if answer.content else None

    def connect(self, psa: str = "connectwise") -> str:
        body = {"psa": psa, "credentials": self.sandbox.credentials(psa)}
        integration: str = self.api("POST", "/integrations/", body)["id"]
        wait_for(lambda: self._last_sync(integration).get("state") == "succeeded")
        return integration

    def _last_sync(self, integration: str) -> Any:
        return self.api("GET", f"/integrations/{integration}/")["last_sync"] or {}

    def end(self) -> None:
        for process in self.processes:
            if process.poll() is None:
                self.kill(process)


@contextmanager
def installed(
    var: Path, sandbox: SandboxServer, *, postgres: str = "", broker_url: str = ""
) -> Iterator[Installation]:
    """An installation without tenants, whose tables are there and whose processes are not.

    Its database is made beside `postgres`, or a SQLite file.
    """
    with _installed(var, sandbox, postgres, broker_url, template(postgres)) as made:
        yield made


@contextmanager
def signed_in(
    var: Path, sandbox: SandboxServer, *, postgres: str = "", broker_url: str = ""
) -> Iterator[Installation]:
    """An installation with a tenant, whose admin asks its API."""
    source, token = template_with_a_tenant(postgres)
    with _installed(var, sandbox, postgres, broker_url, source) as made:
        made.session.headers["Authorization"] = f"Bearer {token}"
        yield made


@contextmanager
def _installed(
    var: Path, sandbox: SandboxServer, postgres: str, broker_url: str, source: str
) -> Iterator[Installation]:
    name, url = copy_template(postgres, var, source)
    made = Installation(var, sandbox, url, broker_url)
    try:
        yield made
    finally:
        made.end()
        if name:
            drop(postgres, name)


def mrr_of_all(installation: Installation) -> dict[str, Any]:
    listed = installation.api("GET", "/companies/?page_size=200")["results"]
    return {c["link"]["external_id"]: c["mrr"] for c in listed}


def truth(installation: Installation, psa: str = "connectwise") -> dict[str, Any]:
    companies = installation.sandbox.psas[psa].truth(datetime.now(UTC).date())["companies"]
    return {
        id_: [{k: m[k] for k in ("currency", "amount")} for m in company["mrr"]]
        for id_, company in companies.items()
        if company["importable"]
    }


#: A dead worker's lease (20 s), the sweep after it (5 s), and the work itself.
HEALED_SECONDS = 60
