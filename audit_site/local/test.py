"""`make test`: the whole suite, on SQLite and on PostgreSQL, with whatever it needs set up.

Where PostgreSQL and Redis answer they are used. On a bare Debian machine, as root, they, Chromium,
nginx, pgbouncer and node are installed and started. What still can't run is named, never left out
silently.

`make test ARGS=quick` runs the part that needs SQLite alone and no patience (`tests/quick.py`).
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from audit_site.local.processes import answers

BASE_DIR = Path(__file__).resolve().parents[2]
POSTGRES_PORT, REDIS_PORT = 5432, 6379
#: Two processes more than cores: some tests wait for leases and browsers. Long ones go around.
PROCESSES = (os.cpu_count() or 2) + 2
PYTEST = [sys.executable, "-m", "pytest", "--dist", "worksteal", "-q", "-rs", "--durations=15"]

#: Compiled once, also where the environment says to leave no __pycache__: each of some
#: hundred processes would compile everything again.
BYTECODE = {
    "PYTHONDONTWRITEBYTECODE": "",
    "PYTHONPYCACHEPREFIX": str(BASE_DIR / ".venv" / "bytecode"),
}

QUICK_LEAVES_OUT = """\
Left out     PostgreSQL, Redis and the browser; servers and workers as processes; syncs with a
             whole sandbox PSA; long tests (marked `once`); other tests that take more than a
             fifth of a second each (tests/data/dear_tests.txt); and of a test that runs for
             each PSA, all PSAs but one.
             `make test` runs everything."""


def say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def run(*command: str) -> bool:
    done = subprocess.run(command, capture_output=True, check=False)  # noqa: S603  # nosec B603 # our own
    return done.returncode == 0


def is_bare_debian() -> bool:
    return os.geteuid() == 0 and shutil.which("apt-get") is not None


def install(*packages: str) -> None:
    """Install Debian packages; quietly, and without failing: what is missing is named later."""
    say(f"Installing {', '.join(packages)} …")
    os.environ["DEBIAN_FRONTEND"] = "noninteractive"
    run("apt-get", "update", "-qq")
    for package in packages:
        run("apt-get", "install", "-y", "-qq", "--no-install-recommends", package)


#: Programs that tests start, and the Debian packages that they are in.
PROGRAMS = {"chromium": "chromium", "nginx": "nginx-light", "pgbouncer": "pgbouncer"}


def prepare_machine() -> None:
    """On a bare Debian machine as root: install and start what the tests talk to."""
    if not is_bare_debian():
        return
    needs_postgres = not os.environ.get("DATABASE_URL") and not answers(POSTGRES_PORT)
    needs_redis = not os.environ.get("CELERY_BROKER_URL") and not answers(REDIS_PORT)
    missing = []
    if needs_postgres and not Path("/usr/lib/postgresql").exists():
        missing.append("postgresql")
    if needs_redis and shutil.which("redis-server") is None:
        missing.append("redis-server")
    missing += [package for name, package in PROGRAMS.items() if find_server(name) is None]
    if shutil.which("npm") is None:
        missing += ["nodejs", "npm"]
    if missing:
        install(*missing)
    if needs_postgres:
        start_postgres()
    if needs_redis:
        run("redis-server", "--daemonize", "yes", "--bind", "127.0.0.1", "--save", "")


def find_server(name: str) -> str | None:
    """Where a program is; Debian keeps servers outside the PATH of most users."""
    return shutil.which(name) or shutil.which(name, path="/usr/sbin")


def start_postgres() -> None:
    versions = sorted(Path("/usr/lib/postgresql").glob("*"))
    if not versions:
        return
    run("pg_ctlcluster", "--skip-systemctl-redirect", versions[-1].name, "main", "start")
    for _ in range(50):
        if answers(POSTGRES_PORT):
            break
        time.sleep(0.2)
    # a role for these tests, on this machine alone
    statement = "CREATE ROLE audit_tests LOGIN SUPERUSER PASSWORD 'audit_tests'"
    run("runuser", "-u", "postgres", "--", "psql", "-c", statement)


def find_postgres() -> str:
    """The address of a PostgreSQL on which a test database can be made; "" = there is none."""
    if url := os.environ.get("DATABASE_URL", ""):
        return url if url.startswith("postgres") else ""
    import psycopg2  # noqa: PLC0415

    user = os.environ.get("USER") or "postgres"
    for who in (f"{user}@", "postgres@", "root@", "audit_tests:audit_tests@"):
        url = f"postgres://{who}127.0.0.1:{POSTGRES_PORT}/postgres"
        try:
            psycopg2.connect(url, connect_timeout=3).close()
        except psycopg2.Error:
            continue
        return url
    return ""


def find_redis() -> str:
    if url := os.environ.get("CELERY_BROKER_URL", ""):
        return url
    return f"redis://127.0.0.1:{REDIS_PORT}/15" if answers(REDIS_PORT) else ""


@dataclass
class Outcome:
    database: str
    code: int
    counts: str


def run_suite(
    database: str, env: dict[str, str], arguments: list[str], processes: int = PROCESSES
) -> Outcome:
    """Run pytest against one database and keep its closing line."""
    say(f"\n===== {database} =====")
    with tempfile.TemporaryDirectory(prefix="audit-test-") as var:
        process = subprocess.Popen(  # noqa: S603  # nosec B603 # pytest
            [*PYTEST, "-n", str(processes), *arguments],
            cwd=BASE_DIR,
            env={**os.environ, **BYTECODE, **env, "AUDIT_TEST_VAR_DIR": var},
            stdout=subprocess.PIPE,
            text=True,
        )
        closing = ""
        for line in process.stdout or ():
            sys.stdout.write(line)
            if re.search(r"\d+ (passed|failed|error)", line):
                closing = line.strip("= \n")
        return Outcome(database, process.wait(), closing)


def run_quick(arguments: list[str]) -> int:
    """Run what finds most mistakes in about two minutes, and name the rest."""
    env = {"CELERY_BROKER_URL": "", "TEST_REDIS_URL": "", "DATABASE_URL": ""}
    processes = os.cpu_count() or 2  # none of these tests waits for anything
    outcome = run_suite("SQLite", env, ["-p", "tests.quick", *arguments], processes)
    say(f"\n===== The quick part =====\nSQLite       {outcome.counts or 'nothing ran'}")
    say(QUICK_LEAVES_OUT)
    return outcome.code


def main() -> int:
    arguments = sys.argv[1:]
    if arguments[:1] == ["quick"]:
        return run_quick(arguments[1:])
    prepare_machine()
    postgres, redis = find_postgres(), find_redis()
    shared = {"CELERY_BROKER_URL": "", "TEST_REDIS_URL": redis}
    # what needs one database only has PostgreSQL where there is one
    beside = ["-p", "tests.beside_postgres", "-m", "not browser and not once"]
    left_out = beside if postgres else []
    outcomes = [run_suite("SQLite", {**shared, "DATABASE_URL": ""}, [*left_out, *arguments])]
    if postgres:
        again = {"DATABASE_URL": postgres, "AUDIT_TEST_DATABASE_ONLY": "1"}
        outcomes.append(run_suite("PostgreSQL", {**shared, **again}, arguments))
    say("\n===== In all =====")
    for outcome in outcomes:
        say(f"{outcome.database:<12} {outcome.counts or 'nothing ran'}")
    if postgres:
        say(
            "(On PostgreSQL runs what touches a database; the browser tests, the bad days and the "
            "thousand companies run only there, and what runs for each PSA on SQLite for one.)"
        )
    else:
        say("PostgreSQL   skipped: none answers on 127.0.0.1:5432 and DATABASE_URL is not set")
    if not redis:
        say("Redis        skipped: none answers on 127.0.0.1:6379 and CELERY_BROKER_URL is not set")
    if shutil.which("chromium") is None:
        say("Browser      skipped: there is no chromium")
    if find_server("nginx") is None:
        say("Proxy        skipped: there is no nginx")
    if find_server("pgbouncer") is None:
        say("Pooler       skipped: there is no pgbouncer")
    if shutil.which("npm") is None:
        say("TypeScript   skipped: there is no node with npm")
    return exit_code(outcomes)


def exit_code(outcomes: list[Outcome]) -> int:
    """That of the first run that failed; one that was killed has a negative one."""
    return next((outcome.code for outcome in outcomes if outcome.code), 0)


if __name__ == "__main__":
    sys.exit(main())
