"""A frontend's client, made of `docs/openapi.json` alone: it compiles strictly, and it works.

What it does is in tests/typescript/story.ts. Needs node and npm, and the npm registry once: its
packages are kept beside the virtual environment.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.api_changes import CURRENT
from tests.processes.installation import Installation

pytestmark = [pytest.mark.processes, pytest.mark.once, pytest.mark.timeout(240)]

SOURCE = Path("tests/typescript")
KEPT = Path(".venv/typescript").resolve()
OFFLINE = re.compile(r"ENOTFOUND|EAI_AGAIN|ECONNREFUSED|ECONNRESET|ETIMEDOUT|ENETUNREACH|E40[13]")
#: What would take a type for granted that the schema does not give.
CASTS = re.compile(r"\bas (?!const\b)\w|\bany\b|@ts-|\w!(?=[.;,)\[])|<\w+>\(?[a-z]\w*\.")


def node(*command: str, env: dict[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command,
        cwd=KEPT,
        env={**os.environ, **(env or {})},
        capture_output=True,
        text=True,
        timeout=200,
        check=False,
    )


@pytest.fixture(scope="module")
def client() -> Path:
    """A folder with the packages, the client of the schema as it is, and the story, compiled."""
    if shutil.which("node") is None or shutil.which("npm") is None:
        pytest.skip("TypeScript: there is no node with npm")
    KEPT.mkdir(exist_ok=True)
    with (KEPT / "lock").open("w") as turn:
        fcntl.flock(turn, fcntl.LOCK_EX)  # the folder is shared by all processes of the suite
        return _compiled()


def _compiled() -> Path:
    """Compile once for all processes: what one runs is not written again by another."""
    story, mark = KEPT / "build" / "story.js", KEPT / "compiled"
    sources = [*sorted(SOURCE.iterdir()), CURRENT]
    digest = hashlib.sha256(b"".join(path.read_bytes() for path in sources)).hexdigest()
    if story.exists() and mark.exists() and mark.read_text() == digest:
        return story
    _install_and_compile()
    mark.write_text(digest)
    return story


def _install_and_compile() -> None:
    lock = (SOURCE / "package-lock.json").read_text()
    installed = KEPT / "installed.json"
    for path in SOURCE.iterdir():
        shutil.copy(path, KEPT)
    if not installed.exists() or installed.read_text() != lock:
        done = node("npm", "ci", "--no-audit", "--no-fund", "--ignore-scripts")
        if done.returncode and OFFLINE.search(done.stderr):
            pytest.skip("TypeScript: the npm registry can't be reached")
        assert done.returncode == 0, done.stderr
        installed.write_text(lock)
    made = node(
        "npx", "--no-install", "openapi-typescript", str(CURRENT.resolve()), "-o", "schema.ts"
    )
    assert made.returncode == 0, made.stderr
    compiled = node("npx", "--no-install", "tsc")
    assert compiled.returncode == 0, compiled.stdout


def test_the_story_takes_no_type_for_granted() -> None:
    found = [line for line in (SOURCE / "story.ts").read_text().splitlines() if CASTS.search(line)]
    options = json.loads((SOURCE / "tsconfig.json").read_text())["compilerOptions"]

    assert [line for line in found if not line.startswith(("//", "import"))] == []
    assert (options["strict"], options["noUncheckedIndexedAccess"]) == (True, True)


def test_a_client_of_the_schema_connects_imports_syncs_and_reads_mrr(
    client: Path, installation: Installation
) -> None:
    installation.start_ready_worker()
    credentials = installation.sandbox.credentials("connectwise")
    token = str(installation.session.headers["Authorization"]).removeprefix("Bearer ")

    done = node(
        "node",
        str(client),
        env={
            "AUDIT_URL": installation.url,
            "AUDIT_TOKEN": token,
            **{f"AUDIT_{name}": value for name, value in credentials.items()},
        },
    )

    assert done.returncode == 0, done.stderr
    told: dict[str, Any] = json.loads(done.stdout)
    companies = installation.api("GET", "/companies/?page_size=200")["results"]
    assert told["imported"] == len(companies) > 20
    assert told["agreements"] > 0
    assert told["ledger"] > 0
    assert told["totals"] == installation.api("GET", "/mrr/")["totals"]
    assert float(told["totals"][0]["amount"]) > 0


def test_what_the_schema_does_not_have_does_not_compile(client: Path) -> None:
    wrong = KEPT / "wrong.ts"
    wrong.write_text(
        'import type { components } from "./schema.js";\n'
        'const state: components["schemas"]["RunState"] = "asleep";\n'
        'const run = (one: components["schemas"]["SyncRun"]): string => one.colour;\n'
    )

    found = node("npx", "--no-install", "tsc", "--noEmit", "--strict", "--skipLibCheck", "wrong.ts")

    wrong.unlink()
    assert found.returncode != 0
    assert "asleep" in found.stdout
    assert "colour" in found.stdout
