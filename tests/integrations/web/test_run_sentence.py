"""A run in one sentence."""

from __future__ import annotations

import pytest

from integrations.models import SyncRun
from integrations.models.runs import no_counts
from integrations.web.run_sentence import run_sentence, tallies

READ = {"companies": {"seen": 400, "created": 1, "unchanged": 399}}


def run_of(state: str, counts: dict[str, dict[str, int]]) -> SyncRun:
    whole = no_counts()
    return SyncRun(state=state, counts={kind: whole[kind] | counts.get(kind, {}) for kind in whole})


@pytest.mark.parametrize(
    ("state", "counts", "need_you", "sentence"),
    [
        ("succeeded", READ, 2, "Read 400 companies: 1 new, 2 need you."),
        ("succeeded", READ, 1, "Read 400 companies: 1 new, 1 needs you."),
        ("succeeded", READ, 0, "Read 400 companies: 1 new."),
        (
            "partial",
            {
                "companies": {"seen": 1, "unchanged": 1},
                "contacts": {"seen": 1200, "updated": 3, "rejected": 2},
                "lines": {"seen": 4, "gone": 1},
            },
            0,
            "Read 1 company, 1,200 contacts and 4 lines: 3 changed, 1 gone, 2 could not be used.",
        ),
        ("succeeded", {"contacts": {"seen": 2, "unchanged": 2}}, 0,
         "Read 2 contacts: nothing changed."),
        ("succeeded", {}, 0, "Nothing has changed since the sync before."),
        ("succeeded", {"contacts": {"gone": 2}}, 0, "Read what changed: 2 gone."),
        ("failed", READ, 0, "Read 400 companies, then it failed."),
        ("failed", {}, 0, "It failed before anything was read."),
        ("cancelled", READ, 0, "Read 400 companies, then it was cancelled."),
        ("cancelled", {}, 0, "It was cancelled before it began."),
        ("running", READ, 0, "Read 400 companies so far."),
        ("running", {}, 0, "It has begun."),
        ("queued", {}, 0, "It has not begun yet."),
    ],
)  # fmt: skip
def test_a_run_says_what_it_came_to(
    state: str, counts: dict[str, dict[str, int]], need_you: int, sentence: str
) -> None:
    assert run_sentence(run_of(state, counts), need_you) == sentence


def test_the_counts_leave_out_zeros() -> None:
    run = run_of("succeeded", READ | {"lines": {"gone": 1}})

    assert [(one.title, one.text) for one in tallies(run)] == [
        ("Companies", "400 read, 1 new, 399 unchanged"),
        ("Lines", "1 gone"),
    ]
