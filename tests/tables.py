"""Write the tables of the docs: `make tables`, or one with ARGS=contract|bad-days|refusals.

The first two run their suite once and put a row for each test, or each kind of bad day, into their
document; the third is what the adapters' own tables of refusals say.
"""

from __future__ import annotations

import argparse
import re
import subprocess
import sys
import tempfile
from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from xml.etree import ElementTree

from integrations.psa import registry
from tests import refusal_tables

ROOT = Path(__file__).resolve().parents[1]
SUITES = ROOT / "tests" / "integrations"
BAD_DAYS = SUITES / "sync" / "bad_days"
CONTRACT = SUITES / "adapters" / "contract"
DOCS = ROOT / "docs"


@dataclass(frozen=True, slots=True)
class Case:
    """A test that passed for one PSA: its variant ("" = there is one only) and its outcome."""

    test: str
    psa: str
    variant: str
    outcome: str


@dataclass(frozen=True, slots=True)
class Table:
    """A suite (files in order) with tests of a fixture that each PSA has, and its document."""

    name: str
    suite: tuple[Path, ...]
    fixture: str
    document: Path
    first_column: str
    rows: Callable[[list[str], list[Case]], Iterator[list[str]]]

    @property
    def marks(self) -> tuple[str, str]:
        return f"<!-- {self.name} -->", f"<!-- end of {self.name} -->"

    def tests(self) -> list[str]:
        """The suite's tests that run once for each PSA, in their order."""
        pattern = rf"^def (test_\w+)\(\s*{self.fixture}"
        texts = (path.read_text() for path in self.suite)
        return [name for text in texts for name in re.findall(pattern, text, re.MULTILINE)]

    def listed(self) -> list[str]:
        """The first column of the table in the document, each row once, without its variants."""
        begin, end = self.marks
        table = self.document.read_text().partition(begin)[2].partition(end)[0]
        rows = re.findall(r"^\| ([^|]+?) \|", table, re.MULTILINE)[1:]
        return list(dict.fromkeys(row.partition(":")[0] for row in rows))

    def write(self) -> None:
        names = [adapter.info.name for adapter in registry.adapters().values()]
        lines = [
            f"| {' | '.join([self.first_column, *names])} |",
            f"|{'---|' * (len(names) + 1)}",
            *(f"| {' | '.join(row)} |" for row in self.rows(self.tests(), self._run())),
        ]
        begin, end = self.marks
        before, _, rest = self.document.read_text().partition(begin)
        after = rest.partition(end)[2]
        self.document.write_text(f"{before}{begin}\n{chr(10).join(lines)}\n{end}{after}")

    def _run(self) -> list[Case]:
        with tempfile.TemporaryDirectory() as folder:
            report = Path(folder) / "report.xml"
            suite = [*map(str, self.suite), f"--junitxml={report}"]
            command = [sys.executable, "-m", "pytest", "-q", "-n", "2", *suite]
            subprocess.run(command, cwd=ROOT, check=True)
            root = ElementTree.parse(report).getroot()  # noqa: S314  our own
            return [case for element in root.iter("testcase") if (case := read_case(element))]


def read_case(element: ElementTree.Element) -> Case | None:
    """A test that passed for a PSA; None for any other."""
    test, _, parameters = element.get("name", "").rstrip("]").partition("[")
    words = parameters.split("-")
    psa = next((key for key in registry.adapters() if key in words), "")
    if not psa or element.find("failure") is not None or element.find("skipped") is not None:
        return None
    words = [word for word in words if word != psa and not re.fullmatch(r"options\d+|", word)]
    noted = {found.get("name", ""): found.get("value", "") for found in element.iter("property")}
    variant = noted.get("variant") or ", ".join(dict.fromkeys(words))
    return Case(test, psa, variant, noted.get("outcome", ""))


def sentence(name: str) -> str:
    """A test's name as a sentence."""
    words = name.removeprefix("test_").replace("_", " ").replace(" psa ", " PSA ")
    return words[0].upper() + words[1:]


def counts(tests: list[str], cases: list[Case]) -> Iterator[list[str]]:
    """For each test and PSA, how many variants passed."""
    for test in tests:
        of_psa = [
            sum(c.test == test and c.psa == psa for c in cases) for psa in registry.adapters()
        ]
        yield [sentence(test), *map(str, of_psa)]


def outcomes(tests: list[str], cases: list[Case]) -> Iterator[list[str]]:
    """For each test, its outcome for each PSA; variants that end alike share a row."""
    found: dict[str, dict[str, dict[str, str]]] = defaultdict(lambda: defaultdict(dict))
    for case in cases:
        found[case.test][case.variant][case.psa] = case.outcome
    for test in tests:
        alike: dict[tuple[str, ...], list[str]] = defaultdict(list)
        for variant, of_psa in found[test].items():
            ends = tuple(of_psa.get(psa, "does not apply") for psa in registry.adapters())
            alike[ends].append(variant)
        for ends, variants in sorted(alike.items()):
            variants_text = "; ".join(sorted(variant for variant in variants if variant))
            yield [sentence(test) + (f": {variants_text}" if variants_text else ""), *ends]


TABLES = {
    table.name: table
    for table in (
        Table(
            "contract",
            (
                CONTRACT / "test_reading.py",
                CONTRACT / "test_by_id.py",
                CONTRACT / "test_heavy_pages.py",
                CONTRACT / "test_records.py",
                CONTRACT / "test_lists.py",
                CONTRACT / "test_words.py",
                CONTRACT / "test_refusals.py",
                CONTRACT / "test_bad_days.py",
            ),
            "make: Adapters",
            DOCS / "psas.md",
            "Case",
            counts,
        ),
        Table(
            "bad-days",
            (
                BAD_DAYS / "test_failures.py",
                BAD_DAYS / "test_waits.py",
                BAD_DAYS / "test_missing_records.py",
                BAD_DAYS / "test_bad_records.py",
                BAD_DAYS / "test_odd_lists.py",
                BAD_DAYS / "test_odd_words.py",
                BAD_DAYS / "test_killed.py",
                BAD_DAYS / "test_changes_in_mid_run.py",
            ),
            "(?:open_)?day: Day",
            DOCS / "bad-days.md",
            "Bad day",
            outcomes,
        ),
    )
}


def main() -> None:
    parser = argparse.ArgumentParser(prog="make tables")
    every = {**TABLES, refusal_tables.NAME: refusal_tables}
    parser.add_argument("tables", nargs="*", choices=[[], *every], default=[])
    for name in parser.parse_args().tables or every:
        every[name].write()


if __name__ == "__main__":
    main()
