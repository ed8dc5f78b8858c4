"""`make run`: the whole product on this machine, with sandbox PSAs and a demo tenant."""

from __future__ import annotations

import base64
import fcntl
import os
import secrets
import signal
import sqlite3
import subprocess
import sys
import time
from pathlib import Path
from typing import IO

from audit_site.local.processes import Child, Children, SetupError, port_is_free, wait_until_up
from integrations.sandbox.server import settings_at

BASE_DIR = Path(__file__).resolve().parents[2]
SANDBOX_PORTS = range(8765, 8795)
SANDBOX_COMPANIES = 60


def var_dir() -> Path:
    return Path(os.environ.get("VAR_DIR") or BASE_DIR / "var").resolve()


def say(text: str = "") -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def prepare_var(var: Path) -> IO[str]:
    """Make the folder that everything lives in, and lock it for this run."""
    try:
        var.mkdir(mode=0o700, parents=True, exist_ok=True)
        lock = (var / "run.lock").open("w")
    except OSError as error:
        raise SetupError(
            f"{var} can't be written to ({error.strerror}). Give yourself the right to, or set "
            "VAR_DIR to another folder."
        ) from None
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        raise SetupError(
            "`make run` is running here already. End it there with Ctrl-C first."
        ) from None
    write_keys(var / "env")
    if not os.environ.get("DATABASE_URL"):
        check_database(var / "audit.sqlite3")
    return lock


def write_keys(path: Path) -> None:
    """Write the secrets of this installation once; they must survive a restart."""
    if path.exists():
        return
    encryption_key = base64.b64encode(secrets.token_bytes(32)).decode()
    text = f"SECRET_KEY={secrets.token_urlsafe(50)}\nCREDENTIAL_KEYS=1:{encryption_key}\n"
    path.touch(mode=0o600)
    path.write_text(text)


def check_database(path: Path) -> None:
    if not path.exists():
        return
    try:
        with sqlite3.connect(path, timeout=20) as database:
            (answer,) = database.execute("PRAGMA quick_check(1)").fetchone()
    except sqlite3.DatabaseError as error:
        answer = str(error)
    if answer != "ok":
        raise SetupError(
            f"{path} is damaged ({answer}). Put a backup in its place, or move the file away to "
            "begin with an empty one."
        )


def sandbox_port(var: Path) -> int:
    """The sandbox's port stays the same: connected integrations hold its address."""
    remembered = var / "sandbox-port"
    if remembered.exists():
        port = int(remembered.read_text())
        if not port_is_free(port):
            raise SetupError(
                f"Port {port}, where the sandbox PSA of this installation lives, is taken. End "
                f"what listens there (`ss -ltnp 'sport = :{port}'` names it)."
            )
        return port
    port = next((port for port in SANDBOX_PORTS if port_is_free(port)), 0)
    if not port:
        raise SetupError(
            "No port from 8765 to 8794 is free for the sandbox PSA. End something there."
        )
    remembered.write_text(str(port))
    return port


def environment(port: int, sandbox: int) -> dict[str, str]:
    """What the processes of this run are started with."""
    values = {
        "PUBLIC_URL": f"http://127.0.0.1:{port}",
        "PSA_ALLOW_PRIVATE_HOSTS": "1",
        "PYTHONUNBUFFERED": "1",
        **settings_at(f"http://127.0.0.1:{sandbox}"),
    }
    return {**values, **os.environ, "PUBLIC_URL": values["PUBLIC_URL"]}


def migrate(env: dict[str, str]) -> None:
    done = subprocess.run(  # nosec B603 # a command of our own
        [sys.executable, "manage.py", "migrate", "--no-input", "--verbosity", "0"],
        cwd=BASE_DIR,
        env=env,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise SetupError(f"The database can't be brought up to date:\n{done.stderr[-1500:]}")


def start_processes(children: Children, env: dict[str, str], port: int, sandbox: int) -> Child:
    """Start sandbox, web server and worker; return the worker."""
    logs = var_dir() / "log"
    python = sys.executable
    sandbox_child = children.start(
        Child(
            "sandbox PSA",
            [
                python,
                "manage.py",
                "psa_sandbox",
                f"--port={sandbox}",
                f"--companies={SANDBOX_COMPANIES}",
            ],
            logs / "sandbox.log",
            env,
        )
    )
    web = children.start(
        Child(
            "web server",
            [python, "-m", "gunicorn", "audit_site.wsgi", f"--bind=127.0.0.1:{port}"],
            logs / "web.log",
            env,
        )
    )
    worker = children.start(
        Child(
            "worker",
            [python, "-m", "celery", "-A", "audit_site", "worker", "-B"],
            logs / "worker.log",
            env,
        )
    )
    wait_until_up(sandbox_child, sandbox)
    wait_until_up(web, port)
    return worker


def stay_up(children: Children) -> None:
    """Until Ctrl-C; a process that ends is started again, as a service manager would."""
    while True:
        time.sleep(1)
        for child in children.children:
            if not child.is_up:
                say(f"The {child.name} ended; starting it again.")
                child.start()


def main() -> int:
    os.chdir(BASE_DIR)
    children = Children()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    try:
        port = int(os.environ.get("PORT") or 8000)
        lock = prepare_var(var_dir())
        if not port_is_free(port):
            raise SetupError(
                f"Port {port} is taken. End what listens there, or: make run PORT=8001"
            )
        sandbox = sandbox_port(var_dir())
        env = environment(port, sandbox)
        os.environ |= env
        say("Bringing the database up to date …")
        migrate(env)
        say("Starting the sandbox PSA, the web server and a worker …")
        start_processes(children, env, port, sandbox)
        from audit_site.local import demo  # noqa: PLC0415  needs the environment and the database

        demo.show(f"http://127.0.0.1:{sandbox}", say, lambda: _all_up(children))
        say(f"Open {env['PUBLIC_URL']} (Ctrl-C ends everything)")
        stay_up(children)
        lock.close()
    except SetupError as sorry:
        sys.stderr.write(f"\n{sorry}\n")
        return 1
    except KeyboardInterrupt:
        say("\nEnding …")
    finally:
        children.end()
    return 0


def _all_up(children: Children) -> None:
    for child in children.children:
        if not child.is_up:
            raise SetupError(f"The {child.name} ended. Its last words:\n{child.last_words()}")


if __name__ == "__main__":
    sys.exit(main())
