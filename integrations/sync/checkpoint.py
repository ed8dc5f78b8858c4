"""What a run needs to continue after its worker died: the JSON in `SyncRun.checkpoint`, typed.

It is written with each page, in the page's transaction. Only this module knows how it is stored.

Read tolerantly. A row without a version (release 0.1 wrote none) is version 1. Keys that this
release does not know are ignored. A value of a wrong type does not end the run: that field gets its
default, so that at worst something is read and counted twice, and the run takes no company and no
contact for gone and moves no watermark, for what was lost may have spoken against it.

A change that an older worker would misread gets a new `VERSION`. A worker that meets a version
newer than its own gives the run back (`engine`), so that during an update both releases may work.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping
from datetime import UTC
from typing import Any, Final, Self

import msgspec

from integrations.kinds import KINDS
from integrations.models import SyncRun
from integrations.psa.contract import PsaCompany, PsaContact
from integrations.psa.errors import PsaError

#: The version that this release writes, and the newest one that it understands.
VERSION: Final = 1
#: Contacts that moved to another company: so many companies are remembered in a run.
MOST_MOVES: Final = 500

log = logging.getLogger(__name__)


class Refusal(msgspec.Struct, omit_defaults=True, frozen=True):
    """Why a run ends as `partial`: code, message and fix of the first refusal."""

    code: str = ""
    message: str = ""
    fix: str = ""


class Checkpoint(msgspec.Struct, omit_defaults=True, kw_only=True):
    """Where a run is, and what it has learned so far. Phases and kinds are plain names."""

    #: Which version of this structure the row was written as.
    version: int = 1
    #: The request that asked for the run, for the log (`integrations.runs.run_log`); "" = none.
    request_id: str = ""
    #: Fingerprint of the credentials that the run began with: watermarks are moved for these only.
    credentials_mark: str = msgspec.field(default="", name="keys")
    #: Phases that are done, in their order; they are not carried out again.
    phases_done: list[str] = msgspec.field(default_factory=list, name="done")
    #: Where the list that is being read continues: the adapter's own text; None = at its beginning.
    cursor: str | None = None
    #: How many records (of agreements: companies) of the phase under way are stored.
    passed: int = 0
    #: Id of the last link whose agreements are stored; None = none yet.
    after_link: str | None = None
    #: Whether what counts today is being read, of companies of which nothing was (`todays_first`).
    reads_todays: bool = msgspec.field(default=False, name="todays")
    #: Kinds whose list was read to its end.
    lists_read: list[str] = msgspec.field(default_factory=list, name="read")
    #: Kinds read whole although the run reads what changed: the answer to that was empty.
    lists_read_whole: list[str] = msgspec.field(default_factory=list, name="whole")
    #: By kind, the newest stamp of the PSA's own clock that was seen: ISO 8601 in UTC.
    newest: dict[str, str] = {}
    #: Kinds of which a record had no id, so that no absence proves anything.
    unproven: dict[str, bool] = {}
    #: PSA company that contacts left → company to which the last of them moved.
    moves: dict[str, str] = {}
    #: Names under which the run has noted ids in its pages (`seen_ids`).
    noted: list[str] = []
    #: Whether the rules are checked for all companies; None = not decided yet.
    checks_all_rules: bool | None = msgspec.field(default=None, name="checks_all")
    #: Whether the PSA refused lines of agreements, which is reported once.
    lines_refused: bool = False
    #: How often in a row the run was postponed without storing a page in between.
    postponements: int = msgspec.field(default=0, name="parks")
    #: The run's `attempts` when its last page was stored: what is above it was in vain.
    attempts_at_last_page: int = msgspec.field(default=0, name="attempts")
    #: The first refusal, which makes the run end as `partial`; None = none.
    refusal: Refusal | None = msgspec.field(default=None, name="trouble")

    # Row and structure

    @classmethod
    def of(cls, run: SyncRun) -> Self:
        """The checkpoint of a run, as a copy; one of a newer release is read as well as can be."""
        try:
            return msgspec.convert(run.checkpoint, cls, strict=False)
        except msgspec.ValidationError as error:
            log.warning("checkpoint_damaged run=%s error=%s", run.pk, error)
            return cls._salvaged(run.checkpoint)

    @classmethod
    def _salvaged(cls, stored: Any) -> Self:
        """What can be read of a damaged checkpoint, from which no absence may be concluded."""
        found = cls(**_readable(cls, stored if isinstance(stored, Mapping) else {}))
        found.unproven = {kind.name: True for kind in KINDS}
        found.checks_all_rules = True
        found.newest = {}
        found.credentials_mark = found.credentials_mark or "unreadable"
        return found

    def stored(self) -> dict[str, Any]:
        """As it is written to the row: what is at its default is left out, the version never is."""
        values: dict[str, Any] = msgspec.to_builtins(self)
        return {**values, "version": VERSION}

    def restore(self, earlier: Checkpoint) -> None:
        """Take the values of an earlier copy: the page that changed them was rolled back."""
        for name in self.__struct_fields__:
            setattr(self, name, getattr(earlier, name))

    # Phases and lists

    def is_done(self, phase: str) -> bool:
        return phase in self.phases_done

    def end_phase(self, phase: str) -> None:
        """The phase is done; the next one begins at its own beginning."""
        self.phases_done.append(phase)
        self.cursor, self.passed, self.after_link = None, 0, None
        self.reads_todays = False

    def end_page(self, attempts: int) -> None:
        """A page is stored: the run makes progress."""
        self.postponements, self.attempts_at_last_page = 0, attempts

    # What was learned

    def proves_absence(self, kind: str) -> bool:
        """Whether a record of the kind that was not shown is gone."""
        return kind not in self.unproven

    def note_newest(self, kind: str, records: Iterable[PsaCompany | PsaContact]) -> None:
        """Remember the newest stamp of the PSA's own clock."""
        stamps = [record.changed_at for record in records if record.changed_at is not None]
        if stamps:
            latest = max(stamps).astimezone(UTC).isoformat()
            self.newest[kind] = max(self.newest.get(kind, ""), latest)

    def note_move(self, before: str, after: str) -> None:
        """Remember that a contact has left one company for another; both are PSA ids."""
        if len(self.moves) < MOST_MOVES:
            self.moves[before] = after

    def note_refusal(self, error: PsaError) -> None:
        """Remember the first refusal: the run continues with the rest and ends as `partial`.

        What is said again of the same cause (same code, same fix) says more of it, and replaces it.
        Call it inside a page.
        """
        first = self.refusal
        if first is None or (first.code, first.fix) == (error.code, error.fix):
            self.refusal = Refusal(error.code, error.message, error.fix)

    @property
    def refusal_code(self) -> str:
        """Code of the first refusal; "" = nothing was refused."""
        return self.refusal.code if self.refusal else ""


class _Versioned(msgspec.Struct):
    version: int = 1


def is_newer(run: SyncRun) -> bool:
    """Whether a newer release wrote the checkpoint of this run, so that this one may misread it."""
    try:
        return msgspec.convert(run.checkpoint, _Versioned, strict=False).version > VERSION
    except msgspec.ValidationError:
        return False  # damaged: read tolerantly


def _readable(model: type[msgspec.Struct], stored: Mapping[str, Any]) -> dict[str, Any]:
    """The fields of a structure whose stored values have the right type, by attribute."""
    found = {}
    for field in msgspec.structs.fields(model):
        try:
            found[field.name] = msgspec.convert(stored[field.encode_name], field.type, strict=False)
        except (KeyError, msgspec.ValidationError):
            continue
    return found
