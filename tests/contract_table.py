"""Write the table of the adapter contract into docs/psas.md: `python -m tests.contract_table`.

Runs the contract suite and counts, for each of its tests and each PSA, what passed.
"""

from __future__ import annotations

import re
import subprocess
import sys
import tempfile
from collections import Counter, defaultdict
from pathlib import Path
from xml.etree import ElementTree

from integrations.psa import registry

ROOT = Path(__file__).resolve().parents[1]
SUITE = ROOT / "tests" / "integrations" / "test_adapter_contract.py"
DOCUMENT = ROOT / "docs" / "psas.md"
BEGIN, END = "<!-- contract table -->", "<!-- end of contract table -->"


def sentence(name: str) -> str:
    """A test's name as a sentence."""
    words = name.removeprefix("test_").replace("_", " ")
    return words[0].upper() + words[1:]


def named_tests() -> list[str]:
    """The suite's tests that run once for each PSA, in their order."""
    found = re.findall(r"^def (test_\w+)\(\s*make: Adapters", SUITE.read_text(), re.MULTILINE)
    return list(found)


def listed_tests() -> list[str]:
    """The first column of the table in the document."""
    table = DOCUMENT.read_text().partition(BEGIN)[2].partition(END)[0]
    return re.findall(r"^\| ([^|]+?) \| \d", table, re.MULTILINE)


def main() -> None:
    psas = registry.adapters()
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder) / "report.xml"
        subprocess.run(
            [sys.executable, "-m", "pytest", "-q", "-n", "2", str(SUITE), f"--junitxml={report}"],
            cwd=ROOT,
            check=True,
        )
        cases = ElementTree.parse(report).getroot().iter("testcase")  # noqa: S314  our own
        passed: dict[str, Counter[str]] = defaultdict(Counter)
        for case in cases:
            name, _, parameters = case.get("name", "").partition("[")
            psa = next((key for key in psas if key in parameters), "")
            if psa and not list(case):
                passed[name][psa] += 1
    lines = [
        f"| Case | {' | '.join(adapter.info.name for adapter in psas.values())} |",
        f"|---|{'---|' * len(psas)}",
        *(
            f"| {sentence(name)} | {' | '.join(str(passed[name][psa]) for psa in psas)} |"
            for name in named_tests()
        ),
    ]
    before, _, rest = DOCUMENT.read_text().partition(BEGIN)
    after = rest.partition(END)[2]
    DOCUMENT.write_text(f"{before}{BEGIN}\n{chr(10).join(lines)}\n{END}{after}")


if __name__ == "__main__":
    main()
