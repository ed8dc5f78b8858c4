"""What `make run` says when something is in its way: a sentence, and what to do."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

ROOT = Path(__file__).resolve().parents[3]


def environment(var: Path, port: int) -> dict[str, str]:
    kept = {k: v for k, v in os.environ.items() if k not in {"SECRET_KEY", "CREDENTIAL_KEYS"}}
    return {
        **kept,
        "VAR_DIR": str(var),
        "PORT": str(port),
        "DATABASE_URL": "",
        "CELERY_BROKER_URL": "",
    }


def run(var: Path, port: int = 0) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "audit_site.local.run"],
        cwd=ROOT,
        env=environment(var, port),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


@pytest.fixture
def taken() -> Iterator[int]:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        yield listener.getsockname()[1]


def test_a_port_that_is_taken_is_named_with_a_way_out(tmp_path: Path, taken: int) -> None:
    done = run(tmp_path, taken)

    assert done.returncode == 1
    assert f"Port {taken} is taken." in done.stderr
    assert "make run PORT=" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_taken_sandbox_port_is_named_too(tmp_path: Path, taken: int) -> None:
    (tmp_path / "sandbox-port").write_text(str(taken))

    done = run(tmp_path, 18999)

    assert f"Port {taken}, where the sandbox PSA" in done.stderr


def test_a_damaged_database_is_named(tmp_path: Path) -> None:
    (tmp_path / "audit.sqlite3").write_bytes(b"this is no database" * 100)

    done = run(tmp_path, 18999)

    assert done.returncode == 1
    assert "audit.sqlite3 is damaged" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_folder_that_can_not_be_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")

    done = run(tmp_path / "file" / "var", 18999)

    assert "can't be written to" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.processes
@pytest.mark.timeout(240)
def test_it_shows_the_mrr_stays_up_and_ends_every_process(tmp_path: Path) -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    log = tmp_path / "out.txt"
    var = tmp_path / "var"
    with log.open("w") as out:
        process = subprocess.Popen(
            [sys.executable, "-m", "audit_site.local.run"],
            cwd=ROOT,
            env=environment(var, port),
            stdout=out,
            stderr=subprocess.STDOUT,
        )
    until = time.monotonic() + 120
    while "Ctrl-C ends everything" not in log.read_text() and process.poll() is None:
        assert time.monotonic() < until, log.read_text()
        time.sleep(0.3)
    said = log.read_text()
    assert process.poll() is None, said
    children = psutil.Process(process.pid).children(recursive=True)
    second = run(var, port)

    process.send_signal(signal.SIGTERM)
    process.wait(40)

    assert "MRR of the tenant, as of" in said
    assert "admin@demo.example" in said
    assert f"Open http://127.0.0.1:{port}" in said
    assert len(children) >= 4
    assert "running here already" in second.stderr
    _, alive = psutil.wait_procs(children, timeout=10)
    assert alive == []
    assert (var / "env").stat().st_mode & 0o077 == 0
