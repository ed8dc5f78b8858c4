"""Look for secrets that were typed into files: by what keys look like, and by how random they are."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterable, Iterator

from detect_secrets.core.potential_secret import PotentialSecret
from detect_secrets.core.scan import scan_file
from detect_secrets.settings import default_settings

from tests.supply_chain.inventory import ROOT

#: Written by tools, and full of hashes that are meant to be read.
MADE_BY_TOOLS = re.compile(
    r"requirements.*\.txt|static/vendor/manifest\.json|docs/openapi\.json|tests/data/.*\.json"
)
#: What stands for a password where an address is explained.
PLACEHOLDER = re.compile(r"password|pw|<.*>|\$\{.*\}")
#: Sentences, and paths in the code, that stand under a name such as PASSWORD.
KEYWORD = "Secret Keyword"
NO_VALUE = re.compile(r".*\s.*|[a-z_]+(\.\w+)+")
#: Tests type passwords of people and PSAs that they made up. A real key is found by its looks.
TESTS = "tests/"


def committed() -> list[str]:
    """Every file that git knows, or would know with the next commit."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        check=True,
        text=True,
    )
    return [name for name in listed.stdout.split("\0") if (ROOT / name).is_file()]


def findings(names: Iterable[str]) -> Iterator[str]:
    """A sentence for each place that looks like a secret."""
    with default_settings():
        for name in names:
            if MADE_BY_TOOLS.fullmatch(name):
                continue
            for found in scan_file(str(ROOT / name)):
                if _is_none(found, name):
                    continue
                yield (
                    f"{name}:{found.line_number}: this looks like a secret ({found.type}). Take it "
                    "out and replace it wherever it is used; if it is none, end the line with "
                    "`pragma: allowlist secret` and say why."
                )


def _is_none(found: PotentialSecret, name: str) -> bool:
    value = found.secret_value or ""
    if found.type == KEYWORD and (name.startswith(TESTS) or NO_VALUE.fullmatch(value)):
        return True
    return bool(PLACEHOLDER.fullmatch(value))
