"""The upper part of a run's page: what it reads, what it counted, and what waits after it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from integrations.issues.selectors import count_issues
from integrations.models import SyncRun
from integrations.web.run_progress import CountTable, count_table, reads
from integrations.web.run_sentence import KindTally, run_sentence, tallies


@dataclass(frozen=True, slots=True)
class RunPage:
    """What a run's page shows besides the run and its status.

    `reads` in words, `since` which moment of the PSA's clock (None = not only what changed),
    `open_issues` of its integration wait for a person (0 while it runs). `sentence` says what it
    came to, and `tallies` what it counted, without the zeros of `table`.
    """

    psa_name: str
    reads: str
    since: datetime | None
    table: CountTable
    open_issues: int
    sentence: str
    tallies: Sequence[KindTally]


def run_page(run: SyncRun) -> RunPage:
    """Two statements at the most."""
    read, since = reads(run)
    psa_name, open_issues = run.integration.psa_info.name, _open_issues_of(run)
    sentence = run_sentence(run, open_issues)
    return RunPage(psa_name, read, since, count_table(run), open_issues, sentence, tallies(run))


def _open_issues_of(run: SyncRun) -> int:
    """How many issues of its integration wait for a person, once the run has ended."""
    integration = run.integration
    if run.is_active or integration.is_disconnected:
        return 0
    return count_issues(integration)["open"]
