"""Whether what a PSA no longer shows may be taken for gone, or a person should look first.

When most records of a kind are missing at once, it looks like lost rights: nothing is touched, and
an issue asks whether they are really gone.
"""

from __future__ import annotations

from typing import Final

from integrations.issues.inbox import KIND_INTEGRATION, IssueReport, close_issues
from integrations.kinds import BY_NAME
from integrations.psa.contract import PsaAdapter
from integrations.psa.errors import PsaError, PsaRefused
from integrations.sync.run_writer import RunWriter

#: More records than this missing at once, and more than the share: a person should look first.
GUARD_COUNT: Final = 20
GUARD_SHARE: Final = 0.5
#: Code of a refusal to believe that so many are gone, and of the issue that asks about them.
TOO_MANY_GONE: Final = "too_many_gone"


def looks_wrong(missing: int, known: int) -> bool:
    return missing == known or (missing > GUARD_COUNT and missing > known * GUARD_SHARE)


class AbsenceGuard:
    """Asked before anything is marked gone, outside of pages: it writes its own."""

    def __init__(self, writer: RunWriter, adapter: PsaAdapter) -> None:
        self.writer = writer
        self.adapter = adapter

    def is_believable(self, kind: str, missing: int, known: int, *, few: bool = False) -> bool:
        """Whether what is missing may be taken for gone. If not, the run says so and asks a person.

        `few`: only some companies were read, of which all agreements may well have ended: then it
        is believed unless the PSA shows nothing of the kind at all.
        """
        confirmed = missing <= self.writer.run.accept_gone.get(kind, 0)
        if not missing or confirmed or not looks_wrong(missing, known):
            if not few:
                self.close(kind)
            return True
        if few and not self.sees_nothing(kind):
            return True
        self._refuse(kind, missing, known, asks=not few)
        return False

    def sees_nothing(self, kind: str) -> bool:
        """Whether the PSA shows us none of the kind, of anybody."""
        try:
            return self.adapter.probe(BY_NAME[kind].right).sees_nothing
        except PsaRefused:
            return True

    def close(self, kind: str) -> None:
        """Close the issue that asked about this kind: there is no question any more."""
        if self.writer.journal.has_issue(KIND_INTEGRATION, kind):
            with self.writer.page("absences"):
                close_issues(
                    self.writer.integration,
                    kind=KIND_INTEGRATION,
                    codes={TOO_MANY_GONE},
                    external_ids={kind},
                )

    def _refuse(self, kind: str, missing: int, known: int, *, asks: bool) -> None:
        """`asks`: open an issue; a question about some companies only would stand for all."""
        error = self._too_many_gone(kind, missing, known)
        with self.writer.page("absences"):
            self.writer.checkpoint.note_refusal(error)
            if asks:
                report = IssueReport(
                    KIND_INTEGRATION,
                    error.code,
                    error.message,
                    error.fix,
                    external_id=kind,
                    count=missing,
                )
                self.writer.journal.raise_issue(report)

    def _too_many_gone(self, kind: str, missing: int, known: int) -> PsaError:
        name = self.adapter.info.name
        return PsaError(
            TOO_MANY_GONE,
            f"{name} no longer shows {missing} of {known} {kind}. They were kept as they were, for "
            "this looks like lost rights rather than deletions.",
            f"Check that the API user may see all {kind} in {name}, then press Sync Now. If they "
            "are really gone, an administrator answers “Yes, they are gone…” to the issue about "
            "them.",
        )
